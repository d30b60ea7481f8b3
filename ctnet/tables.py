"""Tables of the book: the paper's figures beside ours, from `data/paper` and `data/results` alone."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import pandas as pd

from ctnet import claims, experiments, paper, paths
from ctnet.results import Result

TIERS = ("strict", "state change", "dynamics", "appearance")
DISTINCT = ("2a", "2b", "2c", "2f", "2g")  # tables whose rows differ in the network alone, and stay so in a small one
TESTABLE = {"smoke": DISTINCT, "cpu": DISTINCT} | dict.fromkeys(("gpu", "paper"), (*DISTINCT, "2d", "2e", "8"))


def headline(runs: Sequence[Result]) -> str:
    """The accuracy that stands for the paper's: of MotionPairs the strict tier, which order decides; else top-1."""
    return "tiers.strict" if not runs or "tiers" in runs[0].metrics else "top1"


def measure(table: str, scale: str, fresh: bool = False, missing: bool = False) -> dict[str, list[Result]]:
    """Row -> its results, one for each seed of the scale (fewer or none where they are not recorded).

    missing: run what is not recorded · fresh: run everything again and replace the records.
    """
    found = {}
    for row in paper.rows():
        if row.table == table and len(row.models) == 1:
            wanted = experiments.experiments(row.models[0], scale)
            found[row.row] = obtain(wanted, fresh, missing)
    return found


def obtain(wanted: Sequence[experiments.Experiment], fresh: bool, missing: bool) -> list[Result]:
    """Their results, run if asked; else of those that are recorded."""
    return [experiments.run(e, fresh) for e in wanted] if fresh or missing else experiments.recorded(wanted)


def mean_sd(values: Sequence[float]) -> str:
    """`83.2 ± 1.1`: mean and standard deviation over seeds; no deviation of one seed, a dash for none."""
    if not len(values):
        return "–"
    mean = f"{np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.1f}"


def cost_table(*names: str) -> pd.DataFrame:
    """GFLOPs and parameters of our rows: paper | ours | gap. `agrees` is whether ours rounds to the printed figure."""
    lines = []
    for row in paper.rows():
        if row.table in names and row.models:
            ours, printed = paper.row_cost(row), row.printed
            line = {"table": row.table, "row": label(row)}
            line["protocol"] = " + ".join(dict.fromkeys(map(str, row.protocols)))
            for column, value in (("gflops", ours.gflops), ("params_m", ours.params_m)):
                stated = printed.get(column)
                line[f"{column} paper"] = stated or "–"
                line[f"{column} ours"] = round(value, 3 if column == "gflops" else 2)
                line[f"{column} gap"] = round(value - float(stated), 3) if is_number(stated) else None
                line[f"{column} agrees"] = paper.agrees(stated, value) if is_number(stated) else None
            line["gmacs ours"] = round(ours.gmacs, 3)
            expected = paper.expected_costs().get(row.ref)
            line["note"] = expected.note if expected else ""
            lines.append(line)
    return pd.DataFrame(lines)


def label(row: paper.Row) -> str:
    """A row's name in its table: the method, with the frames or the row's id where several share it."""
    same = [r for r in paper.rows() if r.table == row.table and r.method == row.method]
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
        row = paper.row(f"{table}/{name}")
        cost = paper.row_cost(row)
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
        first, second = (paper.row(f"{table}/{name}") for name in (a, b))
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


def measure_on(
    data: str,
    models: Sequence[str],
    scale: str,
    fresh: bool = False,
    missing: bool = False,
    init: str | None = None,
    epochs: int | None = None,
) -> dict[str, list[Result]]:
    """Network -> its results on a data set, one for each seed; `fresh` and `missing` as in `measure`."""
    found = {}
    for model in models:
        wanted = experiments.experiments(model, scale, data, init=init, epochs=epochs)
        found[model] = obtain(wanted, fresh, missing)
    return found


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


