"""TODO."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ctnet.experiments import records, scales
from ctnet.experiments.records import Result
from ctnet.paper import claims, printed


@dataclass(frozen=True)
class Evidence:
    """What decides claims: (row, row) -> paired differences over seeds and the scale they come from; measured ids."""

    differences: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    scales: Mapping[tuple[str, str], str] = field(default_factory=dict)
    measured: Mapping[str, bool] = field(default_factory=dict)


def evidence() -> Evidence:
    """What is recorded and measured here: paired differences of accuracy, from the largest scale that has them."""
    from ctnet.models import interaction

    found, at = {}, {}
    for scale in ("cpu", "gpu", "paper"):
        for pair, points in differences_at(scale).items():
            if points:
                found[pair], at[pair] = points, scale
    return Evidence(found, at, interaction.measured())


DISTINCT = ("2a", "2b", "2c", "2f", "2g")  # tables whose rows differ in the network alone, and stay so in a small one
TESTABLE = {"smoke": DISTINCT, "cpu": DISTINCT} | dict.fromkeys(("gpu", "paper"), (*DISTINCT, "2d", "2e", "8"))


def headline(runs: Sequence[Result]) -> str:
    """The accuracy that stands for the paper's: of MotionPairs the strict tier, which order decides; else top-1."""
    return "tiers.strict" if not runs or "tiers" in runs[0].metrics else "top1"


def by_seed(runs: Sequence[Result], metric: str) -> dict[int, float]:
    return {r.record["experiment"]["seed"]: r.metric(metric) for r in runs}


def differences_at(scale: str, metric: str | None = None) -> dict[tuple[str, str], list[float]]:
    """For every accuracy claim that a scale can test: (row, row) -> paired differences over seeds, in points.

    Only claims on the paper's top-1 in tables whose rows differ in the network alone; the others need other data or
    protocols and stay "not yet measured".
    """
    found = {}
    for claim in claims.claims():
        if claim.kind == "accuracy" and claim.metric == "top1" and claim.table in TESTABLE[scale]:
            for pair in claim.pairs:
                runs = [records.recorded(scales.experiments(printed.row(r).models[0], scale)) for r in pair]
                a, b = (by_seed(each, metric or headline(each)) for each in runs)
                found[pair] = [a[s] - b[s] for s in sorted(a.keys() & b.keys())]
    return found
