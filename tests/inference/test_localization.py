"""Saliency Tubes against masks: a tube on the mask, a tube that says nothing, and the clips that are scored."""

import numpy as np
import pytest
import torch

import ctnet
from ctnet.data.motionpairs import draw
from ctnet.data.prepare import prepare
from ctnet.inference.evaluate import test_split as split_of
from ctnet.inference.localization import TIERS, acting, localization, scores
from ctnet.protocol import Protocol
from tests.support.toy import PLAIN, write_set


def moving_square():
    """A mask of a square that stands still for three frames and then moves right by two pixels a frame."""
    mask = np.zeros((6, 12, 12), np.float32)
    for t, x in enumerate((0, 0, 0, 2, 4, 6)):
        mask[t, 4:8, x : x + 4] = 1
    return mask


def test_tube_on_the_mask_has_all_its_energy_there():
    mask = moving_square()
    found = scores(mask, mask)
    assert (found["energy"], found["pointing"]) == (1, 1) and found["mask"] == pytest.approx(16 / 144)


def test_tube_that_says_nothing_has_the_energy_of_the_mask_and_of_the_moving_frames():
    mask = moving_square()
    found = scores(np.ones_like(mask), mask)
    assert found["energy"] == pytest.approx(found["mask"]) and found["energy_time"] == pytest.approx(found["moving"])
    assert found["moving"] == pytest.approx(4 / 6), "the last still frame counts, as it differs from the next"


def test_tube_beside_the_mask_points_elsewhere():
    mask = moving_square()
    found = scores(1 - mask, mask)
    assert (found["energy"], found["pointing"]) == (0, 0)


@pytest.mark.parametrize("mask", [np.ones((4, 2, 2)), np.arange(16.0).reshape(4, 2, 2) / 16], ids=["still", "moving"])
def test_time_is_not_scored_where_all_frames_or_none_move(mask):
    found = scores(np.ones_like(mask), mask)
    assert np.isnan(found["energy_time"]) and np.isnan(found["moving"])


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A test split with two levels of noise, wider than high."""
    size = draw.DrawnSize(32, 8, train=1, test=2, width=44, levels=(0.1, 0.9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(draw.DRAWN_SIZES, "wide", size)
        folder = prepare("motionpairs", "wide", tmp_path_factory.mktemp("sets"), workers=2)
    return split_of(folder, Protocol(4, size=32))


def test_clips_of_least_noise_in_which_something_acts_are_scored(split):
    found = list(acting(split))
    labels = [label for _, label, _ in found]
    assert labels == [label for label, tier in enumerate(split.info.tiers) if tier in TIERS]
    for clip, _, mask in found:
        assert clip.shape == (3, 4, 32, 32) and mask.shape == (4, 32, 32) and mask.max() > 0.5


def test_mask_lies_on_what_is_painted(split):
    """In the clip of a red lamp that turns blue, the masked pixels are far more saturated than the others."""
    label = split.info.classes.index("red then blue")
    clip, mask = next((clip, mask) for clip, k, mask in acting(split) if k == label)
    spread = (clip.float().amax(0) - clip.float().amin(0)).numpy()
    assert spread[mask > 0.9].mean() > 1.5 * spread[mask < 0.1].mean()


def test_network_gets_all_scores_in_per_cent(split):
    torch.manual_seed(0)
    network = ctnet.create_model("tsn_resnet50", num_classes=44, num_frames=4, **PLAIN)
    found = localization(network, split)
    assert found["clips"] == 22
    assert all(0 <= share <= 100 for key, share in found.items() if key != "clips")
    assert {"energy", "pointing", "mask"} <= set(found)


def test_other_data_sets_have_no_masks(tmp_path):
    folder = write_set(tmp_path, clips=2, split="test")
    network = ctnet.create_model("tsn_resnet50", num_classes=2, num_frames=4, **PLAIN)
    assert localization(network, split_of(folder, Protocol(4, size=32))) is None
