"""The classes of MotionPairs, their tiers, and the label maps that follow from the class names."""

import re
from collections.abc import Sequence

from ctnet.data.flips import mirror_map

# (class, its time reversal): the scene of a pair draws the first, the second is the clip played backwards
PAIRS = {
    "strict": (
        ("pan left", "pan right"),
        ("pan up", "pan down"),
        ("spin clockwise", "spin counterclockwise"),
        ("zoom in", "zoom out"),
        ("hue forward", "hue back"),
        ("dots drift left", "dots drift right"),
        ("red leads blue", "red lags blue"),
        ("conveyor left", "conveyor right"),
    ),
    "state change": (
        ("push from left to right", "push from right to left"),
        ("move up", "move down"),
        ("move towards the camera", "move away from the camera"),
        ("move two things closer", "move two things apart"),
        ("cover", "uncover"),
        ("put in", "take out"),
        ("fold", "unfold"),
        ("open", "close"),
    ),
    "dynamics": (
        ("fall faster and faster", "rise slower and slower"),
        ("speed up to the right", "slow down to the left"),
        ("red then blue", "blue then red"),
    ),
}
APPEARANCE = ("star", "cross", "ring", "checkerboard", "stripes", "bricks")

CLASSES = tuple(name for pairs in PAIRS.values() for pair in pairs for name in pair) + APPEARANCE
TIERS = tuple(tier for tier, pairs in PAIRS.items() for _ in pairs for _ in (0, 1)) + ("appearance",) * len(APPEARANCE)

OPPOSITES = (
    *(("left", "right"), ("clockwise", "counterclockwise"), ("up", "down"), ("in", "out")),
    *(("forward", "back"), ("leads", "lags"), ("towards", "away from")),
    *(("closer", "apart"), ("cover", "uncover"), ("put", "take"), ("fold", "unfold"), ("open", "close")),
    *(("fall", "rise"), ("faster", "slower"), ("speed", "slow"), ("red then blue", "blue then red")),
)


def _swap(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Replace every word of `pairs` in a name by its opposite, all at once."""
    other = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    words = "|".join(sorted(map(re.escape, other), key=len, reverse=True))
    return re.sub(rf"\b({words})\b", lambda m: other[m[0]], name)


def reverse_map(names: Sequence[str]) -> tuple[int | None, ...]:
    """Return the label map of time reversal, read off the class names.

    Args:
        names: Class names in label order.

    Returns:
        For each class the label of the class whose name has every word (`left`, `open`, ...) replaced by its opposite.
        That is its own label if the name has no such word, and None if there is no such class.

    Example:
        >>> reverse_map(("turn left", "turn right", "lift up", "stand"))
        (1, 0, None, 3)
    """
    place = {name: label for label, name in enumerate(names)}
    return tuple(place.get(_swap(name, OPPOSITES)) for name in names)


FLIP = mirror_map(CLASSES)
REVERSE = reverse_map(CLASSES)
