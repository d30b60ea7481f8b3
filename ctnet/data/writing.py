"""Write a data set in the format of `ctnet.data.manifest`: either all of its files or none."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from ctnet.data.manifest import (
    INFO,
    REPORT,
    DataInfo,
    Manifest,
    Row,
    content_hash,
    dataset_facts,
    write_info,
    write_manifest,
    write_report,
)
from ctnet.errors import DataError


def write_set(
    folder: str | Path,
    classes: Sequence[str],
    rows: dict[str, Sequence[Row]],
    version: int = 1,
    report: str | None = None,
    **facts,
) -> Path:
    """Write a data set over videos that are already there.

    The files are written beside `folder` and renamed at the end. An existing set of manifests is replaced; nothing
    else is ever overwritten.

    Args:
        folder: Folder of the set; its name becomes the name of the set.
        classes: Class names; a label is an index into them.
        rows: Clips of each split, as `(path, label, start, frames)`. A path is absolute or relative to `folder`.
        version: Version of the set.
        report: Text of report.txt, or None for no report.
        **facts: Further entries of dataset.json, such as `tiers`, `reverse` and `flip`.

    Returns:
        The folder.

    Raises:
        DataError: A split is empty, the folder cannot be written, or it holds more than manifests.

    Example:
        >>> clips = {"train": [("/videos/a.mp4", 0, 0, 90)], "test": [("/videos/b.mp4", 1, 0, 75)]}
        >>> ctnet.data.write_set("data/sets/mine", ["jump", "run"], clips)
        PosixPath('data/sets/mine')
    """
    folder = Path(folder)
    replaceable(folder, {(folder / row[0]).parent for clips in rows.values() for row in clips})
    for split, clips in rows.items():
        if not clips:
            raise DataError(f"{folder}: split '{split}' would be empty; give it at least one clip")
    partial, old = (folder.with_name(f".{folder.name}-{os.getpid()}{word}.partial") for word in ("", "-old"))
    counts = {split: len(clips) for split, clips in rows.items()}
    content = dataset_facts(folder.name, classes, counts, version, content_sha256=content_hash(rows))
    try:
        partial.mkdir(parents=True)
        for split, clips in rows.items():
            write_manifest(partial, split, clips)
        if report is not None:
            write_report(partial, report)
        write_info(partial, content | facts)
        if folder.exists():
            folder.rename(old)  # kept until the new one is in place
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return folder


def select(folder: str | Path, classes: Sequence[str], out: str | Path) -> Path:
    """Write some classes of a data set as a set of its own; the videos stay where they are.

    Args:
        folder: Folder of the set to select from.
        classes: Names of the classes to keep, in the order of their new labels.
        out: Folder of the new set.

    Returns:
        `out`. Tiers are kept; an entry of a label map whose class was not selected becomes None.

    Raises:
        DataError: The set has no such class, or `out` cannot be written.
    """
    info = DataInfo.read(folder)
    if missing := [c for c in classes if c not in info.classes]:
        raise DataError(f"{folder}: has no class {', '.join(missing)}; see {INFO}")
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


def replaceable(folder: Path, sources: Iterable[Path]) -> None:
    """Check that writing a set at `folder` deletes nothing but manifests.

    Args:
        folder: Where the set is to be written.
        sources: Folders of the videos.

    Raises:
        DataError: `folder` holds more than manifests, or one of the sources is inside it.
    """
    if folder.exists():
        found = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        if INFO not in found:
            raise DataError(f"{folder}: exists and is no data set (no {INFO} in it); move it or choose another name")
        if more := [name for name in sorted(found) if name not in (INFO, REPORT) and name[-4:] != ".csv"]:
            raise DataError(f"{folder}: holds more than manifests ({more[0]}); move it or choose another name")
    places = {Path(os.path.abspath(folder)), folder.resolve()}
    for source in sources:
        for place in places:
            if any(path.is_relative_to(place) for path in (Path(os.path.abspath(source)), source.resolve())):
                raise DataError(f"{folder}: the videos ({source}) are inside it; choose another name or move them")
