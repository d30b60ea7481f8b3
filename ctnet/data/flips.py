"""What a class looks like in a mirror: the label map of left-right flips, read off the names."""

import re
from collections.abc import Sequence

OTHER = {"left": "right", "clockwise": "counterclockwise"}
OTHER |= {b: a for a, b in OTHER.items()}
# left and right as words: in "to the left", "turn_left", "TurnLeft" and "leftwards", not in "upright" or "leftover"
SIDE = re.compile(
    r"((?i:counterclockwise|clockwise)|(?<![A-Za-z])(?i:left|right)|(?<=[a-z])(?:Left|Right))(?=(?:wards?)?(?![a-z]))"
)


def mirror_map(classes: Sequence[str]) -> tuple[int | None, ...]:
    """For each class the class that its clips show in a mirror, counted from 0.

    Itself where the name speaks of no side; the class whose name has left and right (clockwise and counterclockwise)
    exchanged; None where there is no such class: clips of it must not be flipped. A `right` that is no side ("pulling
    it right out") is not told from one that is, and costs that class its flips.
    """
    place = {name: label for label, name in enumerate(classes)}
    return tuple(place.get(SIDE.sub(_opposite, name)) for name in classes)


def _opposite(match: re.Match) -> str:
    word = match[0]
    other = OTHER[word.lower()]
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
