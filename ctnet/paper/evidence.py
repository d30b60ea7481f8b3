"""What decides the claims: differences of recorded accuracies, and measurements of mechanisms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ctnet.experiments.records import Result, recorded
from ctnet.experiments.scales import SCALES
from ctnet.paper import claims
from ctnet.paper.claims import Claim, Comparison
from ctnet.paper.printed import row
from ctnet.paper.studies import STUDIES

PAGES = ("cpu", "gpu", "paper")  # scales that decide claims, the smallest first; smoke only shows that all runs


@dataclass(frozen=True)
class Evidence:
    """What is recorded and measured here.

    Attributes:
        differences: (row, row, column) -> paired differences of accuracy over seeds, in points.
        scales: The scale that each of these comes from.
        measured: Id of a mechanism claim -> whether its measurement confirmed it.

    Example:
        >>> evidence().scales["2a/ct", "2a/csn", "top1"]
        'cpu'
    """

    differences: Mapping[Comparison, Sequence[float]] = field(default_factory=dict)
    scales: Mapping[Comparison, str] = field(default_factory=dict)
    measured: Mapping[str, bool] = field(default_factory=dict)


def evidence() -> Evidence:
    """Collect what is recorded, from the largest scale that has both rows of a comparison, and measure mechanisms."""
    from ctnet.models import interaction

    found, at = {}, {}
    for scale in PAGES:
        for comparison, points in differences_at(scale).items():
            if points:
                found[comparison], at[comparison] = points, scale
    return Evidence(found, at, interaction.measured())


def differences_at(scale: str, table: str | None = None) -> dict[Comparison, list[float]]:
    """Differences for every claim on accuracies that a scale can test.

    A scale can test a claim where both rows are experiments of it and differ from each other, which is computed from
    their networks and protocols (`Study.differ`).

    Args:
        scale: `smoke`, `cpu`, `gpu` or `paper`.
        table: Only the claims on this table, such as "2a". Default: those on all tables.

    Returns:
        (row, row, column) -> first row minus second row in points, one for each seed that both have recorded.
    """
    found = {}
    for claim in claims.stated():
        if claim.kind == "accuracy" and not claim.needs and table in (None, claim.table):
            study = STUDIES[claim.table]
            for a, b, column in claim.comparisons:
                first, second = row(a), row(b)
                if study.differ(first, second, scale, column):
                    runs = (recorded(study.experiments(r, scale, column)) for r in (first, second))
                    found[a, b, column] = paired_differences(*runs)
    return found


def paired_differences(first: Sequence[Result], second: Sequence[Result]) -> list[float]:
    """Accuracies (`headline`) of one row minus those of another, in points, in the order of the seeds that both have.

    Args:
        first: Records of one row.
        second: Records of the other row.
    """
    metric = headline(first or second)
    a, b = ({r.seed: r.metric(metric) for r in runs} for runs in (first, second))
    return [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]


def headline(runs: Sequence[Result]) -> str:
    """The metric that stands for the paper's top-1: on MotionPairs the strict tier, which order decides."""
    return "tiers.strict" if not runs or "tiers" in runs[0].metrics else "top1"


def claims_json(found: Evidence | None = None) -> list[dict]:
    """Every claim with its verdict.

    Args:
        found: What decides them. Default: `evidence()`.

    Returns:
        An object for each claim, in the paper's order: `id`, `kind`, `table`, `claim`, `verdict`, `effect` (points, or
        a ratio of costs), `interval` ([low, high], 95 %, in points), `p`, `seeds` and `scale`; None for what a claim
        does not have.

    Example:
        >>> claims_json()[0]["verdict"]
        'supported'
    """
    found = evidence() if found is None else found
    verdicts = claims.verdicts(found.differences, found.measured)
    made = []
    for claim in claims.stated():
        v = verdicts[claim.id]
        made.append({"id": claim.id, "kind": claim.kind, "table": claim.table or None, "claim": claim.claim})
        made[-1] |= {"verdict": v.verdict, "effect": v.effect, "interval": v.interval and list(v.interval), "p": v.p}
        made[-1] |= {"seeds": v.seeds, "scale": scale_of(claim, found) if v.seeds else None}
    return made


def scale_of(claim: Claim, found: Evidence) -> str | None:
    """The scale of the records that decide a claim, the smallest where rows come from several; None without records."""
    used = {found.scales[c] for c in claim.comparisons if c in found.scales}
    return next((scale for scale in SCALES if scale in used), None)
