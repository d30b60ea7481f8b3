"""Order probes: what frames say about direction without a trained network, by ridge regression within each class pair.

`ridge` also serves the linear probes of whole sets in `ctnet.experiments.probes`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def _features(images: Tensor) -> Tensor:
    """Map images (N, C, H, W) to features (N, D): coarse pixels, and random convolutions pooled over quarters."""
    images = images.float() / 255 - 0.5
    filters = torch.randn(96, images.shape[1], 5, 5, generator=torch.Generator().manual_seed(0))
    maps = F.conv2d(images, filters - filters.mean((2, 3), keepdim=True)).relu()
    pixels, maps = F.adaptive_avg_pool2d(images, 8), F.adaptive_avg_pool2d(maps, 2)
    return torch.cat([pixels.flatten(1), maps.flatten(1)], 1)


def _pixels(clips: Tensor) -> Tensor:
    """Map clips (N, T, C, H, W) to coarse pixels of every frame (N, T, C * 64)."""
    return F.adaptive_avg_pool2d(clips.flatten(0, 1).float() / 255, 8).flatten(1).unflatten(0, clips.shape[:2])


def _mean_over_time(frames: Tensor) -> Tensor:
    """Return the mean features (N, D) of the frames (N, T, C, H, W)."""
    return _features(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).mean(1)


def _shuffled(clips: Tensor) -> Tensor:
    """Return clips (N, T, C, H, W) with the frames of each in a random order of its own."""
    generator = torch.Generator().manual_seed(int(clips[0].sum()) % 1000)
    order = torch.rand(clips.shape[:2], generator=generator).argsort(1)
    return torch.stack([clip[o] for clip, o in zip(clips, order, strict=True)])


def neighbours(clips: Tensor) -> Tensor:
    """Return features (N, D) of clips (N, T, C, H, W) that show order: each frame together with the next one."""
    return _mean_over_time(torch.cat([clips[:, :-1], clips[:, 1:]], 2))


WITHOUT_ORDER = {
    "first frame": lambda clips: _features(clips[:, 0]),
    "second frame": lambda clips: _features(clips[:, 1]),
    "one random frame": lambda clips: _features(_shuffled(clips)[:, 0]),
    "bag of frames": _mean_over_time,
    "shuffled frames": lambda clips: neighbours(_shuffled(clips)),
}
WITH_ORDER = {"each frame and the next": neighbours, "all frames in order": lambda clips: _pixels(clips).flatten(1)}
PROBES = WITHOUT_ORDER | WITH_ORDER
FITTED = 100  # training clips of a class that a probe is fitted to in `table`


def ridge(train: Tensor, labels: Tensor, test: Tensor, penalty: float) -> Tensor:
    """Classify by ridge regression on one-hot labels, solved in its dual form.

    Args:
        train: Training features (N, D); they are standardised here.
        labels: Their labels (N,), int64.
        test: Test features (M, D).
        penalty: Added to the diagonal of the kernel X X^T / D.

    Returns:
        Predicted labels (M,), int64.
    """
    train, test = train.double(), test.double()
    mean, std = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / std, (test - mean) / std
    kernel = train @ train.T / train.shape[1]
    kernel.diagonal().add_(penalty)
    onehot = F.one_hot(labels).double()
    onehot -= onehot.mean(0)
    return (test @ (train.T @ torch.linalg.solve(kernel, onehot))).argmax(1)


def accuracy(pairs: Sequence[tuple[Tensor, Tensor]], features: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Measure how well features tell a clip from its reversal.

    Args:
        pairs: For each pair of classes, the training and the test clips (N, T, C, H, W) of its first class. The clips
            of the second class are their reversals.
        features: One of `PROBES`.

    Returns:
        The share of right answers on the test clips, and three standard deviations of guessing. The two twins of a pair
        are not independent, so a pair counts as one coin toss; otherwise the deviation would be too small.
    """
    right = total = 0
    for train, test in pairs:
        (fitted, labels), (judged, truth) = (_with_reversals(clips, features) for clips in (train, test))
        right += int((ridge(fitted, labels, judged, penalty=0.3) == truth).sum())
        total += len(truth)
    return right / total, 1.5 / (total / 2) ** 0.5


def _with_reversals(clips: Tensor, features: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return features and labels of the clips (label 0) and of their reversals (label 1)."""
    return torch.cat([features(clips), features(clips.flip(1))]), torch.arange(2).repeat_interleave(len(clips))


def _clips_of(dataset, label: int, condition: str | None = None, most: int | None = None) -> Tensor:
    """Return clips of one class of a VideoDataset in test mode, (N, T, C, H, W)."""
    known = dataset.manifest.conditions or [None] * len(dataset)
    rows = zip(dataset.manifest.labels.tolist(), known, strict=True)
    chosen = [i for i, (k, c) in enumerate(rows) if k == label and condition in (None, c)][:most]
    return torch.stack([dataset[i][0][0] for i in chosen]).transpose(1, 2)


def table(train, test):
    """Tabulate the accuracy of each probe within class pairs, in per cent.

    Args:
        train: The training split of MotionPairs, as a VideoDataset with train=False.
        test: The test split, likewise.

    Returns:
        A pandas DataFrame with one row per probe: its accuracy on each tier that has pairs, and on the strict tier at
        each level of noise, all with three standard deviations of guessing.
    """
    import pandas as pd

    info = train.info
    firsts = [c for c, partner in enumerate(info.reverse) if partner not in (None, c) and c < partner]
    columns = {tier: (tier, None) for tier in dict.fromkeys(info.tiers[c] for c in firsts)}
    columns |= {f"strict, noise {level}": ("strict", level) for level in dict.fromkeys(test.manifest.conditions or ())}
    fitted = {c: _clips_of(train, c, most=FITTED) for c in firsts}
    lines = [{"a ridge regression on": name} for name in PROBES]
    for column, (tier, level) in columns.items():
        pairs = [(fitted[c], _clips_of(test, c, level)) for c in firsts if info.tiers[c] == tier]
        for line, features in zip(lines, PROBES.values(), strict=True):
            share, bound = accuracy(pairs, features)
            line[column] = f"{100 * share:.1f} (50 ± {100 * bound:.1f})"
    return pd.DataFrame(lines)
