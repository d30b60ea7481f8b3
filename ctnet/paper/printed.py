"""The paper's tables as data: every row as printed, and the network and views of our own rows.

`data/paper/table_*.csv` holds each table (`data/paper/README.md`). A row of ours names a network of the zoo and the
view for which the figure is printed. An ensemble names several, joined with +. Neither pandas nor torch is imported
before it is needed.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from ctnet import paths
from ctnet.errors import DataError, unknown
from ctnet.protocol import Protocol

if TYPE_CHECKING:
    import pandas as pd

OURS = ("model", "classes", "num_frames", "crops", "clips", "size")  # tie a row to a network; not printed
LABELS = (
    *("row", "method", "cite", "backbone", "frames"),
    *("convolution", "kernel_1", "kernel_2", "train", "test", "pretrain"),
)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        table: Name of the table, such as "2a".
        row: Name of the row, such as "ct"; unique in its table.
        method: As printed.
        backbone: As printed.
        frames: As printed.
        printed: Column -> figure as a string, with its digits.
        classes: Classes of our network; None for other people's rows.
        models: Names of our networks: none for other people's rows, one for each member of an ensemble.
        protocols: Test protocol of each of `models`.
        train_size: Side of the training clips in pixels where the table prints one (Table 2h), else None.

    Example:
        >>> row("2a/ct").printed["gflops"]
        '36.3'
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
    train_size: int | None = None

    @property
    def ref(self) -> str:
        """`2a/ct`: how claims and errors name this row."""
        return f"{self.table}/{self.row}"

    @property
    def paper(self) -> dict[str, float | str]:
        """Column -> printed figure as a number. Table 1 prints words, which stay strings."""
        return {column: _number(text) for column, text in self.printed.items()}


def read_csv(name: str) -> list[dict[str, str]]:
    """Read a CSV file of `data/paper`.

    Args:
        name: Name of the file.

    Returns:
        Its lines, cells as strings.

    Raises:
        DataError: The file is missing, or a line has more or fewer cells than the header.
    """
    path = paths.paper_root() / name
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
    """Names of the tables, in the paper's order: one for each file `data/paper/table_NAME.csv`.

    Example:
        >>> tables()[:3]
        ['1', '2a', '2b']
    """
    names = [path.stem.removeprefix("table_") for path in paths.paper_root().glob("table_*.csv")]
    return sorted(names, key=lambda name: (int(re.match(r"\d*", name)[0] or 0), name))


def table(name: str, printed: bool = False) -> "pd.DataFrame":
    """A table as printed.

    Args:
        name: Such as "2a".
        printed: Keep figures as strings, with their digits.

    Returns:
        A line for each row. Figures are numbers, NaN for a printed '-', unless `printed`.

    Raises:
        ConfigError: Unknown table.

    Example:
        >>> table("2a")["top1"].max()
        47.3
    """
    import pandas as pd

    if name not in tables():
        raise unknown("table", name, tables())
    frame = pd.DataFrame(read_csv(f"table_{name}.csv"))
    if not printed and name != "1":
        figures = [column for column in frame if column not in LABELS + OURS]
        frame[figures] = frame[figures].apply(pd.to_numeric)
    return frame


@cache
def rows() -> tuple[Row, ...]:
    """Every row of every table, in the paper's order.

    Example:
        >>> len(rows())
        115
    """
    return tuple(row for name in tables() for row in rows_of(name))


def rows_of(table: str) -> tuple[Row, ...]:
    """The rows of one table, in its order.

    Args:
        table: Such as "2a".

    Raises:
        DataError: There is no such file of `data/paper`.

    Example:
        >>> [row.row for row in rows_of("2a")]
        ['c3d', 'r2plus1d', 'csn', 'ct']
    """
    return tuple(_row(table, line) for line in read_csv(f"table_{table}.csv"))


def row(ref: str) -> Row:
    """The row named `table/row`.

    Args:
        ref: Such as "2a/ct".

    Raises:
        ConfigError: Unknown row; the message has the near names.

    Example:
        >>> row("3/ct_16").protocols[0].frames
        16
    """
    if ref not in _by_ref():
        raise unknown("row of the paper's tables", ref, _by_ref())
    return _by_ref()[ref]


@cache
def _by_ref() -> dict[str, Row]:
    return {row.ref: row for row in rows()}


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
    train_size = int(line["train"].partition("×")[0]) if line.get("train") else None
    return Row(table, line["row"], **labels, printed=printed, **ours, train_size=train_size)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
