"""Where files are kept. An environment variable moves each folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctnet.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def data_root() -> Path:
    """Return the folder of prepared data sets, one subfolder each (CTNET_DATA)."""
    return _folder("CTNET_DATA", ROOT / "data" / "sets")


def runs_root() -> Path:
    """Return the folder of checkpoints, logs and scores (CTNET_RUNS)."""
    return _folder("CTNET_RUNS", ROOT / "runs")


def results_root() -> Path:
    """Return the folder of recorded results, one JSON file per experiment (CTNET_RESULTS)."""
    return _folder("CTNET_RESULTS", ROOT / "data" / "results")


def paper_root() -> Path:
    """Return the folder of the paper's tables as CSV files."""
    return ROOT / "data" / "paper"


def weights_root() -> Path:
    """Return the folder of the weights that are part of the repository."""
    return ROOT / "data" / "weights"


def writable(path: Path) -> None:
    """Check that a file can be written at a path, before the work for it is done.

    Raises:
        ConfigError: If its folder does not exist, or the path is a folder.
    """
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise ConfigError(f"{path}: no file can be written there; name one in a folder that exists")


@contextmanager
def atomic(path: str | Path, alone: bool = True) -> Iterator[Path]:
    """Write a file whole or not at all.

    Args:
        path: The file to write or replace.
        alone: Whether a lock keeps other processes from writing this file. The temporary file then has a fixed name,
            so that the next writer replaces one that a killed process left behind.

    Yields:
        A temporary path in the same folder, with the same suffix. It is renamed to `path` at the end of the block, or
        removed after an error.
    """
    own = "" if alone else f"{os.getpid()}-"
    part = Path(path).with_name(f".part-{own}{Path(path).name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
