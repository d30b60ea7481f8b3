"""The format of a prepared data set: the files of its folder, how they are read and how they are written.

A data set is a folder with three kinds of files; its videos can be anywhere:

* `dataset.json`: facts about the set, first of all its classes (`DataInfo`, `dataset_facts`).
* `<split>.csv`: one clip per row, with the columns `path,label,start,frames`, and `condition` if the clips of the split
  were made under several conditions, such as levels of noise (`Manifest`).
* `report.txt`: what was found in the source and what was left out. MotionPairs has none.

`dataset.json` holds two hashes: one of the class names (`classes_hash`) and one of the clips (`content_hash`).
"""

import csv
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from ctnet.data.flips import mirror_map
from ctnet.errors import DataError, unknown

INFO = "dataset.json"
REPORT = "report.txt"
COLUMNS = ("path", "label", "start", "frames")
CONDITION = "condition"  # name of the optional column
Row = tuple[str | Path, int, int, int]  # the values of COLUMNS


@dataclass(frozen=True)
class DataInfo:
    """The facts in dataset.json.

    Attributes:
        name: Name of the set.
        classes: Class names; a label is an index into them.
        splits: Number of clips per split.
        version: Version number of the set, given by its maker.
        scale: Scale that the set was drawn at, for MotionPairs.
        tiers: Tier of each class, or None.
        reverse: For each class, the label of its clips played backwards (None: no such class), or None for all.
        flip: For each class, the label of its mirrored clips (None: do not mirror them). Where the file has no such
            entry, it is derived from the class names (`ctnet.data.flips`).
        classes_sha256: Hash of the class names in their order.
        extra: All other entries of the file, such as `content_sha256` and `source`.

    Example:
        >>> info = ctnet.data.DataInfo.read("data/sets/motionpairs-cpu")
        >>> info.classes[0], info.splits
        ('pan left', {'train': 2816, 'test': 1056})
    """

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
        """Read `<folder>/dataset.json`.

        Raises:
            DataError: The file is missing, is not JSON, or has a missing or invalid entry.
        """
        path = Path(folder) / INFO
        try:
            facts = json.loads(path.read_text())
        except OSError:
            raise DataError(
                f"{path}: no such file; make a data set with: python -m ctnet data prepare NAME --source FOLDER"
            ) from None
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits, or very deep nesting
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


@dataclass(frozen=True)
class Manifest:
    """The clips of one split: one entry per clip in each array.

    Attributes:
        folder: Folder of the data set; relative paths start here.
        paths: Videos, as an array of strings: a single block of memory, which worker processes share.
        labels: Class labels, int64.
        starts: First frame of each clip in its video, int64.
        frames: Number of frames of each clip, int64.
        conditions: The condition that each clip was made under, as text; None if the split has no such column.

    Example:
        >>> info = ctnet.data.DataInfo.read(folder)
        >>> manifest = ctnet.data.Manifest.read(folder, "test", info)
        >>> manifest.path(0), manifest.labels[0], manifest.frames[0]
    """

    folder: Path
    paths: np.ndarray
    labels: np.ndarray
    starts: np.ndarray
    frames: np.ndarray
    conditions: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, index: int) -> Path:
        """Return the video file, or folder of images, of a clip."""
        return self.folder / str(self.paths[index])  # an absolute path is kept

    def only(self, labels: Collection[int], conditions: Collection[str] | None = None) -> "Manifest":
        """The clips of some classes, in the same order.

        Args:
            labels: Labels of the classes.
            conditions: Only clips made under one of these. Default: under any.
        """
        chosen = np.isin(self.labels, list(labels))
        if conditions is not None and self.conditions:
            chosen &= np.isin(self.conditions, list(conditions))
        known = self.conditions and tuple(c for c, kept in zip(self.conditions, chosen, strict=True) if kept)
        arrays = (array[chosen] for array in (self.paths, self.labels, self.starts, self.frames))
        return Manifest(self.folder, *arrays, known)

    @classmethod
    def read(cls, folder: str | Path, split: str, info: DataInfo) -> "Manifest":
        """Read `<folder>/<split>.csv`.

        Args:
            folder: Folder of the data set.
            split: Name of a split, such as "train".
            info: What `DataInfo.read` returns for this folder; labels are checked against its classes.

        Raises:
            ConfigError: The set has no such split.
            DataError: The file is missing or a row is invalid; the message names the file and the line.
        """

        def numbers_of(row: dict, where: str) -> tuple[int, int, int]:
            """Label, start and frames of a row; DataError, starting with `where`, if the row is invalid."""
            if not row["path"]:
                raise DataError(f"{where}: the path is empty")
            try:
                label, start, frames = (int(row[column]) for column in COLUMNS[1:])
            except (TypeError, ValueError):
                raise DataError(f"{where}: label, start and frames must be whole numbers") from None
            if not 0 <= label < len(info.classes):
                last = len(info.classes) - 1
                raise DataError(f"{where}: label {label} is out of range: dataset.json has classes 0 to {last}")
            if start < 0 or frames < 1:
                raise DataError(f"{where}: start must be at least 0 and frames at least 1, not {start} and {frames}")
            if start + frames >= 2**31:
                raise DataError(f"{where}: no video has {start + frames} frames")
            return label, start, frames

        folder = Path(folder)
        if split not in info.splits:
            raise unknown("split", split, info.splits)
        table = manifest_path(folder, split)
        if not table.is_file():
            raise DataError(f"{table}: no such file; prepare the data set again, or write it: {', '.join(COLUMNS)}")
        paths, numbers, conditions = [], [], []
        with table.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            try:
                if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
                    needed = f"{', '.join(missing)}; needed: {', '.join(COLUMNS)}"
                    raise DataError(f"{table}: line 1 lacks the column {needed}")
                for row in rows:
                    numbers.append(numbers_of(row, f"{table}: line {rows.line_num}"))
                    paths.append(row["path"])
                    conditions.append(row.get(CONDITION))
            except UnicodeDecodeError as error:
                raise DataError(f"{table}: not a text file in UTF-8 (byte {error.start})") from None
            except csv.Error as error:
                raise DataError(f"{table}: line {rows.line_num}: {error}") from None
        if not paths:
            raise DataError(f"{table}: no clips in it; a split needs at least one")
        labels, starts, frames = np.array(numbers, dtype=np.int64).T
        known = tuple(conditions) if all(conditions) else None
        return cls(folder, np.array(paths), labels, starts, frames, known)


