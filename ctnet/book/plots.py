"""Figures of the book: clips as pictures, accuracies by tier, accuracy against GFLOPs."""

import io
import os
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ctnet.book.tables import TIERS, label
from ctnet.experiments.records import Result
from ctnet.paper import costs, printed
from ctnet.paper.evidence import headline

sns.set_theme(style="whitegrid", context="notebook", palette="colorblind")


def show_clips(clips: Sequence, titles: Sequence[str], height: float = 0.62):
    """Clips (3, T, H, W) uint8, one a line, their frames from left to right; as JPEG, which noisy frames need."""
    from IPython.display import Image

    frames = clips[0].shape[1]
    figure, axes = plt.subplots(len(clips), 1, figsize=(height * frames + 2.2, height * len(clips)), squeeze=False)
    for axis, clip, title in zip(axes[:, 0], clips, titles, strict=True):
        axis.imshow(np.concatenate(list(np.asarray(clip.permute(1, 2, 3, 0))), axis=1))
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
        axis.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
    figure.tight_layout(pad=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, format="jpeg", dpi=110, bbox_inches="tight", pil_kwargs={"quality": 80})
    plt.close(figure)
    return Image(picture.getvalue(), format="jpeg", alt=f"frames of {', '.join(titles)}")


def picked_frames(total: int, picks: Mapping[str, Sequence[Sequence[int]]]):
    """Which frames of a video a network sees, dots over the video's frames: a line for each clip of each way to sample.

    picks: name of the way -> the indices of each clip, below `total`.
    """
    lines = [
        (f"{name}, clip {i}" if len(clips) > 1 else name, clip, color)
        for color, (name, clips) in zip(sns.color_palette(), picks.items(), strict=False)
        for i, clip in enumerate(clips, start=1)
    ]
    figure, axis = plt.subplots(figsize=(9, 0.27 * len(lines) + 0.8))
    for y, (_, clip, color) in enumerate(lines):
        axis.scatter([int(t) for t in clip], [y] * len(clip), s=20, color=color)
    axis.set(xlim=(-1, total), xlabel=f"frame, of {total}", yticks=range(len(lines)))
    axis.set_yticklabels([name for name, _, _ in lines], fontsize=8)
    axis.invert_yaxis()
    figure.tight_layout()
    return figure


def boxes(frame, crops: Mapping[str, Sequence[tuple[int, int, int, int]]]):
    """A frame, once for each way to crop, with the boxes that are cut out drawn in.

    frame: (3, H, W) uint8 · crops: name of the way -> its boxes (top, left, height, width).
    """
    figure, axes = plt.subplots(1, len(crops), figsize=(9, 2.6), squeeze=False)
    for axis, (name, drawn) in zip(axes[0], crops.items(), strict=True):
        axis.imshow(np.asarray(frame.permute(1, 2, 0)))
        for (top, left, h, w), color in zip(drawn, sns.color_palette(n_colors=len(drawn)), strict=True):
            axis.add_patch(plt.Rectangle((left - 0.5, top - 0.5), w, h, fill=False, edgecolor=color, linewidth=2))
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=10)
    figure.tight_layout()
    return figure


def tensorization(sizes: tuple[int, int]):
    """Figure 1 for K = 2: the channels as a C_2 x C_1 grid; a colour is a group of channels that one operation lets
    interact."""
    c1, c2 = sizes
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.4))
    second, first = np.mgrid[:c2, :c1]
    pictures = (("after operation 1: C1 channels interact", second), ("operation 2 joins across", first))
    for axis, (title, groups) in zip(axes, (*pictures, ("after operation 2: all C channels", 0 * first)), strict=True):
        axis.imshow(groups, cmap="Spectral", vmin=0, vmax=max(sizes) - 1, alpha=0.55)  # numbers stay legible
        axis.set(title=title, xlabel=f"C1 = {c1}, fastest", ylabel=f"C2 = {c2}", xticks=[], yticks=[])
        axis.title.set_fontsize(10)
        for i, j in np.ndindex(c2, c1):
            axis.text(j, i, i * c1 + j, ha="center", va="center", fontsize=5)
    figure.tight_layout()
    return figure


def tiers(table: str, results: dict[str, list[Result]]):
    """Accuracy of each row on each tier (on all clips of a set without tiers): a bar for the mean, a point for each
    seed."""
    lines = [
        {"row": label(printed.row(f"{table}/{name}")), "tier": tier, "accuracy": accuracy}
        for name, runs in results.items()
        for r in runs
        for tier, accuracy in r.metrics.get("tiers", {"all": r.metrics["top1"]}).items()
    ]
    figure, axis = plt.subplots(figsize=(9, 3.6))
    if not lines:
        return not_measured(axis)
    frame = pd.DataFrame(lines)
    order = [t for t in (*TIERS, "all") if t in set(frame.tier)]
    keys = {"x": "tier", "y": "accuracy", "hue": "row", "order": order, "ax": axis}
    sns.barplot(frame, **keys, errorbar=None, alpha=0.75)
    sns.stripplot(frame, **keys, dodge=True, legend=False, size=4, edgecolor="black", linewidth=0.5)
    axis.set(xlabel="", ylabel="accuracy (%)", ylim=(0, 100))
    sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1), title="", fontsize=8)
    figure.tight_layout()
    return figure


