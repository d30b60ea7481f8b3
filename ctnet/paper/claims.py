"""The paper's claims, and how each is decided: from costs, from recorded accuracies, or not at all.

`data/paper/claims.csv` holds one claim in each line. `a` and `b` are rows of the tables (`2a/ct`); with several `b` the
claim must hold against each. Effects on accuracy are in points, `a` minus `b`, paired by seed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from ctnet.errors import ConfigError, DataError, unknown
from ctnet.paper import costs, printed
from ctnet.paper.statistics import Difference, holm

SUPPORTED, PARTLY, UNDECIDED, NOT = "supported", "partly", "undecided", "not"
UNMEASURED, UNTESTABLE = "not yet measured", "not testable here"
TESTS = {
    "cost": ("less", "falling", "similar", "times_fewer", "prints"),
    "accuracy": ("more", "comparable"),
    "sota": ("more", "comparable"),
    "mechanism": ("measured",),
}
LEVEL = 0.05  # of the t-test
MARGIN = 1.0  # points: two accuracies closer than this count as comparable
SIMILAR, ROUGHLY_SIMILAR = 0.10, 0.25  # relative difference of two costs that the paper calls similar
ALMOST = 0.05  # relative shortfall up to which a stated factor is partly supported


Comparison = tuple[str, str, str]  # two rows and the column of accuracies in which they are compared


@dataclass(frozen=True)
class Claim:
    """One claim of the paper: a line of `data/paper/claims.csv`.

    Attributes:
        id: Short name.
        section: Section of the paper.
        page: Page of the paper.
        kind: A key of `TESTS`.
        table: Name of the table, or "".
        claim: What is claimed, in our words.
        a: A row of the tables, such as "2a/ct".
        b: The rows that it is compared with.
        test: How it is decided, one of `TESTS[kind]`.
        metric: Column that is compared.
        value: The figure that the paper states or its tables show: a factor, GFLOPs, or points of accuracy.
        where: The test that measures a mechanism.
        needs: What it would take to test a claim that cannot be tested here.

    Example:
        >>> next(claim.comparisons for claim in stated() if claim.id == "2a-csn")
        (('2a/ct', '2a/csn', 'top1'),)
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
        """The compared rows, a pair for each `b`: ("2a/ct", "2a/csn")."""
        return tuple((self.a, b) for b in self.b)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The pairs with the column in which they are compared."""
        return tuple((self.a, b, self.metric) for b in self.b)

    @property
    def models(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The compared networks, pair by pair: none for other people's rows, several for an ensemble."""
        return tuple((printed.row(a).models, printed.row(b).models) for a, b in self.pairs)


class Verdict(NamedTuple):
    """How a claim stands.

    Attributes:
        verdict: `supported`, `partly`, `undecided`, `not`, `not yet measured` or `not testable here`.
        effect: Points of accuracy, or a ratio of costs; None where nothing was measured.
        p: P value of the paired test; None without a test.
        interval: 95 % interval of an effect on accuracy, in points; None without a test.
        seeds: Seeds behind an effect on accuracy; None for other kinds.

    Example:
        >>> verdicts()["light"].verdict
        'supported'
    """

    verdict: str
    effect: float | None = None
    p: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int | None = None


class Measurement(NamedTuple):
    """What was found about a claim on a mechanism.

    Attributes:
        verdict: `supported`, `partly`, `undecided` or `not`.
        found: What was measured, in a few words.
        page: Page of the book that shows it, such as "runs/ct_module".

    Example:
        >>> Measurement("partly", "45 of 125 positions", "runs/ct_module").verdict
        'partly'
    """

    verdict: str
    found: str = ""
    page: str = "runs/ct_module"


@cache
def stated() -> tuple[Claim, ...]:
    """All claims, in the paper's order.

    Raises:
        ConfigError: A line has an unknown kind or test.
    """
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
    """The paper's own figure for a claim on accuracies: the smallest lead of `a` over any `b`, in points."""
    return min(_printed_leads(claim))


def gflops(ref: str) -> float:
    """GFLOPs of a row: our count where the row is ours, else the printed figure."""
    row = printed.row(ref)
    cost = costs.row_cost(row)
    return cost.gflops if cost else row.paper["gflops"]


