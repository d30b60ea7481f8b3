"""The paper's tables as data, with our own cost beside every row that is one of our networks.

`data/paper/table_*.csv` holds each table as printed (`data/paper/README.md`). A row of ours names a network
of the zoo and the view for which the figure is printed; an ensemble names several, joined with '+', and its
cost is their sum. Nothing here imports pandas or torch before it is needed.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
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


@dataclass(frozen=True)
class RowCost:
    """Cost of a row over all its views and members: GFLOPs as the paper counts, plain GMACs, parameters."""

    gflops: float
    gmacs: float
    params_m: float


@dataclass(frozen=True)
class Expected:
    """What an independent count gives for a row; `note` says why the paper prints another figure."""

    gflops: float
    gmacs: float | None
    params_m: float
    note: str


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def agrees(printed: str, ours: float) -> bool:
    """Whether `ours` rounds to the printed figure, at its number of digits: ("36.3", 36.285) -> True."""
    digits = len(printed.partition(".")[2])
    return f"{ours:.{digits}f}" == printed


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


@cache
def expected_costs() -> dict[str, Expected]:
    """Reference of a row -> what an independent count gives (`expected_cost.csv`)."""

    def expected(gflops: str, gmacs: str, params_m: str, note: str, **_) -> Expected:
        return Expected(float(gflops), float(gmacs) if gmacs else None, float(params_m), note)

    return {f"{line['table']}/{line['row']}": expected(**line) for line in read_csv("expected_cost.csv")}


@cache
def _network(model: str, classes: int):
    import torch

    import ctnet

    with torch.device("meta"):
        return ctnet.create_model(model, num_classes=classes)


@cache
def view_cost(model: str, classes: int, frames: int, size: int) -> RowCost:
    """Cost of one view of one network, counted on the meta device (no weights, no arithmetic)."""
    from ctnet.complexity import cost

    count = cost(_network(model, classes), frames=frames, size=size)
    return RowCost(count.gflops, count.gmacs, count.params_m)


def row_cost(row: Row) -> RowCost | None:
    """Our cost of a row: views times one view, summed over an ensemble; None for a row of other people."""
    if not row.models:
        return None
    members = [
        (protocol.views, view_cost(model, row.classes, protocol.frames, protocol.size))
        for model, protocol in zip(row.models, row.protocols, strict=True)
    ]
    return RowCost(
        gflops=round(sum(views * view.gflops for views, view in members), 6),
        gmacs=round(sum(views * view.gmacs for views, view in members), 6),
        params_m=round(sum(view.params_m for _, view in members), 6),
    )


def rows_json(experiment: Callable[[Row], str | None] = lambda row: None) -> list[dict]:
    """One object for each row: {table, row, paper, ours: {gflops, gmacs, params_m} | None, experiment}.

    experiment: row -> the id of its recorded experiment, or None where there is none.
    """
    return [
        {
            "table": row.table,
            "row": row.row,
            "paper": row.paper,
            "ours": asdict(cost) if (cost := row_cost(row)) else None,
            "experiment": experiment(row),
        }
        for row in rows()
    ]
