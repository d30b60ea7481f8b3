"""Figures of the book: clips as pictures, accuracies by tier, accuracy against operations."""

import io
import os
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ctnet.book.tables import label
from ctnet.experiments.records import Result, recorded
from ctnet.paper import costs, printed
from ctnet.paper.studies import study_of


def _subplots(rows: int = 1, columns: int = 1, **options):
    """`plt.subplots` in the style of the book."""
    sns.set_theme(style="whitegrid", context="notebook", palette="colorblind")
    return plt.subplots(rows, columns, **options)


def show_clips(clips: Sequence, titles: Sequence[str], height: float = 0.62):
    """Show clips, one in each line, their frames from left to right.

    Args:
        clips: Clips (3, T, H, W), uint8.
        titles: A title for each clip.
        height: Height of a frame in inches.

    Returns:
        A JPEG picture: noisy frames are several times larger as PNG.
    """
    from IPython.display import Image

    frames = clips[0].shape[1]
    figure, axes = _subplots(len(clips), 1, figsize=(height * frames + 2.2, height * len(clips)), squeeze=False)
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
    """Which frames of a video a network sees: a line for each clip of each way to sample, a dot for each frame.

    Args:
        total: Frames of the video.
        picks: Name of the way to sample -> the frame indices of each clip, below `total`.
    """
    lines = [
        (f"{name}, clip {i}" if len(clips) > 1 else name, clip, color)
        for color, (name, clips) in zip(sns.color_palette(), picks.items(), strict=False)
        for i, clip in enumerate(clips, start=1)
    ]
    figure, axis = _subplots(figsize=(9, 0.27 * len(lines) + 0.8))
    for y, (_, clip, color) in enumerate(lines):
        axis.scatter([int(t) for t in clip], [y] * len(clip), s=20, color=color)
    axis.set(xlim=(-1, total), xlabel=f"frame, of {total}", yticks=range(len(lines)))
    axis.set_yticklabels([name for name, _, _ in lines], fontsize=8)
    axis.invert_yaxis()
    figure.tight_layout()
    return figure


def boxes(frame, crops: Mapping[str, Sequence[tuple[int, int, int, int]]]):
    """A frame, once for each way to crop it, with the boxes that are cut out.

    Args:
        frame: (3, H, W), uint8.
        crops: Name of the way to crop -> its boxes (top, left, height, width), in pixels.
    """
    figure, axes = _subplots(1, len(crops), figsize=(9, 2.6), squeeze=False)
    for axis, (name, drawn) in zip(axes[0], crops.items(), strict=True):
        axis.imshow(np.asarray(frame.permute(1, 2, 0)))
        for (top, left, h, w), color in zip(drawn, sns.color_palette(n_colors=len(drawn)), strict=True):
            axis.add_patch(plt.Rectangle((left - 0.5, top - 0.5), w, h, fill=False, edgecolor=color, linewidth=2))
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=10)
    figure.tight_layout()
    return figure


def tensorization(sizes: tuple[int, int]):
    """Figure 1 for K = 2: the channels as a C_2 x C_1 grid, coloured by the groups that interact in one operation.

    Args:
        sizes: (C_1, C_2).
    """
    c1, c2 = sizes
    figure, axes = _subplots(1, 3, figsize=(9, 3.4))
    second, first = np.mgrid[:c2, :c1]
    pictures = (("after operation 1: C1 channels interact", second), ("operation 2 joins across", first))
    for axis, (title, groups) in zip(axes, (*pictures, ("after operation 2: all C channels", 0 * first)), strict=True):
        axis.imshow(groups, cmap="Spectral", vmin=0, vmax=max(sizes) - 1, alpha=0.55)  # numbers stay legible
        axis.set(title=title, xlabel=f"C1 = {c1} (last axis)", ylabel=f"C2 = {c2}", xticks=[], yticks=[])
        axis.title.set_fontsize(10)
        for i, j in np.ndindex(c2, c1):
            axis.text(j, i, i * c1 + j, ha="center", va="center", fontsize=5)
    figure.tight_layout()
    return figure


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
    figure, axis = _subplots(figsize=(9, 3.6))
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
    figure, axis = _subplots(figsize=(9, 3.2))
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
    figure, axis = _subplots(figsize=(8, 6.4))
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


def overview(scale: str = "cpu", pair: Sequence[str] = ("red leads blue", "red lags blue")) -> Figure:
    """The picture of the README: two twin clips, and the accuracies of Table 2g within pairs of the strict tier.

    `python -c "from ctnet.book.plots import overview; overview().savefig('book/static/overview.png')"` writes it.

    Args:
        scale: Scale of the clips and of the records.
        pair: Names of two classes that are twins.
    """
    from ctnet.data import VideoDataset, prepare

    size = prepare.DRAWN_SIZES[scale].size
    clips = VideoDataset(prepare.prepare("motionpairs", scale), "train", 8, size, train=False)
    names = clips.info.classes
    wanted = {label(row): study_of("2g").experiments(row, scale) for row in printed.rows_of("2g") if row.models}
    results = {name: recorded(made) for name, made in wanted.items() if made}
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
    axis.set_yticklabels(results, fontsize=8)
    axis.set_xlabel("clips told from their reversal (%); dotted: chance", fontsize=9)
    axis.invert_yaxis()
    return figure


def tradeoff(points: Sequence[tuple[str, tuple, tuple]], column: str, scale: str) -> Figure:
    """Accuracy against operations in two panels: the paper's networks, and the smaller ones that were trained here.

    Args:
        points: For each row its name, (GFLOPs, accuracy) of the paper's network, and (MFLOPs, accuracies of its seeds)
            of ours; None for an unknown value.
        column: Column of the paper's accuracies.
        scale: Scale of our accuracies.
    """
    figure, (left, right) = _subplots(1, 2, figsize=(9, 3.6))
    for name, (gflops, stated), (mflops, ours) in points:
        left.scatter(gflops, stated if stated is not None else np.nan, s=50, label=name)
        dots = right.scatter([mflops or np.nan] * max(len(ours), 1), ours or [np.nan], s=16, alpha=0.6)
        if ours:
            right.scatter(mflops, np.mean(ours), s=60, marker="D", color=dots.get_facecolor())
    left.set(title=f"paper: {column}, as printed", xlabel="GFLOPs of the paper's network", ylabel="accuracy (%)")
    right.set(title=f"here, at the {scale} scale", xlabel="MFLOPs of the network trained here", ylabel="accuracy (%)")
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=8)
    figure.tight_layout(rect=(0, 0.16, 1, 1))
    return figure


def history(results: Mapping[str, Result]) -> Figure:
    """Training loss and accuracy by epoch, a line for each record.

    Args:
        results: Name -> record.
    """
    figure, axes = _subplots(1, 2, figsize=(9, 3))
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
