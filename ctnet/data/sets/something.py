"""Something-Something (Goyal et al., 2017): V1 as folders of frames with CSV files, V2 as webm files with JSON files.

    20bn-something-something-v1/<id>/00001.jpg ...           20bn-something-something-v2/<id>.webm
    something-something-v1-labels.csv                        labels.json        ("template": "index")
    something-something-v1-train.csv        id;template      train.json         [{id, template, ...}]
    something-something-v1-validation.csv                    validation.json

Paper and release test on the validation split: the test split is published without labels.
"""

from collections.abc import Iterator
from pathlib import Path

from ctnet.data.sets.listing import Clip, Listing, find, inside, json_of, label_of, lines_of, once
from ctnet.errors import DataError

SPLITS = {"train": "train", "validation": "test"}  # the owners' name -> ours


def v1(source: Path) -> Listing:
    """Class order: sorted, as V2's owners number the same templates and as the released weights have it."""
    name = "something-something-v1"
    home = find(source, f"20bn-{name}")
    classes = sorted({line for _, line in lines_of(find(source, f"{name}-labels.csv"))})
    labels = {template: k for k, template in enumerate(classes)}

    def rows() -> Iterator[tuple[str, str, Clip]]:
        for theirs, split in SPLITS.items():
            for where, line in lines_of(find(source, f"{name}-{theirs}.csv")):
                number, semicolon, template = line.partition(";")
                if not semicolon:
                    raise DataError(f"{where}: needs to be id;template, not '{line[:100]}'")
                yield where, split, Clip(inside(home, number, where), label_of(template, labels, where))

    return Listing(tuple(classes), *once(rows()))


def v2(source: Path) -> Listing:
    """Class order: the indices of labels.json. A template of train.json has [brackets] that labels.json has not."""
    name = "something-something-v2"
    home = find(source, f"20bn-{name}")
    table = annotations(source, name, "labels")
    indices = json_of(table, dict)
    if sorted(map(str, indices.values()), key=lambda k: (len(k), k)) != [str(k) for k in range(len(indices))]:
        raise DataError(f"{table}: its indices must be 0 to {len(indices) - 1}, each once")
    labels = {template: int(index) for template, index in indices.items()}

    def rows() -> Iterator[tuple[str, str, Clip]]:
        for theirs, split in SPLITS.items():
            path = annotations(source, name, theirs)
            for k, entry in enumerate(json_of(path, list), 1):
                where = f"{path}: entry {k}"
                if not isinstance(entry, dict) or not all(isinstance(entry.get(f), str) for f in ("id", "template")):
                    raise DataError(f"{where}: needs an id and a template")
                label = label_of(entry["template"].replace("[", "").replace("]", ""), labels, where)
                yield where, split, Clip(inside(home, f"{entry['id']}.webm", where), label)

    return Listing(tuple(sorted(labels, key=labels.__getitem__)), *once(rows()))


def annotations(source: Path, name: str, kind: str) -> Path:
    """labels.json of today's archive (its folder is labels/), or something-something-v2-labels.json of the first."""
    return find(source, f"{kind}.json", f"labels/{kind}.json", f"{name}-{kind}.json")
