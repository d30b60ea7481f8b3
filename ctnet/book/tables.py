"""Tables of the book: the paper's figures beside ours, from `data/paper` and `data/results` alone."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ctnet import paths
from ctnet.experiments.records import Result
from ctnet.paper import claims, costs, printed
from ctnet.paper.evidence import by_seed, differences_at, headline

TIERS = ("strict", "state change", "dynamics", "appearance")


def mean_sd(values: Sequence[float]) -> str:
    """`83.2 ± 1.1`: mean and standard deviation over seeds; no deviation of one seed, a dash for none."""
    if not len(values):
        return "–"
    mean = f"{np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.1f}"


def cost_table(*names: str) -> pd.DataFrame:
    """GFLOPs and parameters of our rows: paper | ours | gap. `agrees` is whether ours rounds to the printed figure."""
    lines = []
    for row in printed.rows():
        if row.table in names and row.models:
            ours, figures = costs.row_cost(row), row.printed
            line = {"table": row.table, "row": label(row)}
            line["protocol"] = " + ".join(dict.fromkeys(map(str, row.protocols)))
            for column, value in (("gflops", ours.gflops), ("params_m", ours.params_m)):
                stated = figures.get(column)
                line[f"{column} paper"] = stated or "–"
                line[f"{column} ours"] = round(value, 3 if column == "gflops" else 2)
                line[f"{column} gap"] = round(value - float(stated), 3) if is_number(stated) else None
                line[f"{column} agrees"] = costs.agrees(stated, value) if is_number(stated) else None
            line["gmacs ours"] = round(ours.gmacs, 3)
            expected = costs.expected_costs().get(row.ref)
            line["note"] = expected.note if expected else ""
            lines.append(line)
    return pd.DataFrame(lines)


def label(row: printed.Row) -> str:
    """A row's name in its table: the method, with the frames or the row's id where several share it."""
    same = [r for r in printed.rows() if r.table == row.table and r.method == row.method]
    backbones = {r.backbone for r in same}
    detail = [row.frames or row.row] if len(same) > len(backbones) else [row.backbone] if len(backbones) > 1 else []
    return ", ".join([row.method, *detail]) if row.method else row.row


def is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def accuracy_table(table: str, results: dict[str, list[Result]]) -> pd.DataFrame:
    """Paper | ours for one ablation: GFLOPs at the paper's 8x1x1@256, the paper's top-1 on Something-Something V1,
    and our accuracies in per cent on MotionPairs, mean ± sd over seeds."""
    lines = []
    for name, runs in results.items():
        row = printed.row(f"{table}/{name}")
        cost = costs.row_cost(row)
        line = {
            "row": label(row),
            "GFLOPs paper": row.printed.get("gflops", "–"),
            "GFLOPs ours": round(cost.gflops, 1),
            "params ours (M)": round(cost.params_m, 1),
            "top-1 paper (Sth V1)": row.printed.get("top1", "–"),
        }
        if headline(runs) == "top1":
            columns = {"top-1": "top1", "order gap": "order_gap"}
        else:
            columns = {tier: f"tiers.{tier}" for tier in TIERS}
            columns |= {"strict, within pairs": "pairs.strict", "order gap, strict": "order_gap.strict"}
        for column, metric in columns.items():
            line[column] = mean_sd([r.metric(metric) for r in runs])
        line["seeds"] = len(runs)
        lines.append(line)
    return pd.DataFrame(lines)


def comparison_table(
    table: str, results: dict[str, list[Result]], pairs: Sequence[tuple[str, str]], metric: str | None = None
) -> pd.DataFrame:
    """Row a minus row b for each pair, in points: paper | ours paired by seed, 95 % interval, p of a t-test."""
    lines = []
    for a, b in pairs:
        first, second = (printed.row(f"{table}/{name}") for name in (a, b))
        line = {"row": label(first), "minus": label(second)}
        line["paper"] = round(first.paper["top1"] - second.paper["top1"], 1)
        lines.append(line | paired(results[a], results[b], metric or headline(results[a])))
    return pd.DataFrame(lines)


def paired(ours: Sequence[Result], base: Sequence[Result], metric: str) -> dict:
    """The cells of one comparison: mean difference over the seeds that both have, its interval, p of a t-test."""
    ours, base = by_seed(ours, metric), by_seed(base, metric)
    gaps = np.array([ours[s] - base[s] for s in sorted(ours.keys() & base.keys())])
    line = {"ours": round(gaps.mean(), 1) if len(gaps) else None}
    if test := claims.paired_test(gaps):  # the test that decides the claims
        low, high = test.confidence_interval(0.95)
        line |= {"95 % interval": f"{low:.1f} to {high:.1f}", "p": p_value(test.pvalue)}
    return line | {"seeds": len(gaps)}


def p_value(p: float) -> str:
    """Three digits; `< 0.001` below."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def data_table(results: dict[str, list[Result]]) -> pd.DataFrame:
    """Accuracies of networks on a data set without tiers: in order, shuffled, and the gap; mean ± sd over seeds."""
    lines = []
    for model, runs in results.items():
        line = {"network": model}
        for column, metric in (("in order", "top1"), ("shuffled", "shuffled.top1"), ("order gap", "order_gap")):
            line[column] = mean_sd([r.metric(metric) for r in runs])
        lines.append(line | {"seeds": len(runs), "test clips": runs[0].metrics["clips"] if runs else "–"})
    return pd.DataFrame(lines)


