"""What a data set is said to hold: its classes in the owners' order, and for each split which video bears which label.

A reader of some owners' layout makes a `Listing` of a folder. It reads their annotation files and opens no video.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ctnet.data.video import IMAGES
from ctnet.errors import DataError

VIDEOS = {".avi", ".mp4", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".webm", ".ts", ".mts", ".m2ts"}


class Clip(NamedTuple):
    """video: a file or a folder of images, there or not · frames: as many as the list says, None where it does not."""

    video: Path
    label: int
    frames: int | None = None


@dataclass
class Listing:
    """classes, in the owners' order · clips of each split · wrong: of each split a line for each row that cannot be
    used · empty: folders that would be classes, had they a video.
    """

    classes: tuple[str, ...]
    clips: dict[str, list[Clip]]
    wrong: dict[str, list[str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)


def needs_folder(source: Path, mend: str = "") -> None:
    """DataError where it is none."""
    if not source.is_dir():
        raise DataError(f"{source}: {'no folder' if source.exists() else 'no such folder'}{mend}")


def find(source: Path, *names: str) -> Path:
    """The first of the files or folders `names` that is there, below `source`; DataError says what is needed."""
    needs_folder(source)
    for name in names:
        if (source / name).exists():
            return source / name
    raise DataError(f"{source}: holds no {' or '.join(dict.fromkeys(names))}; unpack what the owners publish there")


def text_of(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """(`FILE: line N`, the line without its ends) of each line that is not empty; DataError where there is none."""
    found = False
    for number, line in enumerate(text_of(path).splitlines(), 1):
        if line.strip():
            found = True
            yield f"{path}: line {number}", line.strip()
    if not found:
        raise DataError(f"{path}: an empty file")


def records_of(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(`FILE: line N`, the row) of each row of a CSV file; DataError where a needed column is absent or empty."""
    rows = csv.DictReader(text_of(path).splitlines())
    try:
        if missing := [column for column in columns if column not in (rows.fieldnames or ())]:
            raise DataError(f"{path}: line 1 lacks the column {', '.join(missing)}; needed: {', '.join(columns)}")
        for row in rows:
            where = f"{path}: line {rows.line_num}"
            if empty := [column for column in columns if not row[column]]:
                raise DataError(f"{where}: the column {empty[0]} is empty")
            yield where, row
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}") from None


def json_of(path: Path, kind: type) -> list | dict:
    """What a JSON file holds, a list or a dict as `kind` says; DataError names the line where it is garbled."""
    try:
        content = json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno}: not JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets nested as deep
        raise DataError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, kind) or not content:
        raise DataError(f"{path}: needs to be a JSON {'list' if kind is list else 'object'}, and not empty")
    return content


def number(text: str, what: str, where: str) -> int:
    """A whole number from 0 up; DataError starts with `where`."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(f"{where}: {what} must be a whole number from 0 up, not '{text[:50]}'")
    return int(text)


def label_of(name: str, labels: dict[str, int], where: str) -> int:
    """The label of a class's name; DataError starts with `where`."""
    if name not in labels:
        raise DataError(f"{where}: unknown class {name[:100]!r}; there are {len(labels)} classes")
    return labels[name]


def inside(folder: Path, name: str, where: str) -> Path:
    """<folder>/<name>; DataError where the name leads out of the folder or can be no file's."""
    path = os.path.normpath(folder / name)
    if "\0" in name or not Path(path).is_relative_to(folder) or Path(path) == folder:
        raise DataError(f"{where}: {name[:100]!r} is no place in {folder}")
    return Path(path)


def once(rows: Iterable[tuple[str, str, Clip]]) -> tuple[dict[str, list[Clip]], dict[str, list[str]]]:
    """The clips of each split of (`FILE: line N`, split, clip) rows, and its lines for videos that are listed again.

    A video counts where it is listed first: twice in a split it would weigh double, in two splits it would be
    trained on and tested.
    """
    clips: dict[str, list[Clip]] = {}
    first: dict[Path, str] = {}
    wrong: dict[str, list[str]] = {}
    for where, split, clip in rows:
        if clip.video in first:
            wrong.setdefault(split, []).append(f"{clip.video}: listed twice ({where}, and {first[clip.video]})")
        else:
            first[clip.video] = where
            clips.setdefault(split, []).append(clip)
    return clips, wrong


def is_video(path: Path) -> bool:
    """By its name a video file, or a folder with images in it."""
    if path.is_dir():
        return any(Path(entry.name).suffix.lower() in IMAGES for entry in os.scandir(path))
    return path.suffix.lower() in VIDEOS


def videos_below(folder: Path) -> dict[str, list[Path]]:
    """Every video file at any depth, by its name without the ending; a folder is gone through once."""
    found: dict[str, list[Path]] = {}
    seen = set()
    for home, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(home)) in seen:
            folders.clear()
            continue
        seen.add(real)
        shown = (name for name in folders if not name.startswith("."))
        folders[:] = sorted(shown, key=lambda name: (os.path.islink(os.path.join(home, name)), name))  # links last
        for name in sorted(files):
            stem, ending = os.path.splitext(name)
            if ending.lower() in VIDEOS and not name.startswith("."):
                found.setdefault(stem, []).append(Path(home, name))
    return found
