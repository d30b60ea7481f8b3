"""Video sets as their owners publish them: NAME -> reader of the layout, (source folder) -> `Listing`.

Readers open no video; `make.make` counts frames and writes manifests over videos that stay where they are.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ctnet.data.sets import grid, hmdb51, kinetics, lists, something, ucf101
from ctnet.data.sets.folders import folders
from ctnet.data.sets.listing import Listing

READERS = {
    "something_v1": something.v1,
    "something_v2": something.v2,
    "kinetics400": kinetics.kinetics400,
    "mini_kinetics": kinetics.mini_kinetics,
    "ucf101": partial(ucf101.ucf101, split=1),
    "ucf101_2": partial(ucf101.ucf101, split=2),
    "ucf101_3": partial(ucf101.ucf101, split=3),
    "hmdb51": partial(hmdb51.hmdb51, split=1),
    "hmdb51_2": partial(hmdb51.hmdb51, split=2),
    "hmdb51_3": partial(hmdb51.hmdb51, split=3),
}
NAMES = (*READERS, *grid.SUBSETS)

# `make.order_of` the owners' classes, where their names are known here; for all versions and splits of a set
ORDERS = {
    "something": "b40b9722fa9c7dcfc5c25bc59c9ee32d162e0aab21f2d0f7c6f95d9e77b6363c",
    "kinetics400": "37e95561447a94890ddbd153012c9e02b78d609c81d450df157ba01a6210869b",
    "ucf101": "4084b456744cd9eb5bdb4e3a0d6c43c3644fdfbac7c2e4882f29ac2543894e2e",
    "hmdb51": "50ba7da61f79f5b3135de1bc91120f9a136898db87b966c61746a3c675170782",
}


def prepare(name: str, source: Path, folder: Path, files: Sequence[Path], workers: int) -> Path:
    """Makes the set NAME at `folder` of the videos in `source` (absolute); any other name reads class folders.

    files: lists that say which videos these are (`lists.from_lists`), instead of the owners' own.
    """
    from ctnet.data.sets.make import make

    order = ORDERS.get(name.partition("_")[0]) if name in READERS else None
    if files:
        listing = lists.from_lists(source, files)
    elif name in grid.SUBSETS:
        return grid.prepare(name, source, folder, workers)
    else:
        listing = READERS.get(name, folders)(source)
    return make(listing, folder, workers, order, source=source)


__all__ = ["NAMES", "ORDERS", "READERS", "Listing", "prepare"]
