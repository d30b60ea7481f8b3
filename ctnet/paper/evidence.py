"""What decides the claims: differences of recorded accuracies, and measurements of mechanisms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctnet.experiments.records import Result, recorded
from ctnet.experiments.scales import SCALES, per_seed
from ctnet.paper import claims
from ctnet.paper.claims import NOT, PARTLY, SUPPORTED, Claim, Comparison, Measurement
from ctnet.paper.printed import row
from ctnet.paper.statistics import Difference, holm
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
        measured: Id of a claim on a mechanism -> what was found.

    Example:
        >>> evidence().scales["2a/ct", "2a/csn", "top1"]
        'cpu'
    """

    differences: Mapping[Comparison, Difference] = field(default_factory=dict)
    scales: Mapping[Comparison, str] = field(default_factory=dict)
    measured: Mapping[str, Measurement] = field(default_factory=dict)


def evidence() -> Evidence:
    """Collect what is recorded, from the largest scale that has both rows of a comparison, and measure mechanisms."""
    found, at = {}, {}
    for scale in PAGES:
        for comparison, gap in differences_at(scale).items():
            if gap.points:
                found[comparison], at[comparison] = gap, scale
    return Evidence(found, at, mechanisms() | saliency())


def mechanisms() -> dict[str, Measurement]:
    """What Table 1 says of the interaction field, measured.

    A field that has the stated extent, but leaves positions inside it out, supports its claim only partly.
    """
    from ctnet.models import interaction

    found = {name: Measurement(SUPPORTED if holds else NOT) for name, holds in interaction.measured().items()}
    fields = interaction.table_1()["CT-Module, K = 2"]
    for name, field_ in (("field-one", fields[0]), ("field-k", fields[-1])):
        box = math.prod(field_.extent)
        if found[name].verdict == SUPPORTED and field_.positions < box:
            found[name] = Measurement(PARTLY, f"{field_.positions} of {box} positions")
    return found


SALIENCY = {"CT-Net": "ctnet_resnet50", "R(2+1)D": "r2plus1d_resnet50", "CSN": "csn_resnet50"}  # Figure 3


def saliency_runs(scale: str = "cpu") -> dict[str, list[Result]]:
    """The records that say where the networks of Figure 3 look: name -> one for each seed that all three have."""
    runs = {name: [r for r in recorded(per_seed(model, scale, seeds=range(8))) if "localization" in r.record]
            for name, model in SALIENCY.items()}  # fmt: skip
    common = set.intersection(*({r.seed for r in of_network} for of_network in runs.values()))
    return {name: [r for r in of_network if r.seed in common] for name, of_network in runs.items()}


def saliency_gaps(scale: str = "cpu") -> dict[tuple[str, str], Difference]:
    """How much more of CT-Net's saliency lies on what acts than of another network's, in points, paired by seed.

    Returns:
        (other network, metric of `inference.localization`) -> difference. Energy in space and time decides the claim.
    """
    ours, *others = (runs := saliency_runs(scale))
    return {
        (other, metric): Difference.over_seeds(
            [a.record["localization"][metric] - b.record["localization"][metric]
             for a, b in zip(runs[ours], runs[other], strict=True)]
        )
        for other in others
        for metric in ("energy", "pointing", "energy_time")
    }  # fmt: skip


def saliency() -> dict[str, Measurement]:
    """Whether CT-Net looks more at what acts than R(2+1)D and CSN, in space and in time (4.3), at the cpu scale.

    Four comparisons, their p values corrected together. `supported` if CT-Net leads in all of them, `not` if it trails
    in one, else `partly` if its mean is higher in all, `undecided` otherwise.
    """
    gaps = {key: gap for key, gap in saliency_gaps().items() if key[1] != "pointing" and gap.error is not None}
    if not gaps:
        return {}
    ps = holm({key: gap.p() for key, gap in gaps.items()})
    ahead = [gap.mean > 0 for gap in gaps.values()]
    clear = [ps[key] < claims.LEVEL for key in gaps]
    if any(sure and not up for sure, up in zip(clear, ahead, strict=True)):
        verdict = NOT
    elif all(ahead):
        verdict = SUPPORTED if all(clear) else PARTLY
    else:
        verdict = claims.UNDECIDED
    found = ", ".join(f"{gap.mean:+.1f} to {other}" for (other, metric), gap in gaps.items() if metric == "energy")
    return {"saliency": Measurement(verdict, f"energy on what acts, points: {found}", "runs/figure_3")}


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

    data, labels = a.record.get("data", {}), np.array(list(a.record["labels"]))
    if not np.array_equal(labels, list(b.record["labels"])) or not len(labels):
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
