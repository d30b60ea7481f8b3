"""TODO."""

from pathlib import Path

from ctnet import paths
from ctnet.data.motionpairs import draw
from ctnet.errors import DataError

DRAWN = draw.NAME


def home(name: str = DRAWN, scale: str = "cpu", root: str | Path | None = None) -> Path:
    """Where a set is kept, made or not: <root>/motionpairs-<scale>, <root>/<name> of any other (or the folder
    that the name is); the root is CTNET_DATA unless given.
    """
    return Path(root or paths.data_root()) / (f"{name}-{draw.known(scale)}" if name == DRAWN else name)


def locate(name: str = DRAWN, scale: str = "cpu", root: str | Path | None = None) -> Path:
    """The finished set's folder; DataError with the command to run where it is absent or out of date."""
    folder = home(name, scale, root)
    there = (folder / "dataset.json").exists()
    if name != DRAWN and not there:
        raise DataError(f"{folder}: data set absent; run: python -m ctnet data prepare {name} --source FOLDER")
    if name == DRAWN and not draw.finished(folder, scale):
        state = "of another version" if there else "absent"
        raise DataError(f"{folder}: data set {state}; run: python -m ctnet data prepare {name} --scale {scale}")
    return folder


def version_of(name: str, scale: str) -> str:
    """Changes with everything that decides what clips a set holds; part of an experiment's hash."""
    return draw.version(scale) if name == DRAWN else "as published"
