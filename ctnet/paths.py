"""Where things live. Each folder can be moved with an environment variable."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctnet.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def data_root() -> Path:
    """Prepared data sets, one folder each (CTNET_DATA)."""
    return _folder("CTNET_DATA", ROOT / "data" / "sets")


def runs_root() -> Path:
    """Checkpoints, logs and scores of runs (CTNET_RUNS)."""
    return _folder("CTNET_RUNS", ROOT / "runs")


def results_root() -> Path:
    """Recorded results, one JSON file for each experiment (CTNET_RESULTS)."""
    return _folder("CTNET_RESULTS", ROOT / "data" / "results")


def paper_root() -> Path:
    """The paper's tables as CSV."""
    return ROOT / "data" / "paper"


def writable(path: Path) -> None:
    """ConfigError where no file can be written: before hours of work, not after."""
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise ConfigError(f"{path}: no file can be written there; name one in a folder that exists")


@contextmanager
def atomic(path: str | Path, alone: bool = True) -> Iterator[Path]:
    """A place beside `path`, of the same suffix, to write to: what is there is moved to `path` at the end, or removed
    after an error.

    alone: nobody else writes this file now, as its writer holds a lock; then what a killed one left is written over.
    """
    own = "" if alone else f"{os.getpid()}-"
    part = Path(path).with_name(f".part-{own}{Path(path).name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
