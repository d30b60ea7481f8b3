"""What a single frame, or frames without their order, tell about direction in the strict tier: nothing.

A probe is a ridge on pixels and on random convolutions, fitted to the training split within each pair of classes and
judged on the test split; the count of right answers over all pairs is compared with a coin's.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ctnet.data.motionpairs import CLASSES, TIERS, pair

SIZE, FRAMES, TRAIN, TEST = 24, 6, 100, 60


def draw(tier: str, split: str, count: int) -> list[torch.Tensor]:
    """For each pair of classes its clips (count, T, 3, H, W), the first twin of each."""
    firsts = [label for label in range(0, len(CLASSES), 2) if TIERS[label] == tier]
    return [
        torch.stack([torch.from_numpy(pair(split, 0, label + 44 * n, SIZE, FRAMES)) for n in range(count)]).permute(
            0, 1, 4, 2, 3
        )
        for label in firsts
    ]


@pytest.fixture(scope="module")
def strict():
    return draw("strict", "train", TRAIN), draw("strict", "test", TEST)


def look(images: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> features: coarse pixels, and rectified random convolutions pooled over quarters."""
    images = images.float() / 255 - 0.5
    filters = torch.randn(96, images.shape[1], 5, 5, generator=torch.Generator().manual_seed(0))
    maps = F.conv2d(images, filters - filters.mean((2, 3), keepdim=True)).relu()
    return torch.cat([F.adaptive_avg_pool2d(images, 8).flatten(1), F.adaptive_avg_pool2d(maps, 2).flatten(1)], 1)


def fit_and_judge(train: tuple, test: tuple) -> int:
    """Right answers of a ridge fitted to (first, second) twins' features, on the test twins."""
    x, z = torch.cat(train).double(), torch.cat(test).double()
    y = torch.cat([torch.ones(len(train[0])), -torch.ones(len(train[1]))]).double()
    mean, std = x.mean(0), x.std(0) + 1e-6
    x, z = (x - mean) / std, (z - mean) / std
    kernel = x @ x.T / x.shape[1]
    weight = torch.linalg.solve(kernel + 0.3 * torch.eye(len(x), dtype=torch.float64), y)
    score = z @ x.T @ weight
    n = len(test[0])
    return int((score[:n] > 0).sum() + (score[n:] <= 0).sum())


def accuracy(data, features) -> tuple[float, float]:
    """(share right, 3 sigma of a coin) over all pairs; features: clips -> (N, D), given the clips and their reversal.

    The two twins of a pair are not independent, so a pair counts as one throw: sigma is not made too small.
    """
    right = total = 0
    for train, test in zip(*data, strict=True):
        right += fit_and_judge((features(train), features(train.flip(1))), (features(test), features(test.flip(1))))
        total += 2 * len(test)
    return right / total, 1.5 / np.sqrt(total / 2)


def shuffled(clips: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(int(clips[0].sum()) % 1000)
    order = torch.rand(clips.shape[:2], generator=generator).argsort(1)
    return torch.stack([clip[o] for clip, o in zip(clips, order, strict=True)])


def one_random_frame(clips: torch.Tensor) -> torch.Tensor:
    return look(shuffled(clips)[:, 0])


def neighbours(clips: torch.Tensor) -> torch.Tensor:
    """Pairs of frames that follow each other: order as a network sees it."""
    return look(torch.cat([clips[:, :-1], clips[:, 1:]], 2).flatten(0, 1)).unflatten(0, (len(clips), -1)).mean(1)


PROBES = {
    "first frame": lambda clips: look(clips[:, 0]),
    "second frame": lambda clips: look(clips[:, 1]),
    "one random frame": one_random_frame,
    "bag of frames": lambda clips: look(clips.flatten(0, 1)).unflatten(0, (len(clips), -1)).mean(1),
    "shuffled frames": lambda clips: neighbours(shuffled(clips)),
}


@pytest.mark.parametrize("name", PROBES)
def test_without_order_the_strict_tier_is_a_coin(strict, name):
    share, bound = accuracy(strict, PROBES[name])
    assert abs(share - 0.5) <= bound, f"{name}: {share:.3f}"


def test_with_order_the_same_probe_sees_direction(strict):
    share, bound = accuracy(strict, neighbours)
    assert share > 0.5 + 2 * bound


def test_the_probe_would_notice_a_telling_frame():
    """Where motion starts and ends in different places, the first frame gives the direction away."""
    data = draw("state change", "train", TRAIN), draw("state change", "test", TEST)
    share, bound = accuracy(data, PROBES["first frame"])
    assert share > 0.5 + 3 * bound
