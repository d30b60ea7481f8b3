"""HMDB51 (Kuehne et al., 2011): class folders of avi files, and three splits.

<class>/<video>.avi                                         or hmdb51_org/<class>/<video>.avi
testTrainMulti_7030_splits/<class>_test_split1.txt          <video>.avi 1        1: train, 2: test, 0: not used
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ctnet.data.sets.annotations import malformed, read_lines
from ctnet.data.sets.files import find, inside
from ctnet.data.sets.listing import Clip, Entry, Listing
from ctnet.errors import DataError

SPLITS = {"1": "train", "2": "test", "0": None}  # the number after a video's name -> its split


def read(source: Path, split: int) -> Listing:
    """Read one of the three splits. Classes are sorted by name, because the owners publish no order."""
    lists, ending = find(source, "testTrainMulti_7030_splits", "test_train_splits"), f"_test_split{split}.txt"
    files = sorted((p for p in lists.iterdir() if p.name.endswith(ending)), key=lambda p: p.name.removesuffix(ending))
    if not files:
        raise DataError(f"{lists}: holds no file *{ending}")
    classes = [p.name.removesuffix(ending) for p in files]
    home = next((source / name for name in ("hmdb51_org", "videos") if (source / name).is_dir()), source)

    def entries() -> Iterator[Entry]:
        for label, path in enumerate(files):
            for where, line in read_lines(path):
                name, _, number = line.rpartition(" ")
                if not name or number not in SPLITS:
                    raise malformed(where, "'VIDEO 0', 1 or 2", line)
                if side := SPLITS[number]:
                    yield where, side, Clip(inside(home, f"{classes[label]}/{name.strip()}", where), label)

    return Listing.of(classes, entries())


READERS = {name: partial(read, split=k) for k, name in enumerate(("hmdb51", "hmdb51_2", "hmdb51_3"), 1)}
ORDERS = dict.fromkeys(READERS, "50ba7da61f79f5b3135de1bc91120f9a136898db87b966c61746a3c675170782")
