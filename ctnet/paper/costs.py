"""What the networks of the paper's rows cost, beside the printed figures; and what a small network of ours costs."""

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from ctnet.paper.printed import Row, read_csv
from ctnet.protocol import Protocol

if TYPE_CHECKING:
    from ctnet.experiments.experiment import Ensemble, Experiment
    from ctnet.models.cost import Cost
    from ctnet.models.network import FrameNetwork


@dataclass(frozen=True)
class RowCost:
    """Cost of a row over all its views and members.

    Attributes:
        gflops: Operations as the paper counts them, in 1e9.
        gmacs: Multiply-adds of convolutions and linear layers, in 1e9.
        params_m: Parameters of all members, in 1e6.

    Example:
        >>> round(row_cost(row("2a/ct")).params_m, 2)
        20.09
    """

    gflops: float
    gmacs: float
    params_m: float


@dataclass(frozen=True)
class Expected:
    """What an independent count gives for a row (`data/paper/expected_cost.csv`).

    Attributes:
        gflops: Operations as the paper counts them, in 1e9.
        gmacs: Multiply-adds in 1e9; None where they were not counted.
        params_m: Parameters in 1e6.
        note: Why the paper prints another figure, where it does.
    """

    gflops: float
    gmacs: float | None
    params_m: float
    note: str


@dataclass(frozen=True)
class NetworkSize:
    """The true size of the network of an experiment.

    Attributes:
        width: Channels of the stem.
        depths: Blocks of each stage, such as "2-2-2"; "" for InceptionV3.
        pixels: Side of a crop.
        mflops: Operations of all views of a video, as the paper counts them, in 1e6.
        params_m: Parameters in 1e6.

    Example:
        >>> network_size(experiment, classes=44).depths
        '2-2-2'
    """

    width: int
    depths: str
    pixels: int
    mflops: float
    params_m: float


def agrees(printed: str, ours: float) -> bool:
    """Whether a figure rounds to a printed one, at its number of digits.

    Example:
        >>> agrees("36.3", 36.285)
        True
    """
    digits = len(printed.partition(".")[2])
    return f"{ours:.{digits}f}" == printed


@cache
def expected_costs() -> dict[str, Expected]:
    """Reference of a row -> what an independent count gives."""

    def expected(gflops: str, gmacs: str, params_m: str, note: str, **_) -> Expected:
        return Expected(float(gflops), float(gmacs) if gmacs else None, float(params_m), note)

    return {f"{line['table']}/{line['row']}": expected(**line) for line in read_csv("expected_cost.csv")}


def row_cost(row: Row) -> RowCost | None:
    """Count the cost of a row: that of one view times the views, summed over an ensemble.

    Args:
        row: A row of the paper's tables.

    Returns:
        Its cost at full width, or None for other people's rows.

    Example:
        >>> round(row_cost(row("2a/ct")).gflops, 1)
        36.3
    """
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


@cache
def view_cost(model: str, classes: int, frames: int, size: int) -> "Cost":
    """Count one view of one network on the meta device: no weights, no arithmetic.

    Args:
        model: Name of a network.
        classes: Classes of its last layer.
        frames: Frames of the clip.
        size: Side of the crop in pixels.
    """
    from ctnet.models.cost import cost

    return cost(_network(model, classes), frames=frames, size=size)


def size_of(network: "FrameNetwork", protocol: Protocol) -> NetworkSize:
    """The true size of a network under a test protocol.

    Args:
        network: Any network of the zoo.
        protocol: Frames, views and size of the test.

    Returns:
        Width, depth, pixels, operations over all views, and parameters.
    """
    from ctnet.models.cost import cost

    count = cost(network, protocol=protocol)
    depths = "-".join(map(str, getattr(network.config, "depths", ())))
    return NetworkSize(network.config.width, depths, protocol.size, 1000 * count.gflops, count.params_m)


def network_size(experiment: "Experiment | Ensemble", classes: int) -> NetworkSize:
    """The true size of the network that an experiment trains and tests; of an ensemble, its members together.

    Args:
        experiment: The experiment.
        classes: Classes of its data set.

    Returns:
        Width, depth, pixels, operations over all views, and parameters.
    """
    singles = getattr(experiment, "members", [experiment])
    members = [size_of(_network(e.model, classes, e.overrides), e.protocol) for e in singles]
    mflops, params_m = (sum(getattr(m, name) for m in members) for name in ("mflops", "params_m"))
    return replace(members[0], mflops=mflops, params_m=params_m)


@cache
def _network(model: str, classes: int, overrides: tuple = ()):
    import torch

    from ctnet.models import create_model

    with torch.device("meta"):
        return create_model(model, num_classes=classes, **dict(overrides))
