"""Hypothesis strategies for damaged files: bytes flipped, removed and inserted, ends cut off, JSON values replaced."""

import json
from collections.abc import Iterator

from hypothesis import strategies as st

WORDS = ("-1", "0", "9" * 30, "9" * 5000, "²", "é", "\0", "\n", "\r", "\x0c", "\u2028", "\ufeff")
WORDS += (" ", ",", ";", '"', "..", "/etc/passwd", "../x", "nan", "null", "[]", "{}", "[" * 5000, "x" * 200_000)
PIECES = st.sampled_from([word.encode() for word in WORDS]) | st.binary(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged_bytes(draw, whole: bytes) -> bytes:
    """Draw `whole` with up to six damages; with none it is unchanged."""
    data = bytearray(whole)
    for kind in draw(st.lists(st.sampled_from(("flip", "remove", "insert", "end")), max_size=6)):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        if kind == "flip" and data:
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "remove":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = draw(PIECES)
        elif kind == "end":
            del data[at:]
    return bytes(data)


@st.composite
def damaged_json(draw, whole: bytes) -> bytes:
    """Draw JSON in which one value is replaced by another, at any depth."""
    facts = json.loads(whole)
    inner = draw(st.sampled_from([part for part in (facts, *_nested(facts)) if part]))
    inner[draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))] = draw(VALUES)
    return json.dumps(facts).encode()


def _nested(value: object) -> Iterator[list | dict]:
    """Yield every list and dict inside a JSON value."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, list | dict):
            yield inner
            yield from _nested(inner)
