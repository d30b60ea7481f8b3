"""Pictures of clips: their frames, what is sampled and cropped, channels as a grid, and the README's overview."""

import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from ctnet.book.plots import subplots
from ctnet.book.tables import label
from ctnet.experiments.records import recorded
from ctnet.paper import printed
from ctnet.paper.studies import study_of


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
    figure, axes = subplots(len(clips), 1, figsize=(height * frames + 2.2, height * len(clips)), squeeze=False)
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
    figure, axis = subplots(figsize=(9, 0.27 * len(lines) + 0.8))
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
    figure, axes = subplots(1, len(crops), figsize=(9, 2.6), squeeze=False)
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
    figure, axes = subplots(1, 3, figsize=(9, 3.4))
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


def overview(scale: str = "cpu", pair: Sequence[str] = ("red leads blue", "red lags blue")) -> Figure:
    """The picture of the README: two twin clips, and the accuracies of Table 2g within pairs of the strict tier.

    `python -c "from ctnet.book.pictures import overview; overview().savefig('book/static/overview.png')"` writes it.

    Args:
        scale: Scale of the clips and of the records.
        pair: Names of two classes that are twins.
    """
    from ctnet.data import VideoDataset, prepare

    size = prepare.DRAWN_SIZES[scale].size
    clips = VideoDataset(prepare.prepare("motionpairs", scale), "test", 8, size, train=False)
    names = clips.info.classes
    wanted = {label(row): study_of("2g").experiments(row, scale) for row in printed.rows_of("2g") if row.models}
    results = {name: recorded(made) for name, made in wanted.items() if made}
    figure = plt.figure(figsize=(11, 2.7))
    left, right = figure.subfigures(1, 2)
    for axis, name in zip(left.subplots(2, 1), pair, strict=True):
        clip = clips[names.index(name)][0][0]
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
