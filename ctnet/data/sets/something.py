"""Something-Something (Goyal et al., 2017): V1 as folders of frames with CSV files, V2 as webm files with JSON files.

    20bn-something-something-v1/<id>/00001.jpg ...           20bn-something-something-v2/<id>.webm
    something-something-v1-labels.csv                        labels.json        ("template": "index")
    something-something-v1-train.csv        id;template      train.json         [{id, template, ...}]
    something-something-v1-validation.csv                    validation.json

The test split is published without labels, so the paper, its release and we test on the validation split.
"""

from collections.abc import Iterator
from pathlib import Path

from ctnet.data.sets.annotations import label_of, malformed, read_json, read_lines
from ctnet.data.sets.files import find, inside
from ctnet.data.sets.listing import Clip, Entry, Listing
from ctnet.errors import DataError

SPLITS = {"train": "train", "validation": "test"}  # the owners' name -> ours


def read_v1(source: Path) -> Listing:
    """Read V1. Classes are sorted by name, which is the order of V2's indices and of the released weights."""
    name = "something-something-v1"
    home = find(source, f"20bn-{name}")
    classes = sorted({line for _, line in read_lines(find(source, f"{name}-labels.csv"))})
    labels = {template: k for k, template in enumerate(classes)}

    def entries() -> Iterator[Entry]:
        for theirs, split in SPLITS.items():
            for where, line in read_lines(find(source, f"{name}-{theirs}.csv")):
                number, semicolon, template = line.partition(";")
                if not semicolon:
                    raise malformed(where, "id;template", line)
                yield where, split, Clip(inside(home, number, where), label_of(template, labels, where))

    return Listing.of(classes, entries())


def read_v2(source: Path) -> Listing:
    """Read V2. Classes are in the order of labels.json, whose templates lack the [brackets] of train.json."""
    name = "something-something-v2"
    home = find(source, f"20bn-{name}")
    table = _annotation_file(source, name, "labels")
    indices = read_json(table, dict)
    if sorted(map(str, indices.values()), key=lambda k: (len(k), k)) != [str(k) for k in range(len(indices))]:
        raise DataError(f"{table}: its indices must be 0 to {len(indices) - 1}, each once")
    labels = {template: int(index) for template, index in indices.items()}

    def entries() -> Iterator[Entry]:
        for theirs, split in SPLITS.items():
            path = _annotation_file(source, name, theirs)
            for k, entry in enumerate(read_json(path, list), 1):
                where = f"{path}: entry {k}"
                if not isinstance(entry, dict) or not all(isinstance(entry.get(f), str) for f in ("id", "template")):
                    raise DataError(f"{where}: needs an id and a template")
                label = label_of(entry["template"].replace("[", "").replace("]", ""), labels, where)
                yield where, split, Clip(inside(home, f"{entry['id']}.webm", where), label)

    return Listing.of(sorted(labels, key=labels.__getitem__), entries())


def _annotation_file(source: Path, name: str, kind: str) -> Path:
    """Find <kind>.json as in today's archive (its folder is labels/), or <name>-<kind>.json as in the first one."""
    return find(source, f"{kind}.json", f"labels/{kind}.json", f"{name}-{kind}.json")


READERS = {"something_v1": read_v1, "something_v2": read_v2}
ORDERS = dict.fromkeys(READERS, "b40b9722fa9c7dcfc5c25bc59c9ee32d162e0aab21f2d0f7c6f95d9e77b6363c")
