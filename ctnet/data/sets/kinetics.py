"""Kinetics-400 (Kay et al., 2017), and Mini-Kinetics (Xie et al., 2018), 200 of its classes.

    <anywhere>/<youtube_id>_<start>_<end>.mp4      000007_000017: seconds in six digits; class folders or none
    train.csv, val.csv                             label,youtube_id,time_start,time_end,split
    train_ytid_list.txt, val_ytid_list.txt         Mini-Kinetics: one youtube_id a line

Some videos have vanished from YouTube. The report names each missing one and counts N found of N listed. The paper, its
release and we test on the validation split.
"""

from collections.abc import Iterator
from pathlib import Path

from ctnet.data.sets.annotations import label_of, read_lines, read_rows, whole_number
from ctnet.data.sets.files import find, inside, videos_below
from ctnet.data.sets.listing import Clip, Entry, Listing

SPLITS = {"train": ("train",), "test": ("val", "validate", "validation")}  # ours -> the owners' names
COLUMNS = ("label", "youtube_id", "time_start", "time_end")
HOMES = ("", "annotations/")  # where the lists may be
STARTS = ("", "kinetics-400_", "kinetics_", "kinetics_400_", "kinetics400_")  # how the CSV files' names have started


def read_kinetics400(source: Path) -> Listing:
    """Read Kinetics-400. Classes are sorted by name, as usual in this field; the owners publish no order."""
    return _read(source, dict.fromkeys(SPLITS))


def read_mini_kinetics(source: Path) -> Listing:
    """Read the videos of Kinetics-400 that the authors' two lists name. Classes are sorted by name."""
    files = {
        split: find(source, *(f"{home}{name}_ytid_list.txt" for name in names for home in HOMES))
        for split, names in SPLITS.items()
    }
    return _read(source, {split: {line: where for where, line in read_lines(path)} for split, path in files.items()})


def _read(source: Path, only: dict[str, dict[str, str] | None]) -> Listing:
    """Read the CSV files and find the file of each row.

    Args:
        source: The folder that holds the videos and the CSV files.
        only: For each split the youtube_ids to keep, with `FILE: line N` of each; None keeps all.
    """
    tables = {
        split: find(source, *(f"{home}{start}{name}.csv" for start in STARTS for name in names for home in HOMES))
        for split, names in SPLITS.items()
    }
    rows = {
        split: [(w, r) for w, r in read_rows(path, COLUMNS) if only[split] is None or r["youtube_id"] in only[split]]
        for split, path in tables.items()
    }
    classes = sorted({row["label"] for _, row in rows["train"]})
    labels = {name: k for k, name in enumerate(classes)}
    files = videos_below(source)
    ambiguous: dict[str, list[str]] = {split: [] for split in rows}

    def entries() -> Iterator[Entry]:
        for split in rows:
            for where, row in rows[split]:
                label = label_of(row["label"], labels, where)
                start, end = (whole_number(row[column], column, where) for column in COLUMNS[2:])
                name = f"{row['youtube_id']}_{start:06d}_{end:06d}"
                missing = inside(source, f"{name}.mp4", where)
                found = files.get(name) or files.get(row["youtube_id"]) or [missing]
                found = _nearest(found, source, split, row["label"])
                if len(found) > 1:
                    ambiguous[split].append(f"{found[0]}: one of {len(found)} files of this name ({where})")
                else:
                    yield where, split, Clip(found[0], label)

    listing = Listing.of(classes, entries(), SPLITS)
    for split, ids in only.items():
        unknown = sorted(set(ids or ()) - {row["youtube_id"] for _, row in rows[split]})
        lines = [f"{name}: not in {tables[split]} ({ids[name]})" for name in unknown]
        listing.left_out[split] = ambiguous[split] + listing.left_out.get(split, []) + lines
    return listing


def _nearest(files: list[Path], source: Path, split: str, label: str) -> list[Path]:
    """Among several files with one name, keep those in a folder of the split, then those in a folder of the class."""
    if len(files) > 1:
        files = [p for p in files if set(SPLITS[split]) & set(p.relative_to(source).parts)] or files
        files = [p for p in files if p.parent.name.replace("_", " ") == label] or files
    return files


READERS = {"kinetics400": read_kinetics400, "mini_kinetics": read_mini_kinetics}
ORDERS = {"kinetics400": "37e95561447a94890ddbd153012c9e02b78d609c81d450df157ba01a6210869b"}
