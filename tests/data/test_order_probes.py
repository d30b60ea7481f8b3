"""What a single frame, or frames without their order, tell about direction in the strict tier: nothing.

A probe is a ridge on pixels and on random convolutions, fitted to the training split within each pair of classes and
judged on the test split; the count of right answers over all pairs is compared with a coin's.
"""

import pytest
import torch

from ctnet.data.motionpairs import CLASSES, TIERS, pair
from ctnet.data.motionpairs.order_probes import PROBES, WITHOUT_ORDER, accuracy, neighbours

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
    return list(zip(draw("strict", "train", TRAIN), draw("strict", "test", TEST), strict=True))


@pytest.mark.parametrize("name", WITHOUT_ORDER)
def test_without_order_the_strict_tier_is_a_coin(strict, name):
    share, bound = accuracy(strict, PROBES[name])
    assert abs(share - 0.5) <= bound, f"{name}: {share:.3f}"


def test_with_order_the_same_probe_sees_direction(strict):
    share, bound = accuracy(strict, neighbours)
    assert share > 0.5 + 2 * bound


def test_the_probe_would_notice_a_telling_frame():
    """Where motion starts and ends in different places, the first frame gives the direction away."""
    data = list(zip(draw("state change", "train", TRAIN), draw("state change", "test", TEST), strict=True))
    share, bound = accuracy(data, PROBES["first frame"])
    assert share > 0.5 + 3 * bound
