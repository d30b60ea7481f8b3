"""The paper's claims and how each is decided: from costs, from recorded accuracies, or not here.

`data/paper/claims.csv` holds one claim a line. `a` and `b` are rows of the tables (`2a/ct`); with several `b`
the claim must hold against each. Effects of accuracy are in points, `a` minus `b`, paired by seed.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from ctnet.errors import ConfigError, DataError, unknown
from ctnet.paper import costs, printed

SUPPORTED, PARTLY, UNDECIDED, NOT = "supported", "partly", "undecided", "not"
UNMEASURED, UNTESTABLE = "not yet measured", "not testable here"
TESTS = {
    "cost": ("less", "falling", "similar", "times_fewer", "prints"),
    "accuracy": ("more", "comparable"),
    "sota": ("more", "comparable"),
    "mechanism": ("measured",),
}
LEVEL = 0.05  # of the paired t-test
MARGIN = 1.0  # points: two accuracies closer than this count as comparable
SIMILAR, ROUGHLY_SIMILAR = 0.10, 0.25  # relative difference of two costs that the paper calls similar
ALMOST = 0.05  # relative shortfall up to which a stated factor is partly supported


@dataclass(frozen=True)
class Claim:
    """One claim: section and page of the paper, kind (`TESTS`), rows compared, and what decides it.

    value: the figure that the paper states or its tables show (a factor, GFLOPs, points of accuracy) ·
    where: the test that measures a mechanism · needs: what a claim that cannot be tested here would take.
    """

    id: str
    section: str
    page: int
    kind: str
    table: str
    claim: str
    a: str
    b: tuple[str, ...]
    test: str
    metric: str
    value: str
    where: str
    needs: str

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The compared rows: ("2a/ct", "2a/csn"), one pair for each `b`."""
        return tuple((self.a, b) for b in self.b)

    @property
    def models(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The compared networks, pair by pair: none for a row of other people, several for an ensemble."""
        return tuple((printed.row(a).models, printed.row(b).models) for a, b in self.pairs)


class Verdict(NamedTuple):
    """verdict · effect: points, or a ratio of costs · p: of the paired test, None where there is none."""

    verdict: str
    effect: float | None = None
    p: float | None = None


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the paper's order."""
    made = []
    for line in printed.read_csv("claims.csv"):
        claim = Claim(**{**line, "page": int(line["page"]), "b": tuple(line["b"].split())})
        if claim.kind not in TESTS:
            raise unknown(f"kind of claim {claim.id}", claim.kind, TESTS)
        if claim.test not in TESTS[claim.kind]:
            raise unknown(f"test of claim {claim.id}", claim.test, TESTS[claim.kind])
        made.append(claim)
    return tuple(made)


def paper_effect(claim: Claim) -> float:
    """The paper's own figure for an accuracy claim: the smallest lead of `a` over any `b`, in points."""
    leads = [printed.row(a).paper[claim.metric] - printed.row(b).paper[claim.metric] for a, b in claim.pairs]
    return round(min(leads), 2)


def gflops(ref: str) -> float:
    """GFLOPs of a row: our count where the row is ours, else the printed figure."""
    row = printed.row(ref)
    cost = costs.row_cost(row)
    return cost.gflops if cost else row.paper["gflops"]


def _share(holds: Sequence[bool]) -> str:
    return SUPPORTED if all(holds) else PARTLY if any(holds) else NOT


def cost_verdict(claim: Claim, cost: Callable[[str], float] = gflops) -> Verdict:
    """Decide a cost claim from GFLOPs; `cost` gives those of a row.

    less: `a` is cheaper than each `b` (effect: the smallest b/a)
    falling: each row is cheaper than the one before (effect: the smallest ratio of neighbours)
    similar: within 10 %; partly within 25 % (effect: a/b)
    times_fewer: b/a reaches the stated factor; partly if up to 5 % short of it (effect: b/a)
    prints: `a` rounds to the stated figure; partly within 5 % of it (effect: the cost of `a`)
    """
    if claim.kind != "cost":
        raise ConfigError(f"claim {claim.id} is of kind {claim.kind}, not cost")
    a, b = cost(claim.a), [cost(ref) for ref in claim.b]
    if claim.test == "prints":
        near = abs(a / float(claim.value) - 1) <= ALMOST
        return Verdict(SUPPORTED if costs.agrees(claim.value, a) else PARTLY if near else NOT, a)
    if claim.test == "times_fewer":
        ratio, stated = b[0] / a, float(claim.value)
        reached = costs.agrees(claim.value, ratio) or ratio >= stated
        return Verdict(SUPPORTED if reached else PARTLY if ratio >= stated * (1 - ALMOST) else NOT, ratio)
    if claim.test == "similar":
        gap = abs(a / b[0] - 1)
        return Verdict(SUPPORTED if gap <= SIMILAR else PARTLY if gap <= ROUGHLY_SIMILAR else NOT, a / b[0])
    steps = pairwise([a, *b]) if claim.test == "falling" else ((other, a) for other in b)
    ratios = [dearer / cheaper for dearer, cheaper in steps]
    return Verdict(_share([ratio > 1 for ratio in ratios]), min(ratios))


def accuracy_verdict(claim: Claim, differences: Sequence[float]) -> Verdict:
    """Decide one comparison from paired differences over seeds: accuracy of `a` minus that of `b`, in points.

    more: a two-sided paired t-test. supported if the mean is positive and p < 0.05; partly if it is positive without
    significance; undecided if it is zero or negative without significance; not if it is negative and p < 0.05.
    comparable: supported if two one-sided tests place the mean within 1 point of zero; partly if only the
    mean lies there; else not.
    One seed, or no spread at all, has no test: there is no significance.
    """
    if claim.kind not in ("accuracy", "sota"):
        raise ConfigError(f"claim {claim.id} is of kind {claim.kind}: no accuracies decide it")
    differences = [float(d) for d in differences]
    if not differences:
        return Verdict(UNMEASURED)
    if not all(math.isfinite(d) for d in differences):
        raise DataError(f"claim {claim.id}: a difference is not a finite number: {differences}")
    mean = math.fsum(differences) / len(differences)
    if claim.test == "comparable":
        p = _largest(_p(differences, -MARGIN, "greater"), _p(differences, MARGIN, "less"))
        return Verdict(_judge(abs(mean) <= MARGIN, p), mean, p)
    p = _p(differences)
    significant = p is not None and p < LEVEL
    names = (SUPPORTED, PARTLY) if mean > 0 else (NOT, UNDECIDED)
    return Verdict(names[0] if significant else names[1], mean, p)


def _judge(holds: bool, p: float | None) -> str:
    return NOT if not holds else SUPPORTED if p is not None and p < LEVEL else PARTLY


def _largest(*ps: float | None) -> float | None:
    return None if None in ps else max(ps)


def paired_test(differences: Sequence[float], null: float = 0.0, side: str = "two-sided"):
    """SciPy's t-test of the differences against `null`; None for one seed or no spread, where there is no test."""
    if len(differences) < 2 or max(differences) == min(differences):
        return None
    from scipy.stats import ttest_1samp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # loss of precision where p is near 0
        return ttest_1samp(differences, null, alternative=side)


def _p(differences: Sequence[float], null: float = 0.0, side: str = "two-sided") -> float | None:
    test = paired_test(differences, null, side)
    return None if test is None else float(test.pvalue)


def verdict(claim: Claim, differences: Mapping, measured: Mapping[str, bool]) -> Verdict:
    """Decide any claim; see `verdicts`.

    Against several rows: not if any pair is "not", with the effect and p of the worst of these; supported if all
    pairs are; undecided if all are (no mean is positive); else partly. Then effect is the smallest and p the largest.
    """
    if claim.needs:
        return Verdict(UNTESTABLE)
    if claim.kind == "cost":
        return cost_verdict(claim)
    if claim.kind == "mechanism":
        known = measured.get(claim.id)
        return Verdict(UNMEASURED if known is None else SUPPORTED if known else NOT)
    parts = [accuracy_verdict(claim, differences.get(pair, ())) for pair in claim.pairs]
    names = {part.verdict for part in parts}
    if UNMEASURED in names:
        return Verdict(UNMEASURED)
    if NOT in names:
        return min((part for part in parts if part.verdict == NOT), key=lambda part: part.effect)
    # a claim against each of several rows holds only if each test does: its p is the largest of them
    together = parts[0].verdict if len(names) == 1 else PARTLY
    return Verdict(together, min(part.effect for part in parts), _largest(*(part.p for part in parts)))


def verdicts(
    differences: Mapping[tuple[str, str], Sequence[float]] | None = None,
    measured: Mapping[str, bool] | None = None,
) -> dict[str, Verdict]:
    """Claim id -> verdict, for every claim.

    differences: pair of rows (`Claim.pairs`) -> paired differences of accuracy over seeds, in points
    measured: id of a mechanism claim -> whether its measurement confirmed it
    What neither holds is "not yet measured".
    """
    return {claim.id: verdict(claim, differences or {}, measured or {}) for claim in claims()}
