"""The label map of mirrored clips."""

import os
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctnet.data.flips import SIDE, mirror_map

SIX = (
    "Pulling something from left to right",
    "Pulling something from right to left",
    "Pushing something from left to right",
    "Pushing something from right to left",
    "Turning the camera left while filming something",
    "Turning the camera right while filming something",
)


def pairs(classes):
    """Pairs of labels that a mirror exchanges."""
    return [(a, b) for a, b in enumerate(mirror_map(classes)) if b is not None and a < b]


def test_three_pairs_of_something_something_are_exchanged():
    assert mirror_map(SIX) == (1, 0, 3, 2, 5, 4)
    assert mirror_map(SIX[:3]) == (1, 0, None)  # without its partner a class is not mirrored


@pytest.mark.parametrize(
    "name, other",
    [
        ("turn_left", "turn_right"),
        ("Swiping Left", "Swiping Right"),
        ("SWIPE LEFT", "SWIPE RIGHT"),
        ("TurnLeft", "TurnRight"),
        ("LeftHook", "RightHook"),
        ("move leftwards", "move rightwards"),
        ("spin clockwise", "spin counterclockwise"),
        ("a left-handed throw", "a right-handed throw"),
    ],
)
def test_left_and_right_are_found_in_a_class_name(name, other):
    assert mirror_map([other, "jump", name]) == (2, 1, 0)
    assert mirror_map([name]) == (None,)


@pytest.mark.parametrize("name", ["Putting something upright on the table", "Eating leftovers", "bright", "Leave", "é"])
def test_words_that_only_contain_left_or_right_are_ignored(name):
    assert mirror_map(["left", "right", name])[2] == 2


def test_side_without_a_partner_class_maps_to_none():
    assert mirror_map(["spin anticlockwise", "spin clockwise"]) == (None, None)
    assert mirror_map(["Turn Left", "Turn right"]) == (None, None)


NAMES = sorted({"".join(parts) for parts in product(["left", "Right", "go", "_", " "], repeat=3)})


@given(st.lists(st.sampled_from(NAMES), unique=True))
def test_mirroring_twice_gives_the_class_back(classes):
    labels = mirror_map(classes)
    for label, other in enumerate(labels):
        assert other is None or labels[other] == label
        assert bool(SIDE.search(classes[label])) == (other != label)


# --- with Something-Something's own list of names, if you have it: CTNET_SOMETHING_CLASSES=category.txt


@pytest.mark.skipif("CTNET_SOMETHING_CLASSES" not in os.environ, reason="CTNET_SOMETHING_CLASSES is not set")
def test_mirror_map_of_174_something_something_classes_has_three_pairs():
    names = Path(os.environ["CTNET_SOMETHING_CLASSES"]).read_text(encoding="utf-8").splitlines()
    assert len(names) == 174
    assert pairs(names) == [(86, 87), (93, 94), (166, 167)]  # labels count from 0: lines 87 and 88, ...
    assert tuple(names[label] for pair in pairs(names) for label in pair) == SIX
    alone = [name for name, other in zip(names, mirror_map(names), strict=True) if other is None]
    assert alone == ["Plugging something into something but pulling it right out as you remove your hand"]
