"""Published video sets in their owners' layouts, class folders of your own, and list files.

Each layout has one file here. It defines `READERS` ({set name: function from the source folder to a `Listing`}) and
`ORDERS` ({set name: `order_of` the owners' class list, where it is known}). To add a set, write such a file and add its
name to `LAYOUTS` below. Readers parse annotation files and open no video.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from ctnet.data.sets import lists
from ctnet.data.sets.folders import folders
from ctnet.data.sets.listing import Listing
from ctnet.data.writing import replaceable

LAYOUTS = (
    "something",
    "kinetics",
    "ucf101",
    "hmdb51",
    "grid",
)

_MODULES = [import_module(f"{__name__}.{layout}") for layout in LAYOUTS]
READERS: dict[str, Callable[[Path], Listing]] = {name: read for m in _MODULES for name, read in m.READERS.items()}
ORDERS: dict[str, str] = {name: order for module in _MODULES for name, order in module.ORDERS.items()}
NAMES = tuple(READERS)


def prepare(name: str, source: Path, folder: Path, files: Sequence[Path], workers: int) -> Path:
    """Make the set `name` at `folder` from the videos in `source`.

    Args:
        name: One of `NAMES`, or any other name for class folders of your own.
        source: Absolute path of the folder that holds the videos as their owners publish them.
        folder: Where the set is written: manifests, dataset.json and report.txt. The videos stay in `source`.
        files: List files that name the videos (see `ctnet.data.sets.lists`), used instead of the owners' annotations.
        workers: How many processes count frames.

    Returns:
        `folder`.

    Raises:
        DataError: An annotation is broken, a split has no usable video, or `folder` cannot be written or replaced.

    Example:
        >>> prepare("ucf101", Path("/videos/ucf101"), Path("/sets/ucf101"), files=[], workers=8)
        PosixPath('/sets/ucf101')
    """
    from ctnet.data.sets.make import make

    replaceable(folder, [source])
    listing = lists.from_lists(source, files) if files else READERS.get(name, folders)(source)
    return make(listing, folder, workers, ORDERS.get(name), source)


__all__ = ["LAYOUTS", "NAMES", "ORDERS", "READERS", "Listing", "prepare"]
