"""In the strict tier, neither a single frame nor frames without their order tell the direction of motion.

Each probe is fitted to the training split and judged on the test split, within each pair of classes. Its right answers
over all pairs are compared with guessing.
"""

import pytest
import torch

from ctnet.data import read_frames, write_video
from ctnet.data.motionpairs import CLASSES, TIERS, Difficulty, pair
from ctnet.data.motionpairs.order_probes import PROBES, WITHOUT_ORDER, accuracy, neighbours

SIZE, FRAMES, TRAIN, TEST = 24, 6, 100, 60
LEVELS = (0.1, 0.7, 1.3, 1.9)


def draw(folder, tier: str, split: str, count: int, noise: float) -> list[torch.Tensor]:
    """Return, for each pair of classes, clips (count, T, 3, H, W) of its first class, as read back from files."""

    def read_back(index: int) -> torch.Tensor:
        hard = Difficulty(noise=(noise, noise))
        write_video(folder / "clip.avi", pair(split, 0, index, SIZE, FRAMES, hard))
        return read_frames(folder / "clip.avi", range(FRAMES))

    firsts = [label for label in range(0, len(CLASSES), 2) if TIERS[label] == tier]
    return [torch.stack([read_back(label + 44 * n) for n in range(count)]).permute(0, 1, 4, 2, 3) for label in firsts]


@pytest.fixture(scope="module", params=LEVELS, ids=lambda level: f"noise {level}")
def strict(request, tmp_path_factory):
    folder, level = tmp_path_factory.mktemp("clips"), request.param
    splits = (draw(folder, "strict", split, count, level) for split, count in (("train", TRAIN), ("test", TEST)))
    return level, list(zip(*splits, strict=True))


@pytest.mark.parametrize("name", WITHOUT_ORDER)
def test_probe_without_order_only_guesses_on_strict_tier(strict, name):
    level, clips = strict
    share, bound = accuracy(clips, PROBES[name])
    assert abs(share - 0.5) <= bound, f"{name}: {share:.3f}"


def test_probe_with_order_sees_direction_on_strict_tier(strict):
    level, clips = strict
    share, bound = accuracy(clips, neighbours)
    if level < 0.5:  # the probe is too weak for more noise; networks are not
        assert share > 0.5 + 2 * bound


def test_probe_sees_direction_in_first_frame_of_state_changes(tmp_path):
    """Their motion starts and ends in different places, so a probe that works must notice it."""
    splits = (draw(tmp_path, "state change", split, n, 0.04) for split, n in (("train", TRAIN), ("test", TEST)))
    share, bound = accuracy(list(zip(*splits, strict=True)), PROBES["first frame"])
    assert share > 0.5 + 3 * bound
