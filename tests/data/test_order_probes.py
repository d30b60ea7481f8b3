"""In the strict tier, neither a single frame nor frames without their order tell the direction of motion.

Each probe is fitted to the training split and judged on the test split, within each pair of classes. Its right answers
over all pairs are compared with guessing.
"""

import pytest
import torch

from ctnet.data.motionpairs import CLASSES, TIERS, pair
from ctnet.data.motionpairs.order_probes import PROBES, WITHOUT_ORDER, accuracy, neighbours

SIZE, FRAMES, TRAIN, TEST = 24, 6, 100, 60


def draw(tier: str, split: str, count: int) -> list[torch.Tensor]:
    """Return, for each pair of classes, clips (count, T, 3, H, W) of its first class."""
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
def test_probe_without_order_only_guesses_on_strict_tier(strict, name):
    share, bound = accuracy(strict, PROBES[name])
    assert abs(share - 0.5) <= bound, f"{name}: {share:.3f}"


def test_probe_with_order_sees_direction_on_strict_tier(strict):
    share, bound = accuracy(strict, neighbours)
    assert share > 0.5 + 2 * bound


def test_probe_sees_direction_in_first_frame_of_state_changes():
    """Their motion starts and ends in different places, so a probe that works must notice it."""
    data = list(zip(draw("state change", "train", TRAIN), draw("state change", "test", TEST), strict=True))
    share, bound = accuracy(data, PROBES["first frame"])
    assert share > 0.5 + 3 * bound
