"""Plots of records: accuracies by tier and by noise, how soon networks learn, accuracy against operations."""

import os
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import ticker
from matplotlib.figure import Figure

from ctnet.experiments.records import Result, validated
from ctnet.paper import costs, printed


def subplots(rows: int = 1, columns: int = 1, **options):
    """`plt.subplots` in the style of the book."""
    sns.set_theme(style="whitegrid", context="notebook", palette="colorblind")
    return plt.subplots(rows, columns, **options)


def tiers(results: Mapping[str, Sequence[Result]]) -> Figure:
    """Accuracy of each row on each tier: a bar for the mean, a point for each seed.

    A data set without tiers has one group of bars, for all clips.

    Args:
        results: Name of a row -> its records.
    """
    lines = [
        {"row": name, "tier": tier, "accuracy": accuracy}
        for name, runs in results.items()
        for r in runs
        for tier, accuracy in r.metrics.get("tiers", {"all": r.metrics["top1"]}).items()
    ]
    figure, axis = subplots(figsize=(9, 3.6))
    if not lines:
        return not_measured(axis)
    frame = pd.DataFrame(lines)
    keys = {"x": "tier", "y": "accuracy", "hue": "row", "order": list(dict.fromkeys(frame.tier)), "ax": axis}
    sns.barplot(frame, **keys, errorbar=None, alpha=0.75)
    sns.stripplot(frame, **keys, dodge=True, legend=False, size=4, edgecolor="black", linewidth=0.5)
    axis.set(xlabel="", ylabel="accuracy (%)", ylim=(0, 100))
    sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1), title="", fontsize=8)
    figure.tight_layout()
    return figure


def curve(results: Mapping[str, Sequence[Result]], tier: str = "strict") -> Figure:
    """Accuracy of each row on a tier against the noise of the test clips: the mean over seeds, and a point for each.

    Args:
        results: Name of a row -> its records on a test split with levels of noise.
        tier: Name of the tier.
    """
    figure, axis = subplots(figsize=(9, 3.8))
    measured = {name: runs for name, runs in results.items() if runs and "conditions" in runs[0].metrics}
    if not measured:
        return not_measured(axis)
    for (name, runs), color in zip(measured.items(), sns.color_palette(n_colors=len(measured)), strict=True):
        levels = list(runs[0].metrics["conditions"])
        each = np.array([[r.metrics["conditions"][level]["tiers"][tier] for level in levels] for r in runs])
        noise = [float(level) for level in levels]
        axis.plot(noise, each.mean(0), color=color, label=name)
        axis.scatter(np.tile(noise, len(runs)), each.ravel(), s=9, color=color, alpha=0.6)
    axis.set(xlabel="standard deviation of the noise", ylabel=f"accuracy on the {tier} tier (%)", ylim=(0, 100))
    axis.legend(fontsize=8)
    figure.tight_layout()
    return figure


def learning(results: Mapping[str, Sequence[Result]]) -> Figure:
    """How soon each row learns the pairs of the strict tier: told from their reversal, against training clips seen.

    Clips of the validation split that are no noisier than the training clips; a line for each seed.

    Args:
        results: Name of a row -> its records.
    """
    figure, axis = subplots(figsize=(9, 3.4))
    drawn = {name: [course for r in runs if (course := validated(r))] for name, runs in results.items()}
    drawn = {name: courses for name, courses in drawn.items() if courses}
    if not drawn:
        return not_measured(axis)
    for (name, courses), color in zip(drawn.items(), sns.color_palette(n_colors=len(drawn)), strict=True):
        for k, course in enumerate(courses):
            seen, pairs = zip(*course, strict=True)
            means = [np.mean(list(found.values())) for found in pairs]
            axis.plot(seen, means, color=color, lw=1, marker=".", label=name if k == 0 else None)
    axis.axhline(50, color="black", linestyle=":")
    axis.set(xlabel="training clips seen", ylabel="told from their reversal (%)", ylim=(40, 100))
    axis.legend(fontsize=8)
    figure.tight_layout()
    return figure


def in_order_and_shuffled(results: Mapping[str, Sequence[Result]]) -> Figure:
    """Top-1 of each network on test clips in order and with shuffled frames: a bar for the mean, a point for each seed.

    Args:
        results: Network -> its records.
    """
    lines = [
        {"network": model, "frames": frames, "top-1": r.metric(metric)}
        for model, runs in results.items()
        for r in runs
        for frames, metric in (("in order", "top1"), ("shuffled", "shuffled.top1"))
    ]
    figure, axis = subplots(figsize=(9, 3.2))
    if not lines:
        return not_measured(axis)
    keys = {"data": pd.DataFrame(lines), "x": "network", "y": "top-1", "hue": "frames", "ax": axis}
    sns.barplot(**keys, errorbar=None, alpha=0.75)
    sns.stripplot(**keys, dodge=True, legend=False, size=4, edgecolor="black", linewidth=0.5)
    axis.set(xlabel="", ylabel="top-1 (%)", ylim=(0, 100))
    sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1), title="")
    figure.tight_layout()
    return figure


