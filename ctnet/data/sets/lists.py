"""The list files common in this field (TSN, TSM, CT-Net): one `path frames label` a line, for any set.

The path is below the source folder: a folder of frames, or a video file, with or without its ending. Names of classes
are in category.txt beside the first list, one a line in the order of the labels; without it a label is its own name.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ctnet.data.sets.listing import VIDEOS, Clip, Listing, inside, lines_of, number, once
from ctnet.errors import DataError

MOST = 1000  # classes without names, if there are no more videos


def from_lists(source: Path, files: Sequence[Path]) -> Listing:
    """DataError names the file and the line; two files of one split are one split."""
    rows = list(rows_of(source, files))
    names = files[0].parent / "category.txt"
    if names.is_file():
        classes = tuple(line for _, line in lines_of(names))
    else:
        classes = tuple(map(str, range(min(max(clip.label for _, _, clip in rows) + 1, max(len(rows), MOST)))))
    for where, _, clip in rows:
        if clip.label >= len(classes):
            told = f"{names} names {len(classes)} classes" if names.is_file() else f"there is no {names} to name it"
            raise DataError(f"{where}: label {clip.label} is out of range: {told}")
    return Listing(classes, *once(rows))


def rows_of(source: Path, files: Sequence[Path]) -> Iterator[tuple[str, str, Clip]]:
    """(`FILE: line N`, split, clip) of each line."""
    splits = [split_of(file) for file in files]
    endings = ("", *sorted(VIDEOS))
    for file, split in zip(files, splits, strict=True):
        ours = "test" if split == "val" and "test" not in splits else split
        for where, line in lines_of(file):
            words = line.rsplit(maxsplit=2)
            if len(words) != 3:
                raise DataError(f"{where}: needs to be 'path frames label', not '{line[:100]}'")
            named = inside(source, words[0], where)
            video = next((p for p in (named.with_name(named.name + e) for e in endings) if os.path.exists(p)), named)
            frames, label = (
                number(word, f"{what}, of a line 'path frames label',", where)
                for word, what in ((words[1], "frames"), (words[2], "label"))
            )
            yield where, ours, Clip(video, label, frames)


def split_of(file: Path) -> str:
    """`train`, `val` or `test`: the one word of these in the list's name."""
    found = {word for word in ("train", "val", "test") if re.search(word, file.stem.lower())}
    if len(found) != 1:
        raise DataError(f"{file}: the name of a list must say which split it is: train, val or test")
    return found.pop()