def manifest_path(folder: Path, split: str) -> Path:
    """Return the path of a split's manifest."""
    return folder / f"{split}.csv"


def dataset_facts(
    name: str,
    classes: Sequence[str],
    splits: Mapping[str, int],
    version: int = 1,
    scale: str | None = None,
    tiers: Sequence[str] | None = None,
    reverse: Sequence[int | None] | None = None,
    flip: Sequence[int | None] | None = None,
    **extra,
) -> dict:
    """Return the content of dataset.json, in the order in which it is written.

    Args:
        name, classes, splits, version, scale, tiers, reverse, flip: See `DataInfo`.
        **extra: Further entries, which must be JSON values.
    """
    optional = {"tiers": tiers, "reverse": reverse, "flip": flip}
    return {
        "name": name,
        "version": version,
        "scale": scale,
        "classes": list(classes),
        **{key: None if values is None else list(values) for key, values in optional.items()},
        "classes_sha256": classes_hash(classes),
        "splits": dict(splits),
        **extra,
    }


def write_info(folder: Path, facts: Mapping) -> None:
    """Write dataset.json; `facts` comes from `dataset_facts`."""
    (folder / INFO).write_text(json.dumps(facts, indent=1))


def write_manifest(folder: Path, split: str, rows: Iterable[Row], conditions: Sequence[str] | None = None) -> None:
    """Write the manifest of a split, with the condition of each clip if there are conditions."""
    columns = COLUMNS
    if conditions is not None:
        columns, rows = (*COLUMNS, CONDITION), [(*row, c) for row, c in zip(rows, conditions, strict=True)]
    with manifest_path(folder, split).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def write_report(folder: Path, text: str) -> None:
    """Write report.txt."""
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")


def classes_hash(classes: Sequence[str]) -> str:
    """Return the SHA-256 of the class names in their order."""
    return sha256(json.dumps(list(classes)).encode()).hexdigest()


def content_hash(rows: Mapping[str, Sequence[Row]]) -> str:
    """Return a hash of the clips of a set, wherever its videos are.

    Args:
        rows: Clips of each split. Of a clip, the hash covers the split, the name of the video without its folders,
            the label, the first frame and the number of frames.

    Returns:
        A SHA-256 in hexadecimal digits.
    """
    clips = {split: [(Path(path).name, *map(int, rest)) for path, *rest in rows[split]] for split in rows}
    return sha256(json.dumps(clips, sort_keys=True).encode()).hexdigest()


def _check(facts: dict, path: Path) -> None:
    """Raise DataError for the first entry of dataset.json that has the wrong type."""

    def every(values: object, valid: Callable[[object], bool]) -> bool:
        return isinstance(values, list) and all(map(valid, values))

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
    for key, (kind, valid) in rules.items():
        if facts.get(key) is not None and not valid(facts[key]):
            raise DataError(f"{path}: '{key}' must be {kind}")