def differences_on(results: dict[str, list[Result]], pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Top-1 of one network minus another's, paired by seed, in points."""
    return pd.DataFrame(
        {"network": a, "minus": b} | paired(results[a], results[b], headline(results[a] or results[b]))
        for a, b in pairs
    )


def verdict_table(table: str, scale: str) -> pd.DataFrame:
    """What the paper claims of a table's accuracies, and the verdict of the runs recorded at this scale."""
    found, lines = differences_at(scale), []
    for claim in claims.claims():
        if claim.kind == "accuracy" and claim.table == table:
            v = claims.verdict(claim, found, {})
            here = "–" if v.effect is None else f"{v.effect:+.1f}"
            line = {"claim": claim.claim, "paper": f"{claims.paper_effect(claim):+.1f}", f"here ({scale})": here}
            lines.append(line | {"verdict": v.verdict, "p": "–" if v.p is None else p_value(v.p)})
    return pd.DataFrame(lines)


RUN = ("row", "seed", "protocol", "minutes", "commit", "finished", "result", "device")


def provenance(results: dict[str, list[Result]]) -> pd.DataFrame:
    """Which run gave each number: protocol, minutes, commit, UTC date, file of data/results, device."""
    lines = []
    for name, runs in results.items():
        for r in runs:
            e, p = r.record["experiment"], r.record["provenance"]
            minutes = round(r.record["training"]["seconds"] / 60, 1)
            when, file = p["finished"].removesuffix(" UTC"), f"{e['scale']}/{r.key}.json"
            lines.append((name, e["seed"], e["protocol_name"], minutes, p["commit"], when, file, p["device"]))
    return pd.DataFrame(lines, columns=RUN)


def csv_folder() -> Path:
    """Where notebooks leave the CSV of each table, for the book to offer (CTNET_TABLES)."""
    return Path(os.environ.get("CTNET_TABLES") or paths.ROOT / "book" / "runs" / "csv")


pd.set_option("display.max_colwidth", None)  # notes are read to their end


def show(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Keeps the table as <csv folder>/<name>.csv and returns it for display: its first column in front, in one head,
    and as many decimals in all lines of a column of numbers."""
    csv_folder().mkdir(parents=True, exist_ok=True)
    frame.to_csv(csv_folder() / f"{name}.csv", index=False)
    first = frame.columns[0]
    shown = frame.astype(object).where(frame.notna(), "–")
    for column, values in frame.select_dtypes("float").items():
        digits = max((len(f"{v:.6f}".rstrip("0").partition(".")[2]) for v in values.dropna()), default=0)
        shown[column] = [f"{v:.{digits}f}" if v == v else "–" for v in values]
    return shown.set_index(first).rename_axis(index=None, columns=first)
