"""TODO."""

from dataclasses import dataclass
from functools import cache

from ctnet.paper.printed import Row, read_csv


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


def agrees(printed: str, ours: float) -> bool:
    """Whether `ours` rounds to the printed figure, at its number of digits: ("36.3", 36.285) -> True."""
    digits = len(printed.partition(".")[2])
    return f"{ours:.{digits}f}" == printed


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
    from ctnet.models.cost import cost

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
