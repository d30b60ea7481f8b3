"""Where a prepared data set is kept, and which version of it is expected there."""

from pathlib import Path

from ctnet import paths
from ctnet.data.manifest import INFO
from ctnet.data.motionpairs import draw
from ctnet.errors import DataError

DRAWN = draw.NAME  # the set that ctnet draws itself
PUBLISHED = "as published"  # the version of every other set


def home(name: str = DRAWN, scale: str = "cpu", root: str | Path | None = None) -> Path:
    """Return the folder of a set, whether or not it has been prepared.

    Args:
        name: "motionpairs", the name of another set, or a path to a set's folder.
        scale: Scale of MotionPairs; other sets have none.
        root: Folder of all sets; CTNET_DATA by default.

    Returns:
        `<root>/motionpairs-<scale>` or `<root>/<name>`; a path is returned unchanged.

    Raises:
        ConfigError: MotionPairs has no such scale.
    """
    return Path(root or paths.data_root()) / (f"{name}-{draw.known(scale)}" if name == DRAWN else name)


def locate(name: str = DRAWN, scale: str = "cpu", root: str | Path | None = None) -> Path:
    """Return the folder of a prepared set.

    Args:
        name: "motionpairs", the name of another set, or a path to a set's folder.
        scale: Scale of MotionPairs; other sets have none.
        root: Folder of all sets; CTNET_DATA by default.

    Raises:
        ConfigError: MotionPairs has no such scale.
        DataError: The set is missing or of another version; the message has the command that makes it.

    Example:
        >>> ctnet.data.locate("motionpairs", "cpu")
        PosixPath('data/sets/motionpairs-cpu')
    """
    folder = home(name, scale, root)
    there = (folder / INFO).exists()
    if name != DRAWN and not there:
        raise DataError(f"{folder}: data set absent; run: python -m ctnet data prepare {name} --source FOLDER")
    if name == DRAWN and not draw.finished(folder, scale):
        state = "of another version" if there else "absent"
        raise DataError(f"{folder}: data set {state}; run: python -m ctnet data prepare {name} --scale {scale}")
    return folder


def version_of(name: str, scale: str) -> str:
    """Return the version of a set, which is part of the key of an experiment.

    For MotionPairs it changes with everything that decides the clips. Other sets are used as published.
    """
    return draw.version(scale) if name == DRAWN else PUBLISHED
