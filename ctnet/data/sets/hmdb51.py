"""HMDB51 (Kuehne et al., 2011): class folders of avi files, and three splits.

<class>/<video>.avi                                         or hmdb51_org/<class>/<video>.avi
testTrainMulti_7030_splits/<class>_test_split1.txt          <video>.avi 1        1 trains, 2 tests, 0 is left out
"""

from collections.abc import Iterator
from pathlib import Path

from ctnet.data.sets.listing import Clip, Listing, find, inside, lines_of, once
from ctnet.errors import DataError

SIDES = {"1": "train", "2": "test", "0": None}


def hmdb51(source: Path, split: int) -> Listing:
    """Class order: sorted; the owners publish none."""
    lists, ending = find(source, "testTrainMulti_7030_splits", "test_train_splits"), f"_test_split{split}.txt"
    files = sorted((p for p in lists.iterdir() if p.name.endswith(ending)), key=lambda p: p.name.removesuffix(ending))
    if not files:
        raise DataError(f"{lists}: holds no file *{ending}")
    classes = tuple(p.name.removesuffix(ending) for p in files)
    home = next((source / name for name in ("hmdb51_org", "videos") if (source / name).is_dir()), source)

    def rows() -> Iterator[tuple[str, str, Clip]]:
        for label, path in enumerate(files):
            for where, line in lines_of(path):
                name, _, side = line.rpartition(" ")
                if not name or side not in SIDES:
                    raise DataError(f"{where}: needs to be 'VIDEO 0', 1 or 2, not '{line[:100]}'")
                if SIDES[side]:
                    yield where, SIDES[side], Clip(inside(home, f"{classes[label]}/{name.strip()}", where), label)

    return Listing(classes, *once(rows()))
