"""The list files common in this field (TSN, TSM, CT-Net): one `path frames label` a line, for any set.

A path is relative to the source folder and names a folder of frames, or a video file with or without its ending.
category.txt beside the first list gives the class names, one a line in label order. Without it, each label is its own
class name.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ctnet.data.sets.annotations import malformed, read_lines, whole_number
from ctnet.data.sets.files import VIDEOS, inside
from ctnet.data.sets.listing import Clip, Entry, Listing
from ctnet.errors import DataError

MAX_UNNAMED = 1000  # classes that may go without names, unless there are more videos than that
SPLITS = ("train", "val", "test")


def from_lists(source: Path, files: Sequence[Path]) -> Listing:
    """Read list files; two files for one split are read as one.

    Args:
        source: The folder that the paths in the lists are relative to.
        files: List files with `train`, `val` or `test` in their names.

    Raises:
        DataError: A line has another form, a path leads out of `source`, or a label has no class.
    """
    entries = list(_entries(source, files))
    names = files[0].parent / "category.txt"
    if names.is_file():
        classes = [line for _, line in read_lines(names)]
    else:
        count = max(clip.label for _, _, clip in entries) + 1
        classes = [str(label) for label in range(min(count, max(len(entries), MAX_UNNAMED)))]
    for where, _, clip in entries:
        if clip.label >= len(classes):
            why = f"{names} names {len(classes)} classes" if names.is_file() else f"there is no {names} to name it"
            raise DataError(f"{where}: label {clip.label} is out of range: {why}")
    return Listing.of(classes, entries)


def _entries(source: Path, files: Sequence[Path]) -> Iterator[Entry]:
    """Yield (`FILE: line N`, split, clip) for each line of the lists."""
    splits = [_split_of(file) for file in files]
    endings = ("", *sorted(VIDEOS))
    for file, split in zip(files, splits, strict=True):
        ours = "test" if split == "val" and "test" not in splits else split
        for where, line in read_lines(file):
            words = line.rsplit(maxsplit=2)
            if len(words) != 3:
                raise malformed(where, "'path frames label'", line)
            named = inside(source, words[0], where)
            video = next((p for p in (named.with_name(named.name + e) for e in endings) if os.path.exists(p)), named)
            frames, label = (
                whole_number(word, f"{what}, of a line 'path frames label',", where)
                for word, what in ((words[1], "frames"), (words[2], "label"))
            )
            yield where, ours, Clip(video, label, frames)


def _split_of(file: Path) -> str:
    """Return the one of `SPLITS` that is in the list's name."""
    found = [split for split in SPLITS if split in file.stem.lower()]
    if len(found) != 1:
        raise DataError(f"{file}: the name of a list must say which split it is: train, val or test")
    return found[0]