def in_order_and_shuffled(results: dict[str, list[Result]]):
    """Top-1 of each network on test clips as they are and with their frames shuffled; a point for each seed."""
    lines = [
        {"network": model, "frames": frames, "top-1": r.metric(metric)}
        for model, runs in results.items()
        for r in runs
        for frames, metric in (("in order", "top1"), ("shuffled", "shuffled.top1"))
    ]
    figure, axis = plt.subplots(figsize=(9, 3.2))
    if not lines:
        return not_measured(axis)
    keys = {"data": pd.DataFrame(lines), "x": "network", "y": "top-1", "hue": "frames", "ax": axis}
    sns.barplot(**keys, errorbar=None, alpha=0.75)
    sns.stripplot(**keys, dodge=True, legend=False, size=4, edgecolor="black", linewidth=0.5)
    axis.set(xlabel="", ylabel="top-1 (%)", ylim=(0, 100))
    sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1), title="")
    figure.tight_layout()
    return figure


def confusion(runs: Sequence[Result]):
    """Which class (line) is taken for which (column): shares of a line in per cent, summed over seeds."""
    figure, axis = plt.subplots(figsize=(8, 6.4))
    if not runs:
        return not_measured(axis)
    names = runs[0].record["data"]["classes"]
    counts = np.zeros((len(names), len(names)))
    for r in runs:
        np.add.at(counts, (r.record["labels"], r.record["predictions"]), 1)
    shares = 100 * counts / counts.sum(1, keepdims=True).clip(min=1)
    axes = {"xticklabels": names, "yticklabels": names}
    sns.heatmap(shares, ax=axis, cmap="Blues", annot=len(names) <= 16, fmt=".0f", annot_kws={"size": 7}, **axes)
    axis.set(xlabel="taken for", ylabel="is")
    axis.tick_params(labelsize=8)
    figure.tight_layout()
    return figure


def not_measured(axis):
    """Its figure, which says that there is nothing to show."""
    axis.text(0.5, 0.5, "not yet measured at this scale", ha="center", transform=axis.transAxes)
    return axis.figure


def overview(scale: str = "cpu", pair: Sequence[str] = ("red leads blue", "red lags blue")):
    """The picture of the README: two twin clips, and Table 2g's accuracies within pairs of the strict tier.

    `python -c "from ctnet.plots import overview; overview().savefig('book/static/overview.png')"`
    """
    from ctnet.book.report import measure
    from ctnet.data import VideoDataset, prepare

    size = prepare.DRAWN_SIZES[scale].size
    clips = VideoDataset(prepare.prepare("motionpairs", scale), "train", 8, size, train=False)
    names = clips.info.classes
    results = measure("2g", scale)
    figure = plt.figure(figsize=(11, 2.7))
    left, right = figure.subfigures(1, 2)
    for axis, name in zip(left.subplots(2, 1), pair, strict=True):
        clip = clips[len(names) + names.index(name)][0][0]
        axis.imshow(np.concatenate(list(np.asarray(clip.permute(1, 2, 3, 0))), axis=1))
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=10, loc="left")
    axis = right.subplots()
    right.subplots_adjust(left=0.36, bottom=0.22)
    for y, runs in enumerate(results.values()):
        values = [r.metric("pairs.strict") for r in runs]
        axis.barh(y, np.mean(values), alpha=0.75, color=sns.color_palette()[y])
        axis.scatter(values, [y] * len(values), color="black", s=8, zorder=3)
    axis.axvline(50, color="black", linestyle=":")
    axis.set(yticks=range(len(results)), xlim=(0, 100))
    axis.set_yticklabels([label(printed.row(f"2g/{name}")) for name in results], fontsize=8)
    axis.set_xlabel("which of two twins is it? (%; dotted: chance)", fontsize=9)
    axis.invert_yaxis()
    return figure


def accuracy_cost(table: str, results: dict[str, list[Result]]):
    """Accuracy against GFLOPs in two panels: the paper's top-1, and our accuracy, mean and seeds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True)
    for name, runs in results.items():
        row = printed.row(f"{table}/{name}")
        gflops = costs.row_cost(row).gflops
        left.scatter(float(row.printed["gflops"]), row.paper["top1"], s=50, label=label(row))
        ours = [r.metric(headline(runs)) for r in runs]
        points = right.scatter([gflops] * len(runs), ours, s=16, alpha=0.6)
        if runs:
            right.scatter(gflops, np.mean(ours), s=60, marker="D", color=points.get_facecolor())
    left.set(title="paper: Something-Something V1", xlabel="GFLOPs", ylabel="top-1 (%)")
    right.set(title="ours: strict tier of MotionPairs", xlabel="GFLOPs at full width", ylabel="accuracy (%)")
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=8)
    figure.tight_layout(rect=(0, 0.16, 1, 1))
    return figure


def history(results: dict[str, Result]):
    """Training loss and accuracy by epoch, a line for each result."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3))
    for name, result in results.items():
        epochs = result.record["training"]["epochs"]
        for axis, key, factor in zip(axes, ("loss", "accuracy"), (1, 100), strict=True):
            axis.plot(range(1, len(epochs) + 1), [factor * e[key] for e in epochs], marker="o", ms=3, label=name)
            axis.set(xlabel="epoch", ylabel=f"training {key}" + (" (%)" if factor > 1 else ""))
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    return figure


def kinetics():
    """Figure 5, interactive: top-1 on Kinetics-400 against GFLOPs of one view, as printed in Table 4; our count of our
    rows beside it."""
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
    """Shows a plotly figure in JupyterLab, and offline in the book, where plotly.js lies once in `_static`."""
    from IPython.display import HTML

    source = "../_static/plotly.min.js" if os.environ.get("CTNET_BOOK") else True
    return HTML(figure.to_html(full_html=False, include_plotlyjs=source, div_id=name))
