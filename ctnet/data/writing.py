"""TODO."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from ctnet.errors import DataError

REPORT = "report.txt"
Row = tuple[str | Path, int, int, int]  # path, label, start, frames


def write_set(
    folder: str | Path,
    classes: Sequence[str],
    rows: dict[str, Sequence[Row]],
    version: int = 1,
    report: str | None = None,
    **facts,
) -> Path:
    """Writes dataset.json and a manifest for each split of `rows` ({split: [(path, label, start, frames)]}).

    report: text of report.txt · facts: more entries of dataset.json, such as tiers, reverse, flip. The folder bears
    its name once it is whole; a set of manifests that is there is replaced, and nothing else ever is: DataError.
    """
    folder = Path(folder)
    replaceable(folder, {(folder / row[0]).parent for clips in rows.values() for row in clips})
    for split, clips in rows.items():
        if not clips:
            raise DataError(f"{folder}: split '{split}' would be empty; give it at least one clip")
    partial, old = (folder.with_name(f".{folder.name}-{os.getpid()}{word}.partial") for word in ("", "-old"))
    content = {"name": folder.name, "version": version, "scale": None, "classes": list(classes)}
    content |= {"tiers": None, "reverse": None, "flip": None}
    content["classes_sha256"] = sha256(json.dumps(list(classes)).encode()).hexdigest()
    content["splits"] = {split: len(clips) for split, clips in rows.items()}
    content["content_sha256"] = content_of(rows)
    try:
        partial.mkdir(parents=True)
        for split, clips in rows.items():
            with (partial / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("path", "label", "start", "frames"), *clips])
        if report is not None:
            (partial / REPORT).write_text(report + "\n", encoding="utf-8")
        (partial / "dataset.json").write_text(json.dumps(content | facts, indent=1))
        if folder.exists():
            folder.rename(old)  # not deleted before the new one is there
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return folder


def replaceable(folder: Path, sources: Iterable[Path]) -> None:
    """DataError where to write a set at `folder` would delete more than manifests, or the videos in `sources`."""
    if folder.exists():
        found = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        if "dataset.json" not in found:
            raise DataError(f"{folder}: there, and no data set (no dataset.json in it); move it or take another name")
        if more := [name for name in sorted(found) if name not in ("dataset.json", REPORT) and name[-4:] != ".csv"]:
            raise DataError(f"{folder}: holds more than manifests ({more[0]}); move it or take another name")
    places = {Path(os.path.abspath(folder)), folder.resolve()}
    for source in sources:
        for place in places:
            if any(path.is_relative_to(place) for path in (Path(os.path.abspath(source)), source.resolve())):
                raise DataError(f"{folder}: the videos ({source}) lie in it; take another name or move them")


def content_of(rows: dict[str, Sequence[Row]]) -> str:
    """A hash of what a set holds: of each clip the split, the video's name without folders, label, start, frames."""
    clips = {split: [(Path(path).name, *map(int, rest)) for path, *rest in rows[split]] for split in rows}
    return sha256(json.dumps(clips, sort_keys=True).encode()).hexdigest()


def select(folder: str | Path, classes: Sequence[str], out: str | Path) -> Path:
    """Some classes of a data set as a set of their own, in the order given; the videos stay where they are.

    Keeps tiers and label maps as far as both classes of an entry are chosen. DataError for an unknown class.
    """
    from ctnet.data.manifest import DataInfo, Manifest

    info = DataInfo.read(folder)
    if strange := [c for c in classes if c not in info.classes]:
        raise DataError(f"{folder}: has no class {', '.join(strange)}; see dataset.json")
    old = [info.classes.index(c) for c in classes]
    new = {k: i for i, k in enumerate(old)}
    rows = {}
    for split in info.splits:
        m = Manifest.read(folder, split, info)
        chosen = [i for i in range(len(m)) if int(m.labels[i]) in new]
        rows[split] = [
            (m.path(i).absolute(), new[int(m.labels[i])], int(m.starts[i]), int(m.frames[i])) for i in chosen
        ]
    facts = {"tiers": info.tiers and [info.tiers[k] for k in old]}
    for name in ("reverse", "flip"):
        labels = getattr(info, name)
        facts[name] = labels and [new.get(labels[k]) for k in old]
    return write_set(out, classes, rows, **facts)
