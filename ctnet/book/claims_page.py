"""The table of the paper's claims: for each the paper's effect, ours, and the verdict."""

from collections import Counter
from typing import TYPE_CHECKING

from ctnet.book.status import cell
from ctnet.book.tables import p_value
from ctnet.paper import claims
from ctnet.paper.claims import Claim
from ctnet.paper.evidence import Evidence
from ctnet.paper.printed import row

if TYPE_CHECKING:
    import pandas as pd

BADGES = {"supported": "success", "partly": "warning", "undecided": "secondary", "not": "danger"}
PLAIN_BADGE = "light"


def claims_table(found: Evidence) -> str:
    """Return the Markdown table of all claims, under a line with the number of each verdict.

    Args:
        found: What is recorded and measured here (`paper.evidence.evidence`).
    """
    verdicts = claims.verdicts(found.differences, found.measured)
    counts = Counter(verdict.verdict for verdict in verdicts.values())
    head = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    lines = [
        f"{len(verdicts)} claims: {head}.\n",
        "| claim | where | paper | holds in the printed tables | here | verdict | p |",
        "|---|---|---:|---|---:|---|---:|",
    ]
    for claim in claims.stated():
        verdict = verdicts[claim.id]
        badge = f"{{bdg-{BADGES.get(verdict.verdict, PLAIN_BADGE)}}}`{verdict.verdict}`"
        here = "" if verdict.effect is None else _effect(claim, verdict.effect)
        scales = sorted({found.scales[c] for c in claim.comparisons if c in found.scales})
        if here and claim.kind == "accuracy":
            here += f" ({', '.join(scales)})"
        if claim.kind == "mechanism" and (known := found.measured.get(claim.id)):
            here = f"{{doc}}`{known.found or 'measured'} </{known.page}>`"
        p = "" if verdict.p is None else p_value(verdict.p)
        note = f" (needs {claim.needs})" if claim.needs else ""
        holds = claims.printed_verdict(claim) if claim.kind in ("accuracy", "sota") else ""
        cells = [cell(claim.claim + note), _where(claim), _printed(claim), holds, here, badge, p]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def other_claims(table: str) -> "pd.DataFrame":
    """The claims on one table that no accuracy recorded here decides: on costs, and against other people's networks.

    Args:
        table: Name of the table, such as "3".

    Returns:
        A line for each claim: the paper's effect, whether its table shows what is claimed (accuracies only), the effect
        that we count (costs only), the verdict, and what a test would need. A column of dashes is left out.

    Example:
        >>> other_claims("2a")["verdict"].tolist()
        ['supported', 'supported']
    """
    import pandas as pd

    lines = []
    for claim in claims.stated():
        if claim.table == table and claim.kind in ("cost", "sota"):
            v = claims.verdict(claim, {}, {})
            counted = "–" if v.effect is None else _effect(claim, v.effect)
            line = {"claim": claim.claim, "paper": _printed(claim)}
            line["holds in the printed table"] = claims.printed_verdict(claim) if claim.kind == "sota" else "–"
            line |= {"counted here": counted, "verdict": v.verdict}
            lines.append(line | {"a test would need": claim.needs or "–"})
    frame = pd.DataFrame(lines)
    return frame.loc[:, frame.ne("–").any()]


def _where(claim: Claim) -> str:
    """`4.1, p. 6, Table 2a: ct, csn`: section, page, and the compared rows of the table."""
    rows = ", ".join(f"`{ref.partition('/')[2]}`" for ref in (claim.a, *claim.b) if ref)
    table = f", Table {claim.table}" + (f": {rows}" if rows else "") if claim.table else ""
    return f"{claim.section}, p. {claim.page}{table}"


def _effect(claim: Claim, effect: float) -> str:
    if claim.kind != "cost":
        return f"{effect:+.1f} points"
    if claim.test == "prints":
        return f"{effect:.1f} GFLOPs"
    return f"{effect:.{3 if abs(effect - 1) < 0.05 else 2}f} ×"


def _printed(claim: Claim) -> str:
    """The paper's own effect in the form of `_effect`: the stated figure, else computed from the printed ones."""
    if claim.kind in ("accuracy", "sota"):
        return f"{claims.paper_effect(claim):+.1f} points"
    if claim.kind != "cost":
        return ""
    if claim.value:
        return f"{claim.value} {'GFLOPs' if claim.test == 'prints' else '×'}"
    return _effect(claim, claims.cost_verdict(claim, lambda ref: row(ref).paper["gflops"]).effect)
