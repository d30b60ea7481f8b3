"""A data set is a folder of dataset.json, a manifest for each split, and videos; an item is one clip."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ctnet.data.flips import mirror_map
from ctnet.errors import DataError, unknown

COLUMNS = ("path", "label", "start", "frames")


@dataclass(frozen=True)
class DataInfo:
    """dataset.json. tiers and reverse have one entry for each class, or are None; flip, the label map of mirrored
    clips, is read off the classes' names where the file has none."""

    name: str
    classes: tuple[str, ...]
    splits: dict[str, int]
    version: int = 0
    scale: str | None = None
    tiers: tuple[str, ...] | None = None
    reverse: tuple[int | None, ...] | None = None
    flip: tuple[int | None, ...] | None = None
    classes_sha256: str | None = None
    extra: dict = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path) -> "DataInfo":
        """Reads <folder>/dataset.json; DataError where it is absent or says too little."""
        path = Path(folder) / "dataset.json"
        try:
            facts = json.loads(path.read_text())
        except OSError:
            raise DataError(
                f"{path}: no such file; a data set is made with: python -m ctnet data prepare NAME --source FOLDER"
            ) from None
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets nested as deep
            raise DataError(f"{path}: not JSON ({error})") from None
        for key in ("name", "classes", "splits"):
            if not isinstance(facts, dict) or not facts.get(key):
                raise DataError(f"{path}: '{key}' is missing or empty")
        _check(facts, path)
        known = {key: facts.pop(key) for key in cls.__dataclass_fields__ if key in facts and key != "extra"}
        for key in ("classes", "tiers", "reverse", "flip"):
            if known.get(key) is not None:
                known[key] = tuple(known[key])
                if len(known[key]) != len(known["classes"]):
                    raise DataError(
                        f"{path}: '{key}' has {len(known[key])} entries for {len(known['classes'])} classes"
                    )
        if known.get("flip") is None:
            known["flip"] = mirror_map(known["classes"])
        return cls(**known, extra=facts)


def _check(facts: dict, path: Path) -> None:
    """DataError names the entry of dataset.json that is not of its kind."""

    def every(values: object, right: Callable[[object], bool]) -> bool:
        return isinstance(values, list) and all(map(right, values))

    def text(value: object) -> bool:
        return isinstance(value, str)

    def label(value: object) -> bool:
        return value is None or (type(value) is int and 0 <= value < len(facts["classes"]))

    rules = {
        "name": ("a text", text),
        "classes": ("a list of different texts", lambda v: every(v, text) and len(set(v)) == len(v)),
        "splits": ("whole numbers by name", lambda v: isinstance(v, dict) and all(type(n) is int for n in v.values())),
        "tiers": ("a list of texts", lambda v: every(v, text)),
        "reverse": ("a list of labels", lambda v: every(v, label)),
        "flip": ("a list of labels", lambda v: every(v, label)),
    }
    for key, (kind, right) in rules.items():
        if facts.get(key) is not None and not right(facts[key]):
            raise DataError(f"{path}: '{key}' must be {kind}")


@dataclass(frozen=True)
class Manifest:
    """One split: for each clip its video, label, first frame in the video, and frame count."""

    folder: Path
    paths: np.ndarray  # of strings: one block of memory, which worker processes share
    labels: np.ndarray
    starts: np.ndarray
    frames: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, index: int) -> Path:
        """The video (or folder of images) of a clip; an absolute path in the manifest stays as it is."""
        return self.folder / str(self.paths[index])

    @classmethod
    def read(cls, folder: str | Path, split: str, info: DataInfo) -> "Manifest":
        """Reads <folder>/<split>.csv; DataError names the file, the line and the mend."""
        folder = Path(folder)
        if split not in info.splits:
            raise unknown("split", split, info.splits)
        table = folder / f"{split}.csv"
        if not table.is_file():
            raise DataError(
                f"{table}: no such file; make the data set again, or write it: columns {', '.join(COLUMNS)}"
            )
        paths, numbers = [], []
        with table.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            try:
                if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
                    needed = f"{', '.join(missing)}; needed: {', '.join(COLUMNS)}"
                    raise DataError(f"{table}: line 1 lacks the column {needed}")
                for row in rows:
                    numbers.append(_numbers(row, f"{table}: line {rows.line_num}", len(info.classes)))
                    paths.append(row["path"])
            except UnicodeDecodeError as error:
                raise DataError(f"{table}: not a text file in UTF-8 (byte {error.start})") from None
            except csv.Error as error:
                raise DataError(f"{table}: line {rows.line_num}: {error}") from None
        if not paths:
            raise DataError(f"{table}: no clips in it; a split needs at least one")
        labels, starts, frames = np.array(numbers, dtype=np.int64).T
        return cls(folder, np.array(paths), labels, starts, frames)


def _numbers(row: dict, where: str, classes: int) -> tuple[int, int, int]:
    if not row["path"]:
        raise DataError(f"{where}: the path is empty")
    try:
        label, start, frames = (int(row[column]) for column in COLUMNS[1:])
    except (TypeError, ValueError):
        raise DataError(f"{where}: label, start and frames must be whole numbers") from None
    if not 0 <= label < classes:
        raise DataError(f"{where}: label {label} is out of range: dataset.json has classes 0 to {classes - 1}")
    if start < 0 or frames < 1:
        raise DataError(f"{where}: start must be at least 0 and frames at least 1, not {start} and {frames}")
    if start + frames >= 2**31:
        raise DataError(f"{where}: no video has {start + frames} frames")
    return label, start, frames
