"""MotionPairs: clips are pure functions, twins are exact reversals, and motions go where their names say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctnet.data import motionpairs
from ctnet.data.motionpairs import CLASSES, FLIP, PAIRS, REVERSE, TIERS, Difficulty, clip, texture_seed
from ctnet.errors import ConfigError

CALM = Difficulty(noise=(0, 0))
splits, seeds, indices = st.sampled_from(motionpairs.SPLITS), st.integers(0, 9), st.integers(0, 9999)


def test_class_count_of_each_tier():
    assert len(CLASSES) == len(set(CLASSES)) == len(TIERS) == 44
    count = {tier: TIERS.count(tier) for tier in TIERS}
    assert count == {"strict": 16, "state change": 16, "dynamics": 6, "appearance": 6}


def test_reverse_map_swaps_the_classes_of_a_pair():
    for pairs in PAIRS.values():
        for one, other in pairs:
            a, b = CLASSES.index(one), CLASSES.index(other)
            assert (REVERSE[a], REVERSE[b]) == (b, a) and b == a + 1 and a % 2 == 0
    assert all(REVERSE[label] == label for label, tier in enumerate(TIERS) if tier == "appearance")


def test_flip_map_swaps_only_left_and_right():
    for label, name in enumerate(CLASSES):
        if FLIP[label] is None:
            assert TIERS[label] == "dynamics" and ("left" in name or "right" in name)
            continue
        assert FLIP[FLIP[label]] == label
        sided = any(word in name for word in ("left", "right", "clockwise"))
        assert FLIP[label] == (REVERSE[label] if sided else label)


def test_reverse_map_follows_from_class_names():
    names = ("turn left", "turn right", "lift up", "stand")
    assert motionpairs.reverse_map(names) == (1, 0, None, 3)


@settings(max_examples=30, deadline=None)
@given(splits, seeds, indices)
def test_clip_is_reproducible_and_twin_is_its_exact_reversal(split, seed, index):
    frames, label = clip(split, seed, index, size=24, frames=6)
    assert frames.shape == (6, 24, 24, 3) and frames.dtype == np.uint8 and label == index % 44
    assert np.array_equal(frames, clip(split, seed, index, size=24, frames=6)[0])
    if REVERSE[label] != label:
        twin, partner = clip(split, seed, index - label + REVERSE[label], size=24, frames=6)
        assert partner == REVERSE[label] and np.array_equal(twin, frames[::-1])
        assert not np.array_equal(twin, frames)


@given(st.permutations(motionpairs.SPLITS), seeds, indices, seeds, indices)
def test_splits_share_no_texture_seed(splits, seed, index, other_seed, other_index):
    assert texture_seed(splits[0], seed, index) != texture_seed(splits[1], other_seed, other_index)


def test_twins_share_their_texture_seed_and_no_others_do():
    drawn = [texture_seed("train", 0, index) for index in range(44 * 50)]
    assert len(set(drawn)) == 25 * 50


@pytest.mark.parametrize("label", range(0, 44))
def test_clips_of_a_class_differ_by_split_seed_and_index(label):
    drawn = [
        clip(*args, size=16, frames=4)[0]
        for args in (("train", 0, label), ("test", 0, label), ("train", 1, label), ("train", 0, label + 44))
    ]
    for i, a in enumerate(drawn):
        assert all(np.abs(a.astype(int) - b).mean() > 5 for b in drawn[:i])


def test_motion_does_not_depend_on_frame_count():
    """Every second frame of a clip of 12 frames equals the clip of 6 frames, except for noise and light."""
    calm = CALM
    for label in range(0, 38, 2):
        slow, fast = (clip("train", 0, label, 32, t, calm)[0].astype(float) for t in (12, 6))
        assert np.abs(slow[::2] - fast).mean() < 4
        assert np.abs(slow[1::2] - fast).mean() > np.abs(slow[::2] - fast).mean()


@pytest.mark.parametrize(
    "name, axis, step", [("pan left", 2, -1), ("pan right", 2, 1), ("pan up", 1, -1), ("pan down", 1, 1)]
)
def test_pan_moves_in_its_named_direction(name, axis, step):
    """A frame shifted by two pixels in the named direction is closer to the next frame than one shifted back."""
    calm = Difficulty(noise=(0, 0), shake=0, distractors=0)
    for n in range(5):
        frames = clip("train", 0, CLASSES.index(name) + 44 * n, 48, 16, calm)[0].astype(float)
        ahead = np.abs(np.roll(frames[:-1], 2 * step, axis) - frames[1:]).mean()
        back = np.abs(np.roll(frames[:-1], -2 * step, axis) - frames[1:]).mean()
        assert ahead < back


def test_red_disc_leads_blue_disc():
    """The red disc is largest a quarter of a beat before the blue one, so their areas trace a loop in one direction."""
    calm = Difficulty(noise=(0, 0), shake=0, distractors=0, clutter=0)
    for n in range(10):
        frames = clip("train", 0, CLASSES.index("red leads blue") + 44 * n, 48, 32, calm)[0].astype(float)
        red = ((frames[..., 0] - frames[..., 2]) > 120).mean((1, 2))
        blue = ((frames[..., 2] - frames[..., 0]) > 120).mean((1, 2))
        red, blue = red - red.mean(), blue - blue.mean()
        assert (red[:-1] * blue[1:] - red[1:] * blue[:-1]).sum() > 0


@settings(max_examples=20, deadline=None)
@given(splits, indices, st.integers(1, 12))
def test_wider_clip_shows_the_same_scene_with_more_at_both_sides(split, index, margin):
    """Where nothing is random per pixel, the middle of the wide clip is the square one."""
    square, wide = (clip(split, 0, index, 24, 4, CALM, width)[0].astype(int) for width in (None, 24 + 2 * margin))
    assert np.abs(wide[:, :, margin:-margin] - square).max() <= 1  # of 255: coordinates are rounded differently


@settings(max_examples=40, deadline=None)
@given(splits, indices)
def test_mask_shows_what_acts_and_is_mirrored_with_the_clip(split, index):
    label = index % 44
    found = motionpairs.mask(split, 0, index, 24, 6)
    assert found.shape == (6, 24, 24) and found.min() >= 0 and found.max() <= 1
    if REVERSE[label] != label:
        twin = motionpairs.mask(split, 0, index - label + REVERSE[label], 24, 6)
        assert np.array_equal(twin, found[::-1])
    if TIERS[label] in ("state change", "dynamics"):
        assert all(frame.max() > 0.5 for frame in found), "something acts in every frame"
        assert found.mean() < 0.7
    if CLASSES[label].startswith(("pan", "spin", "zoom", "hue", "dots")):
        assert not found.any()


def test_mask_follows_the_object():
    """A thing that is pushed to the right is at the left of the mask first and at its right last."""
    columns = np.arange(48)
    for n in range(5):
        found = motionpairs.mask("test", 0, CLASSES.index("push from left to right") + 44 * n)
        places = [(frame * columns).sum() / frame.sum() for frame in found]
        assert places[0] < 20 and places[-1] > 28


def test_noise_of_each_clip_lies_in_its_range():
    """Measured in two drawings that differ in nothing but the noise."""
    spread = []
    for n in range(40):
        index, level = 44 * n, (0.02, 0.1)
        noisy = clip("train", 0, index, 32, 4, Difficulty(noise=level))[0].astype(float)
        clean = clip("train", 0, index, 32, 4, CALM)[0].astype(float)
        spread.append((noisy - clean).std() / 255)
    assert 0.019 < min(spread) < 0.04 and 0.08 < max(spread) < 0.101


def test_unknown_split_error_lists_known_splits():
    with pytest.raises(ConfigError, match="train"):
        clip("trian", 0, 0)
