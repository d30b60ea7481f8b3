"""What frames tell about direction without a trained network: a ridge regression within each pair of classes."""

import torch
from torch import Tensor
from torch.nn import functional as F


def look(images: Tensor) -> Tensor:
    """(N, C, H, W) -> features: coarse pixels, and rectified random convolutions pooled over quarters."""
    images = images.float() / 255 - 0.5
    filters = torch.randn(96, images.shape[1], 5, 5, generator=torch.Generator().manual_seed(0))
    maps = F.conv2d(images, filters - filters.mean((2, 3), keepdim=True)).relu()
    pixels, maps = F.adaptive_avg_pool2d(images, 8), F.adaptive_avg_pool2d(maps, 2)
    return torch.cat([pixels.flatten(1), maps.flatten(1)], 1)


def over_time(frames: Tensor) -> Tensor:
    """The mean of `look` over (N, T, C, H, W)."""
    return look(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).mean(1)


def shuffled(clips: Tensor) -> Tensor:
    """(N, T, C, H, W) with the frames of each clip in an order of its own."""
    generator = torch.Generator().manual_seed(int(clips[0].sum()) % 1000)
    order = torch.rand(clips.shape[:2], generator=generator).argsort(1)
    return torch.stack([clip[o] for clip, o in zip(clips, order, strict=True)])


def neighbours(clips: Tensor) -> Tensor:
    """Each frame with the next one: order as a network sees it."""
    return over_time(torch.cat([clips[:, :-1], clips[:, 1:]], 2))


WITHOUT_ORDER = {
    "first frame": lambda clips: look(clips[:, 0]),
    "second frame": lambda clips: look(clips[:, 1]),
    "one random frame": lambda clips: look(shuffled(clips)[:, 0]),
    "bag of frames": over_time,
    "shuffled frames": lambda clips: neighbours(shuffled(clips)),
}
PROBES = WITHOUT_ORDER | {"frames in order": neighbours}


def ridge(train: Tensor, labels: Tensor, test: Tensor, penalty: float) -> Tensor:
    """Classes of the test rows by a ridge regression on one-hot labels, in its dual form; features standardised."""
    train, test = train.double(), test.double()
    mean, std = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / std, (test - mean) / std
    kernel = train @ train.T / train.shape[1]
    kernel.diagonal().add_(penalty)
    onehot = F.one_hot(labels).double()
    onehot -= onehot.mean(0)
    return (test @ (train.T @ torch.linalg.solve(kernel, onehot))).argmax(1)


def judge(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> int:
    """Right answers on the test twins of a ridge fitted to the features (N, D) of (first, second) training twins."""
    labels, truth = (torch.arange(2).repeat_interleave(len(twins[0])) for twins in (train, test))
    return int((ridge(torch.cat(train), labels, torch.cat(test), penalty=0.3) == truth).sum())


def accuracy(pairs, features) -> tuple[float, float]:
    """(share right, 3 sigma of a coin) over pairs of classes; pairs: [(train clips, test clips)] of the first class of
    each, (N, T, C, H, W); the second class is their reversal.

    The two twins of a pair are not independent, so a pair counts as one throw: sigma is not made too small.
    """
    right = total = 0
    for train, test in pairs:
        right += judge(*(tuple(features(c) for c in (clips, clips.flip(1))) for clips in (train, test)))
        total += 2 * len(test)
    return right / total, 1.5 / (total / 2) ** 0.5


def clips_of(dataset, label: int) -> Tensor:
    """All clips of a class of a test-mode VideoDataset, (N, T, C, H, W)."""
    chosen = [i for i, k in enumerate(dataset.manifest.labels) if k == label]
    return torch.stack([dataset[i][0][0] for i in chosen]).transpose(1, 2)


def table(train, test):
    """Accuracy within pairs, in per cent, of each probe on each tier that has pairs; DataFrame.

    train, test: the splits as VideoDataset with train=False.
    """
    import pandas as pd

    info, lines = train.info, []
    firsts = [c for c, partner in enumerate(info.reverse) if partner not in (None, c) and c < partner]
    pairs = {c: (clips_of(train, c), clips_of(test, c)) for c in firsts}
    tiers = dict.fromkeys(info.tiers[c] for c in firsts)
    for name, features in PROBES.items():
        line = {"a ridge regression on": name}
        for tier in tiers:
            share, bound = accuracy([pairs[c] for c in firsts if info.tiers[c] == tier], features)
            line |= {tier: round(100 * share, 1), f"{tier}, 3 sigma": f"± {100 * bound:.1f}"}
        lines.append(line)
    return pd.DataFrame(lines)