def cost_verdict(claim: Claim, cost: Callable[[str], float] = gflops) -> Verdict:
    """Decide a claim on costs from GFLOPs.

    The test of the claim says how:
        less: `a` is cheaper than each `b`. Effect: the smallest b/a.
        falling: each row is cheaper than the one before. Effect: the smallest ratio of neighbours.
        similar: within 10 %; partly within 25 %. Effect: a/b.
        times_fewer: b/a reaches the stated factor; partly if it is up to 5 % short of it. Effect: b/a.
        prints: `a` rounds to the stated figure; partly within 5 % of it. Effect: the cost of `a`.

    Args:
        claim: A claim of kind "cost".
        cost: GFLOPs of a row. Default: our count.

    Returns:
        The verdict, without p value and interval.

    Raises:
        ConfigError: The claim is of another kind.
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
    holds = [ratio > 1 for ratio in ratios]
    return Verdict(SUPPORTED if all(holds) else PARTLY if any(holds) else NOT, min(ratios))


def accuracy_verdict(claim: Claim, difference: Difference | Sequence[float], p: float | None = None) -> Verdict:
    """Decide one comparison.

    The test of the claim says how:
        more: a two-sided t-test. `supported` if the mean is positive and p < 0.05; `partly` if it is positive without
            significance; `undecided` if it is zero or negative without significance; else `not`.
        comparable: `supported` if two one-sided tests place the mean within 1 point of zero; `partly` if only the mean
            lies there; else `not`.
    One seed, or no spread at all, has no test and so no significance.

    Args:
        claim: A claim of kind "accuracy" or "sota".
        difference: Accuracy of `a` minus that of `b`; or the points of each seed.
        p: The p value that decides, where it is corrected for the number of tests. Default: that of the test.

    Returns:
        The verdict with the mean, its p value, its 95 % interval and the number of seeds.

    Raises:
        ConfigError: The claim is of another kind.
        DataError: A difference is not a finite number.
    """
    if claim.kind not in ("accuracy", "sota"):
        raise ConfigError(f"claim {claim.id} is of kind {claim.kind}: no accuracies decide it")
    d = difference if isinstance(difference, Difference) else Difference.over_seeds(difference)
    if not d.points:
        return Verdict(UNMEASURED)
    if not all(math.isfinite(x) for x in d.points):
        raise DataError(f"claim {claim.id}: a difference is not a finite number: {list(d.points)}")
    p = p_of(claim, d) if p is None else p
    significant = p is not None and p < LEVEL
    if claim.test == "comparable":
        near = abs(d.mean) <= MARGIN
        name = NOT if not near else SUPPORTED if significant else PARTLY
    else:
        decided, open_ = (SUPPORTED, PARTLY) if d.mean > 0 else (NOT, UNDECIDED)
        name = decided if significant else open_
    return Verdict(name, d.mean, p, d.interval, len(d.points))


def p_of(claim: Claim, difference: Difference) -> float | None:
    """The p value of a comparison: two-sided, or the larger of two one-sided tests; None where there is no test."""
    if claim.test != "comparable":
        return difference.p()
    return _largest(difference.p(-MARGIN, "greater"), difference.p(MARGIN, "less"))


def corrected(differences: Mapping[Comparison, Difference]) -> dict[tuple[str, Comparison], float]:
    """P values of all comparisons, corrected together within each table (`statistics.holm`).

    Args:
        differences: As in `verdicts`.

    Returns:
        (claim id, comparison) -> p value.
    """
    tables: dict[str, dict[tuple[str, Comparison], float]] = {}
    for claim in stated():
        for comparison in claim.comparisons if claim.kind == "accuracy" and not claim.needs else ():
            found = differences.get(comparison)
            if found and found.points and (p := p_of(claim, found)) is not None:
                tables.setdefault(claim.table, {})[claim.id, comparison] = p
    return {test: p for ps in tables.values() for test, p in holm(ps).items()}


def verdict(
    claim: Claim,
    differences: Mapping[Comparison, Difference | Sequence[float]],
    measured: Mapping[str, Measurement],
    ps: Mapping[tuple[str, Comparison], float] | None = None,
) -> Verdict:
    """Decide any claim.

    A claim against several rows has one comparison for each of them. If any comparison is `not`, the claim is `not`,
    with the figures of the worst. If all have the same verdict, the claim has it too. Otherwise it is `partly`. In both
    cases, the effect and interval are those of the smallest effect, and p is the largest.

    Args:
        claim: The claim.
        differences: As in `verdicts`.
        measured: As in `verdicts`.
        ps: What `corrected` returns. Default: p values are not corrected.
    """
    if claim.needs:
        return Verdict(UNTESTABLE)
    if claim.kind == "cost":
        return cost_verdict(claim)
    if claim.kind == "mechanism":
        known = measured.get(claim.id)
        return Verdict(known.verdict if known else UNMEASURED)
    ps = ps or {}
    parts = [accuracy_verdict(claim, differences.get(c, ()), ps.get((claim.id, c))) for c in claim.comparisons]
    names = {part.verdict for part in parts}
    if UNMEASURED in names:
        return Verdict(UNMEASURED)
    if NOT in names:
        return min((part for part in parts if part.verdict == NOT), key=lambda part: part.effect)
    smallest = min(parts, key=lambda part: part.effect)
    together = parts[0].verdict if len(names) == 1 else PARTLY
    # a claim against each of several rows holds only if each test does: its p is the largest of them
    return smallest._replace(verdict=together, p=_largest(*(part.p for part in parts)))


def verdicts(
    differences: Mapping[Comparison, Difference] | None = None,
    measured: Mapping[str, Measurement] | None = None,
) -> dict[str, Verdict]:
    """Decide every claim; the p values of a table are corrected together.

    Args:
        differences: (row, row, column) -> difference of accuracy.
        measured: Id of a claim on a mechanism -> what was found.

    Returns:
        Claim id -> verdict. A claim in neither of the two is "not yet measured".
    """
    ps = corrected(differences or {})
    return {claim.id: verdict(claim, differences or {}, measured or {}, ps) for claim in stated()}


def printed_verdict(claim: Claim) -> str:
    """Whether the paper's own tables show what a claim on accuracies says: `yes`, `partly` or `no`.

    Args:
        claim: A claim of kind "accuracy" or "sota".

    Returns:
        For `more`: whether row `a` is above every row `b`, above some, or above none. For `comparable`: whether the two
        lie within 1 point of each other.
    """
    holds = [abs(lead) <= MARGIN if claim.test == "comparable" else lead > 0 for lead in _printed_leads(claim)]
    return "yes" if all(holds) else "partly" if any(holds) else "no"


def _printed_leads(claim: Claim) -> list[float]:
    """The lead of `a` over each `b` in the printed tables, in points."""
    return [round(printed.row(a).paper[claim.metric] - printed.row(b).paper[claim.metric], 2) for a, b in claim.pairs]


def _largest(*ps: float | None) -> float | None:
    return None if None in ps else max(ps)