def by_seed(runs: Sequence[Result], metric: str) -> dict[int, float]:
    return {r.record["experiment"]["seed"]: r.metric(metric) for r in runs}


def differences(scale: str, metric: str | None = None) -> dict[tuple[str, str], list[float]]:
    """For every accuracy claim that a scale can test: (row, row) -> paired differences over seeds, in points.

    Only claims on the paper's top-1 in tables whose rows differ in the network alone; the others need other data or
    protocols and stay "not yet measured".
    """
    found = {}
    for claim in claims.claims():
        if claim.kind == "accuracy" and claim.metric == "top1" and claim.table in TESTABLE[scale]:
            for pair in claim.pairs:
                runs = [experiments.recorded(experiments.experiments(paper.row(r).models[0], scale)) for r in pair]
                a, b = (by_seed(each, metric or headline(each)) for each in runs)
                found[pair] = [a[s] - b[s] for s in sorted(a.keys() & b.keys())]
    return found


def verdict_table(table: str, scale: str) -> pd.DataFrame:
    """What the paper claims of a table's accuracies, and the verdict of the runs recorded at this scale."""
    found, lines = differences(scale), []
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


def lettered(measured: Sequence[dict]) -> Iterator[tuple[str, dict]]:
    """(letter, measurement) of each device."""
    return zip(ascii_uppercase, measured, strict=False)


def devices(measured: Sequence[dict]) -> pd.DataFrame:
    """What was measured on, by the letters that the other tables use."""
    lines = []
    for letter, record in lettered(measured):
        p = record["provenance"]
        line = {"": letter, "device": p["device"], "torch": p["versions"]["torch"]}
        lines.append(line | {"commit": p["commit"], "measured": p["started"]})
    return pd.DataFrame(lines, columns=["", "device", "torch", "commit", "measured"])


def speeds(measured: Sequence[dict], section: str) -> pd.DataFrame:
    """One section of `ctnet bench` on every device: median time, clips/s, and how many times as fast as the first."""
    columns = ["on", "what", "ms a call", "clips/s", "times the first", "quartiles"]
    lines = []
    for letter, record in lettered(measured):
        for what, r in record.get(section, {}).get("rows", {}).items():
            times = [f"{r['times']:.2f}", f"{r['times_low']:.2f} to {r['times_high']:.2f}"]
            values = [letter, what, f"{1000 * r['seconds']:.1f}", f"{r['clips_per_s']:.1f}", *times]
            lines.append(dict(zip(columns, values, strict=True)))
    return pd.DataFrame(lines, columns=columns)


CALLS = {"inference": "one clip", "throughput": "four clips", "kept": "one clip, memory kept"}
PRICE = ["on", "call", "precision", "operations", "time", "quartiles", "CT-Net's rate", "TSN's rate", "plain's rate"]


def prices(measured: Sequence[dict]) -> pd.DataFrame:
    """What CT-Net's fewer operations are worth: its operations and its time over TSN's, both compiled; the median of
    the rounds' ratios. Rates are multiply-adds a second, as shares of those of a dense 3x3 convolution."""
    lines = []
    for letter, record in lettered(measured):
        for section, call in CALLS.items():
            part = record.get(section, {})
            for precision, dense in part.get("dense", {}).items():
                names = [f"{who} {precision}" for who in ("ctnet compiled", "tsn compiled", "plain")]
                ct, tsn, _ = rows = [part["rows"][name] for name in names]
                operations = ct["gmacs_per_s"] * ct["seconds"] / (tsn["gmacs_per_s"] * tsn["seconds"])
                times = [a / b for a, b in zip(*(part["seconds"][name] for name in names[:2]), strict=True)]
                low, middle, high = np.percentile(times, (25, 50, 75))
                shares = [f"{r['gmacs_per_s'] / dense:.0%}" for r in rows]
                price = [f"{operations:.2f}", f"{middle:.2f}", f"{low:.2f} to {high:.2f}"]
                lines.append((letter, call, precision, *price, *shares))
    return pd.DataFrame(lines, columns=PRICE)


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
