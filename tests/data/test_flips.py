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
    return [(a, b) for a, b in enumerate(mirror_map(classes)) if b is not None and a < b]


def test_the_six_classes_of_something_something_that_a_mirror_exchanges():
    assert mirror_map(SIX) == (1, 0, 3, 2, 5, 4)
    assert mirror_map(SIX[:3]) == (1, 0, None)  # of a subset without the partner no clip is flipped


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
def test_words_that_name_a_side(name, other):
    assert mirror_map([other, "jump", name]) == (2, 1, 0)
    assert mirror_map([name]) == (None,)


@pytest.mark.parametrize("name", ["Putting something upright on the table", "Eating leftovers", "bright", "Leave", "é"])
def test_words_that_name_none(name):
    assert mirror_map(["left", "right", name])[2] == 2


def test_a_side_that_cannot_be_exchanged_by_name_is_left_alone():
    assert mirror_map(["spin anticlockwise", "spin clockwise"]) == (None, None)
    assert mirror_map(["Turn Left", "Turn right"]) == (None, None)


NAMES = sorted({"".join(parts) for parts in product(["left", "Right", "go", "_", " "], repeat=3)})


@given(st.lists(st.sampled_from(NAMES), unique=True))
def test_twice_in_the_mirror_is_the_class_itself(classes):
    labels = mirror_map(classes)
    for label, other in enumerate(labels):
        assert other is None or labels[other] == label
        assert bool(SIDE.search(classes[label])) == (other != label)


# --- on Something-Something's own list of names, where it is at hand: CTNET_SOMETHING_CLASSES=category.txt


@pytest.mark.skipif("CTNET_SOMETHING_CLASSES" not in os.environ, reason="CTNET_SOMETHING_CLASSES names no file")
def test_on_the_174_names_exactly_three_pairs():
    names = Path(os.environ["CTNET_SOMETHING_CLASSES"]).read_text(encoding="utf-8").splitlines()
    assert len(names) == 174
    assert pairs(names) == [(86, 87), (93, 94), (166, 167)]  # counted from 0: in the file, lines 87-88, ...
    assert tuple(names[label] for pair in pairs(names) for label in pair) == SIX
    alone = [name for name, other in zip(names, mirror_map(names), strict=True) if other is None]
    assert alone == ["Plugging something into something but pulling it right out as you remove your hand"]
