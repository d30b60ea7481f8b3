"""The paper's tables as data, with our own cost beside every row that is one of our networks.

`data/paper/table_*.csv` holds each table as printed (`data/paper/README.md`). A row of ours names a network
of the zoo and the view for which the figure is printed; an ensemble names several, joined with '+', and its
cost is their sum. Nothing here imports pandas or torch before it is needed.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from ctnet.errors import DataError, unknown
from ctnet.paths import paper_root
from ctnet.protocol import Protocol

TABLES = ("1", "2a", "2b", "2c", "2d", "2e", "2f", "2g", "2h", "3", "4", "5", "6", "7", "8")
OURS = ("model", "classes", "num_frames", "crops", "clips", "size")  # ties a row to a network; not printed
LABELS = (
    *("row", "method", "cite", "backbone", "frames"),
    *("convolution", "kernel_1", "kernel_2", "train", "test", "pretrain"),
)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    table, row: where it stands ("2a", "ct")
    method, backbone, frames: as printed · printed: column -> figure as a string, with its digits
    classes, models, protocols: our configuration. `models` and `protocols` are empty for a row of other
    people and hold one entry for each member of an ensemble.
    """

    table: str
    row: str
    method: str
    backbone: str = ""
    frames: str = ""
    printed: Mapping[str, str] = field(default_factory=dict, hash=False)
    classes: int | None = None
    models: tuple[str, ...] = ()
    protocols: tuple[Protocol, ...] = ()

    @property
    def ref(self) -> str:
        """`2a/ct`: how claims and errors name this row."""
        return f"{self.table}/{self.row}"

    @property
    def paper(self) -> dict[str, float | str]:
        """Column -> printed figure as a number (Table 1 prints words: those stay strings)."""
        return {column: _number(text) for column, text in self.printed.items()}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def read_csv(name: str) -> list[dict[str, str]]:
    """The lines of a CSV file of `data/paper`, cells as strings. Raises DataError: missing or ragged file."""
    path = paper_root() / name
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"{path}: not found; it belongs to the repository, restore it with git") from None
    for number, line in enumerate(lines, start=2):
        if None in line or None in line.values():
            raise DataError(f"{path}: line {number} has more or fewer cells than the header")
    return lines


def tables() -> list[str]:
    """Names of the paper's tables, in its order."""
    return list(TABLES)


def table(name: str, printed: bool = False):
    """A table as a pandas DataFrame. Figures are numbers, NaN for a printed '-'; or strings, if `printed`."""
    import pandas as pd

    if name not in TABLES:
        raise unknown("table", name, TABLES)
    frame = pd.DataFrame(read_csv(f"table_{name}.csv"))
    if not printed and name != "1":
        figures = [column for column in frame if column not in LABELS + OURS]
        frame[figures] = frame[figures].apply(pd.to_numeric)
    return frame


def _row(table: str, line: dict[str, str]) -> Row:
    labels = {key: line.get(key, "") for key in ("method", "backbone", "frames")}
    printed = {key: text for key, text in line.items() if text and key not in LABELS + OURS}
    row = Row(table, line["row"], **labels, printed=printed)
    if not line.get("model"):
        return row
    models, frames = line["model"].split("+"), line["num_frames"].split("+")
    size = max(len(models), len(frames))
    if {len(models), len(frames)} - {1, size}:
        raise DataError(f"row {row.ref}: {len(models)} models and {len(frames)} frame counts do not pair up")
    models, frames = (entries * size if len(entries) == 1 else entries for entries in (models, frames))
    view = {key: int(line[key]) for key in ("crops", "clips", "size")}
    protocols = tuple(Protocol(int(count), **view) for count in frames)
    ours = {"classes": int(line["classes"]), "models": tuple(models), "protocols": protocols}
    return Row(table, line["row"], **labels, printed=printed, **ours)


@cache
def rows() -> tuple[Row, ...]:
    """Every row of every table, in the paper's order."""
    return tuple(_row(name, line) for name in TABLES for line in read_csv(f"table_{name}.csv"))


@cache
def _by_ref() -> dict[str, Row]:
    return {row.ref: row for row in rows()}


def row(ref: str) -> Row:
    """The row named `table/row`, such as `2a/ct`. Raises ConfigError with the near names."""
    if ref not in _by_ref():
        raise unknown("row of the paper's tables", ref, _by_ref())
    return _by_ref()[ref]
