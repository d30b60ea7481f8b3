"""Left-right flips: which class a mirrored clip shows, derived from the class names."""

import re
from collections.abc import Sequence

OTHER = {"left": "right", "clockwise": "counterclockwise"}
OTHER |= {b: a for a, b in OTHER.items()}
# Words that name a side: "to the left", "turn_left", "TurnLeft", "leftwards"; not "upright" or "leftover".
SIDE = re.compile(
    r"((?i:counterclockwise|clockwise)|(?<![A-Za-z])(?i:left|right)|(?<=[a-z])(?:Left|Right))(?=(?:wards?)?(?![a-z]))"
)


def mirror_map(classes: Sequence[str]) -> tuple[int | None, ...]:
    """Return, for each class, the label of its mirrored clips.

    The partner of a class has the same name with left and right, and clockwise and counterclockwise, exchanged. A
    `right` that means no side ("pulling it right out") cannot be told apart: clips of such a class are not mirrored.

    Args:
        classes: Class names.

    Returns:
        For each class its own label if its name has no side, the label of its partner, or None if the set has no
        partner: such clips must not be mirrored.
    """
    place = {name: label for label, name in enumerate(classes)}
    return tuple(place.get(SIDE.sub(_opposite, name)) for name in classes)


def _opposite(match: re.Match) -> str:
    """Return the opposite side in the same case."""
    word = match[0]
    other = OTHER[word.lower()]
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
