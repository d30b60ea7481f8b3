"""Kinetics-400 (Kay et al., 2017), and Mini-Kinetics (Xie et al., 2018), 200 of its classes.

    <anywhere>/<youtube_id>_<start>_<end>.mp4      000007_000017: seconds in six digits; class folders or none
    train.csv, val.csv                             label,youtube_id,time_start,time_end,split
    train_ytid_list.txt, val_ytid_list.txt         Mini-Kinetics: one youtube_id a line

Videos have vanished from YouTube since: what is absent is told by name, as N found of N official. Paper and release
test on the validation split.
"""

from collections.abc import Iterator
from pathlib import Path

from ctnet.data.sets.listing import (
    Clip,
    Listing,
    find,
    inside,
    label_of,
    lines_of,
    number,
    once,
    records_of,
    videos_below,
)

SPLITS = {"train": ("train",), "test": ("val", "validate", "validation")}  # ours -> the owners' names
COLUMNS = ("label", "youtube_id", "time_start", "time_end")


def kinetics400(source: Path) -> Listing:
    """Class order: sorted, as everywhere in this field; the owners publish none."""
    return listing(source, {split: None for split in SPLITS})


def mini_kinetics(source: Path) -> Listing:
    """Those videos of Kinetics-400 that the authors' two lists name; class order: sorted."""
    return listing(source, {split: chosen(source, names) for split, names in SPLITS.items()})


def chosen(source: Path, names: tuple[str, ...]) -> dict[str, str]:
    """youtube_id -> `FILE: line N`."""
    path = find(source, *(f"{home}{name}_ytid_list.txt" for name in names for home in ("", "annotations/")))
    return {line: where for where, line in lines_of(path)}


def listing(source: Path, only: dict[str, dict[str, str] | None]) -> Listing:
    """The rows of the CSV files, or those whose youtube_id is in `only[split]`; each with its file, if it is there."""
    tables = {split: table(source, names) for split, names in SPLITS.items()}
    rows = {
        split: [(w, r) for w, r in records_of(path, COLUMNS) if only[split] is None or r["youtube_id"] in only[split]]
        for split, path in tables.items()
    }
    classes = sorted({row["label"] for _, row in rows["train"]})
    labels = {name: k for k, name in enumerate(classes)}
    there = videos_below(source)
    twofold: dict[str, list[str]] = {split: [] for split in rows}

    def found() -> Iterator[tuple[str, str, Clip]]:
        for split in rows:
            for where, row in rows[split]:
                label = label_of(row["label"], labels, where)
                start, end = (number(row[column], column, where) for column in COLUMNS[2:])
                named = f"{row['youtube_id']}_{start:06d}_{end:06d}"
                absent = inside(source, f"{named}.mp4", where)
                places = near(there.get(named) or there.get(row["youtube_id"]) or [absent], source, split, row["label"])
                if len(places) > 1:
                    twofold[split].append(f"{places[0]}: one of {len(places)} files of this name ({where})")
                else:
                    yield where, split, Clip(places[0], label)

    clips, wrong = once(found())
    for split, ids in only.items():
        strange = sorted(set(ids or ()) - {row["youtube_id"] for _, row in rows[split]})
        unknown = [f"{name}: not in {tables[split]} ({ids[name]})" for name in strange]
        wrong[split] = twofold[split] + wrong.get(split, []) + unknown
    return Listing(tuple(classes), clips, wrong)


def near(places: list[Path], source: Path, split: str, label: str) -> list[Path]:
    """Of several files of one name those in a folder of the split's name, and of these in one of the class's."""
    if len(places) > 1:
        places = [p for p in places if set(SPLITS[split]) & set(p.relative_to(source).parts)] or places
        places = [p for p in places if p.parent.name.replace("_", " ") == label] or places
    return places


def table(source: Path, names: tuple[str, ...]) -> Path:
    """The CSV file of a split, under the names that it had over the years."""
    homes, starts = ("", "annotations/"), ("", "kinetics-400_", "kinetics_", "kinetics_400_", "kinetics400_")
    return find(source, *(f"{home}{start}{name}.csv" for start in starts for name in names for home in homes))
