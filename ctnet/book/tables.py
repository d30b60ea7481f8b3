"""What all tables of the book share: labels, figures as text, costs, provenance, and the CSV of each table."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ctnet import paths
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.records import Result
from ctnet.paper import costs, printed
from ctnet.paper.evidence import difference
from ctnet.paper.statistics import Difference

RUN = ("row", "seed", "protocol", "minutes", "commit", "finished", "result", "device")
_UNBROKEN = re.compile(" (?=±)|(?<=±) |(?<=<) ")  # the spaces inside `83.2 ± 1.1` and `< 0.001`


def mean_sd(values: Sequence[float]) -> str:
    """Format mean and standard deviation over seeds, `83.2 ± 1.1`; one value has no deviation, no value is a dash."""
    if not len(values):
        return "–"
    mean = f"{np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.1f}"


def mean_interval(values: Sequence[float]) -> str:
    """Format mean and 95 % interval over seeds, `83.2 [82.1, 84.3]`; one value has no interval, no value is a dash."""
    if len(values) < 2:
        return mean_sd(values)
    mean = np.mean(values)
    low, high = Difference.over_seeds(values).interval or (mean, mean)
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def interval(ends: tuple[float, float] | None) -> str:
    """Format the 95 % interval of a difference, `-0.5 to 4.5`; without a test it is a dash."""
    return "{:.1f} to {:.1f}".format(*ends) if ends else "–"


def p_value(p: float) -> str:
    """Format a p value with three digits; below that, `< 0.001`."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def paired(ours: Sequence[Result], base: Sequence[Result]) -> dict:
    """The cells of one comparison: mean difference over the seeds that both have, its 95 % interval, p of a t-test."""
    gap = difference(ours, base)
    line = {"ours": round(gap.mean, 1) if gap.points else None}
    if gap.interval:
        line |= {"95 % interval": interval(gap.interval), "p": p_value(gap.p())}
    return line | {"seeds": len(gap.points)}


def size_cells(size: costs.NetworkSize | None) -> dict:
    """The cells that say how large a network is: MFLOPs, parameters, width, depth, pixels; dashes where it is unknown.

    Args:
        size: Of the network that reached an accuracy.
    """
    names = ("MFLOPs", "parameters (M)", "width", "depth", "pixels")
    if size is None:
        return dict.fromkeys(names, "–")
    cells = (f"{size.mflops:.1f}", f"{size.params_m:.3f}", size.width, size.depths or "–", size.pixels)
    return dict(zip(names, cells, strict=True))


def label(row: printed.Row) -> str:
    """A row's name in its table, unlike that of any other row: the method, and the frames or the row's id if needed.

    Args:
        row: A row of the paper's tables.
    """
    same = [r for r in printed.rows() if r.table == row.table and r.method == row.method]
    backbones = {r.backbone for r in same}
    detail = [row.frames or row.row] if len(same) > len(backbones) else [row.backbone] if len(backbones) > 1 else []
    twins = [r for r in same if row.frames in detail and r.frames == row.frames]
    if len(twins) > 1:
        detail.append(row.backbone if len({r.backbone for r in twins}) == len(twins) else row.row)
    return ", ".join([row.method, *detail]) if row.method else row.row


def sub_dimensions(experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """How the channels of each CT-Module are divided.

    Args:
        experiments: Label of a row -> an experiment with its network.

    Returns:
        A line for each row and a column for each CT-block: `32 = 8 x 4` for C = 32, C1 = 8 and C2 = 4.
    """
    from ctnet.models.zoo import configured

    lines = []
    for name, e in experiments.items():
        config, line = configured(e.model, **dict(e.overrides)), {"row": name}
        for site, (c_in, c) in config.ct_sites().items():
            line[site] = f"{c} = " + " x ".join(map(str, config.ct.resolve(c, c_in).sizes))
        lines.append(line)
    return pd.DataFrame(lines)


def cost_table(*names: str) -> pd.DataFrame:
    """GFLOPs and parameters of our rows: as printed, as counted, and the gap.

    Args:
        names: Tables, such as "2a".

    Returns:
        A line for each row of ours. `gflops agrees` and `params_m agrees` say whether our figure rounds to the printed
        one; None where none is printed.
    """
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
                line[f"{column} gap"] = round(value - float(stated), 3) if _is_number(stated) else None
                line[f"{column} agrees"] = costs.agrees(stated, value) if _is_number(stated) else None
            line["gmacs ours"] = round(ours.gmacs, 3)
            expected = costs.expected_costs().get(row.ref)
            line["note"] = expected.note if expected else ""
            lines.append(line)
    return pd.DataFrame(lines)


def provenance(results: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """The run behind each number: protocol, minutes, commit, UTC date, file of data/results, device.

    Args:
        results: Row -> its records.
    """
    lines = []
    for name, runs in results.items():
        for r in runs:
            e, p = r.record["experiment"], r.record["provenance"]
            minutes = round(r.record["training"]["seconds"] / 60, 1)
            when, file = p["finished"].removesuffix(" UTC"), f"{e['scale']}/{r.key}.json"
            lines.append((name, e["seed"], e["protocol_name"], minutes, p["commit"], when, file, p["device"]))
    return pd.DataFrame(lines, columns=RUN)


def csv_folder() -> Path:
    """Return the folder for the CSV of each table, which pages offer for download (CTNET_TABLES moves it)."""
    return Path(os.environ.get("CTNET_TABLES") or paths.ROOT / "book" / "runs" / "csv")


def show(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Keep a table as CSV, and return it for display.

    Args:
        frame: The table.
        name: Name of the CSV file, without its suffix.

    Returns:
        The table with its first column in front, and the same number of decimals in all lines of a column. Figures
        such as `83.2 ± 1.1` do not break over two lines.
    """
    pd.set_option("display.max_colwidth", None)  # show notes to their end
    csv_folder().mkdir(parents=True, exist_ok=True)
    frame.to_csv(csv_folder() / f"{name}.csv", index=False)
    if not len(frame.columns):
        return frame
    first = frame.columns[0]
    shown = frame.astype(object).where(frame.notna(), "–")
    for column, values in frame.select_dtypes("float").items():
        digits = max((len(f"{v:.6f}".rstrip("0").partition(".")[2]) for v in values.dropna()), default=0)
        shown[column] = [f"{v:.{digits}f}" if v == v else "–" for v in values]
    shown = shown.map(lambda cell: _UNBROKEN.sub("\N{NO-BREAK SPACE}", cell) if isinstance(cell, str) else cell)
    return shown.set_index(first).rename_axis(index=None, columns=first)


def _is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True
