"""What decides the claims: differences of recorded accuracies, and measurements of mechanisms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctnet.experiments.records import Result, recorded
from ctnet.experiments.scales import SCALES
from ctnet.paper import claims
from ctnet.paper.claims import Claim, Comparison
from ctnet.paper.printed import row
from ctnet.paper.statistics import Difference
from ctnet.paper.studies import STUDIES

if TYPE_CHECKING:
    import numpy as np

PAGES = ("cpu", "gpu", "paper")  # scales that decide claims, the smallest first; smoke only shows that all runs


@dataclass(frozen=True)
class Evidence:
    """What is recorded and measured here.

    Attributes:
        differences: (row, row, column) -> difference of accuracy.
        scales: The scale that each of these comes from.
        measured: Id of a mechanism claim -> whether its measurement confirmed it.

    Example:
        >>> evidence().scales["2a/ct", "2a/csn", "top1"]
        'cpu'
    """

    differences: Mapping[Comparison, Difference] = field(default_factory=dict)
    scales: Mapping[Comparison, str] = field(default_factory=dict)
    measured: Mapping[str, bool] = field(default_factory=dict)


def evidence() -> Evidence:
    """Collect what is recorded, from the largest scale that has both rows of a comparison, and measure mechanisms."""
    from ctnet.models import interaction

    found, at = {}, {}
    for scale in PAGES:
        for comparison, gap in differences_at(scale).items():
            if gap.points:
                found[comparison], at[comparison] = gap, scale
    return Evidence(found, at, interaction.measured())


def differences_at(scale: str, table: str | None = None) -> dict[Comparison, Difference]:
    """Differences for every claim on accuracies that a scale can test.

    A scale can test a claim where both rows are experiments of it and differ from each other, which is computed from
    their networks and protocols (`Study.differ`).

    Args:
        scale: `smoke`, `cpu`, `gpu` or `paper`.
        table: Only the claims on this table, such as "2a". Default: those on all tables.

    Returns:
        (row, row, column) -> first row minus second row, over the seeds that both have recorded.
    """
    found = {}
    for claim in claims.stated():
        if claim.kind == "accuracy" and not claim.needs and table in (None, claim.table):
            study = STUDIES[claim.table]
            for a, b, column in claim.comparisons:
                first, second = row(a), row(b)
                if study.differ(first, second, scale, column):
                    runs = (recorded(study.experiments(r, scale, column)) for r in (first, second))
                    found[a, b, column] = difference(*runs)
    return found


def difference(first: Sequence[Result], second: Sequence[Result]) -> Difference:
    """Accuracy (`headline`) of one row minus that of another, paired by seed and by test clip.

    Args:
        first: Records of one row.
        second: Records of the other row.

    Returns:
        The difference over the seeds that both have. Its error counts seeds and clips where both records hold the same
        clips and say which of them the headline is about; else it counts seeds only.
    """
    import numpy as np

    metric = headline(first or second)
    a, b = ({r.seed: r for r in runs} for runs in (first, second))
    seeds = sorted(a.keys() & b.keys())
    gaps = [right_minus_right(a[seed], b[seed], metric) for seed in seeds]
    if seeds and all(gap is not None and len(gap) == len(gaps[0]) for gap in gaps):
        return Difference.over_seeds_and_clips(np.stack(gaps))
    return Difference.over_seeds([a[seed].metric(metric) - b[seed].metric(metric) for seed in seeds])


def right_minus_right(a: Result, b: Result, metric: str) -> "np.ndarray | None":
    """For each clip that a metric is about, whether one network is right minus whether another is.

    Args:
        a: A record.
        b: A record on the same clips.
        metric: `top1` or `tiers.NAME`.

    Returns:
        One value for each clip, or for each two twins their mean, as they are not independent. None if the records are
        of different clips or do not name the tiers.
    """
    import numpy as np

    data, labels = a.record.get("data", {}), np.array(a.record["labels"])
    if not np.array_equal(labels, b.record["labels"]) or not len(labels):
        return None
    chosen = np.ones(len(labels), bool)
    if metric != "top1":
        if not data.get("tiers"):
            return None
        chosen = np.array(data["tiers"])[labels] == metric.removeprefix("tiers.")
    right = [(np.array(r.record["predictions"]) == labels)[chosen].astype(float) for r in (a, b)]
    gap, labels = right[0] - right[1], labels[chosen]
    reverse = data.get("reverse")
    if reverse and len(gap) % 2 == 0 and all(reverse[i] == j for i, j in zip(labels[::2], labels[1::2], strict=True)):
        return gap.reshape(-1, 2).mean(1)
    return gap


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