def confusion(runs: Sequence[Result]) -> Figure:
    """Confusion matrix, summed over seeds: for each true class (line) the predicted classes (columns), in per cent.

    Args:
        runs: Records of one network on one data set, one for each seed.
    """
    figure, axis = subplots(figsize=(8, 6.4))
    if not runs:
        return not_measured(axis)
    names = runs[0].record["data"]["classes"]
    counts = np.zeros((len(names), len(names)))
    for r in runs:
        np.add.at(counts, (r.record["labels"], r.record["predictions"]), 1)
    shares = 100 * counts / counts.sum(1, keepdims=True).clip(min=1)
    axes = {"xticklabels": names, "yticklabels": names}
    sns.heatmap(shares, ax=axis, cmap="Blues", annot=len(names) <= 16, fmt=".0f", annot_kws={"size": 7}, **axes)
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.tick_params(labelsize=8)
    figure.tight_layout()
    return figure


def not_measured(axis) -> Figure:
    """Write on an axis that nothing is recorded yet, and return its figure."""
    axis.text(0.5, 0.5, "not yet measured at this scale", ha="center", transform=axis.transAxes)
    return axis.figure


def tradeoff(points: Sequence[tuple[str, tuple, tuple]], column: str, scale: str) -> Figure:
    """Accuracy against operations in two panels: the paper's networks, and the smaller ones that were trained here.

    Args:
        points: For each row its name, (GFLOPs, accuracy) of the paper's network, and (MFLOPs, accuracies of its seeds)
            of ours; None for an unknown value.
        column: Column of the paper's accuracies.
        scale: Scale of our accuracies.
    """
    below = 0.25 + 0.2 * -(-len(points) // 3)  # inches for the legend
    figure, (left, right) = subplots(1, 2, figsize=(9, 3 + below))
    for k, (name, (gflops, stated), (mflops, ours)) in enumerate(points):
        marker = "osv^"[k // 10 % 4]  # there are ten colours
        left.scatter(gflops, stated if stated is not None else np.nan, s=50, marker=marker, label=name)
        dots = right.scatter([mflops or np.nan] * max(len(ours), 1), ours or [np.nan], s=16, marker=marker, alpha=0.6)
        if ours:
            right.scatter(mflops, np.mean(ours), s=60, marker="D", color=dots.get_facecolor())
    for axis, drawn in ((left, [p[0] for _, p, _ in points]), (right, [p[0] for _, _, p in points if p[0] and p[1]])):
        if not drawn or max(drawn) < 10 * min(drawn):
            continue
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ticker.ScalarFormatter())
        axis.xaxis.set_minor_locator(ticker.NullLocator())
    left.set(title=f"paper: {column}, as printed", xlabel="GFLOPs of the paper's network", ylabel="accuracy (%)")
    right.set(title=f"here, at the {scale} scale", xlabel="MFLOPs of the network trained here", ylabel="accuracy (%)")
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=8)
    figure.tight_layout(rect=(0, below / (3 + below), 1, 1))
    return figure


def history(results: Mapping[str, Result]) -> Figure:
    """Training loss and accuracy by epoch, a line for each record.

    Args:
        results: Name -> record.
    """
    figure, axes = subplots(1, 2, figsize=(9, 3))
    for name, result in results.items():
        epochs = result.record["training"]["epochs"]
        for axis, key, factor in zip(axes, ("loss", "accuracy"), (1, 100), strict=True):
            axis.plot(range(1, len(epochs) + 1), [factor * e[key] for e in epochs], marker="o", ms=3, label=name)
            axis.set(xlabel="epoch", ylabel=f"training {key}" + (" (%)" if factor > 1 else ""))
    if results:
        axes[0].legend(fontsize=8)
    figure.tight_layout()
    return figure


def kinetics():
    """Figure 5, interactive: top-1 on Kinetics-400 against GFLOPs of one view, as printed in Table 4.

    Open circles are our count of the authors' networks.

    Returns:
        A plotly figure.
    """
    import plotly.graph_objects as go

    frame = printed.table("4").dropna(subset=["gflops_view", "top1"])
    figure = go.Figure()
    for ours, part in frame.groupby(frame["model"].ne("")):
        name = "CT-Net" if ours else "others"
        text = part.method + ", " + part.backbone.replace("", "–")
        figure.add_scatter(
            x=part.gflops_view, y=part.top1, text=text, name=name, mode="markers", marker_size=13 if ours else 9
        )
    rows = [r for r in printed.rows() if r.table == "4" and r.models]
    views = [costs.row_cost(r).gflops / r.protocols[0].views for r in rows]
    figure.add_scatter(
        x=views, y=[r.paper["top1"] for r in rows], text=[r.method for r in rows], name="CT-Net, our count",
        mode="markers", marker={"size": 17, "symbol": "circle-open"},
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "GFLOPs of one view (logarithmic)", "type": "log", "tickvals": [20, 50, 100, 200, 400]},
        yaxis_title="top-1 on Kinetics-400 (%)", template="plotly_white", height=460, margin={"t": 20},
        legend={"orientation": "h", "y": 1.05},
    )  # fmt: skip
    return figure


def interactive(figure, name: str):
    """Show a plotly figure in JupyterLab, and offline in the book, where plotly.js lies once in `_static`.

    Args:
        figure: A plotly figure.
        name: Id of its HTML element, unique in the page.
    """
    from IPython.display import HTML

    source = "../_static/plotly.min.js" if os.environ.get("CTNET_BOOK") else True
    return HTML(figure.to_html(full_html=False, include_plotlyjs=source, div_id=name))
