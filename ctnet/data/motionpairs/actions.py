"""The state-change tier, which follows templates of Something-Something, and the dynamics tier.

Each function draws the first class of its pair; the second is the clip played backwards. The side that a finger comes
from says nothing about the direction of the motion.
"""

import numpy as np

from ctnet.data.motionpairs.stage import Stage

SKIN = np.array((0.85, 0.62, 0.5), np.float32)


def push_right(s: Stage) -> None:
    """A finger pushes a thing from left to right."""
    s.backdrop()
    p, y, size = s.progress(), s.uniform(0.45, 0.75), s.uniform(0.09, 0.14)
    x = s.uniform(0.15, 0.28) * (1 - p) + s.uniform(0.72, 0.85) * p
    s.act(s.thing(s.kind(), x, y, size), s.color())
    s.act(s.box(x - 0.04, x + 0.04, -1, y), SKIN)  # a finger from above moves along with it


def move_up(s: Stage) -> None:
    """A finger moves a thing up."""
    s.backdrop()
    p, x, size = s.progress(), s.uniform(0.35, 0.65), s.uniform(0.09, 0.14)
    y = s.uniform(0.72, 0.85) * (1 - p) + s.uniform(0.15, 0.28) * p
    s.act(s.thing(s.kind(), x, y, size), s.color())
    left = s.rng.random() < 0.5
    s.act(s.box(-1 if left else x, x if left else 2, y - 0.04, y + 0.04), SKIN)


def towards(s: Stage) -> None:
    """A thing moves towards the camera."""
    s.backdrop()
    p = s.progress()
    radius = s.uniform(0.06, 0.09) * (1 - p) + s.uniform(0.26, 0.36) * p
    s.act(s.thing(s.kind(), s.uniform(0.4, 0.6), s.uniform(0.4, 0.6), radius), s.color())


def closer(s: Stage) -> None:
    """Two things move closer to each other."""
    s.backdrop()
    angle, size = s.uniform(0, 2 * np.pi), s.uniform(0.07, 0.11)
    gap = 0.36 + (size * 1.05 - 0.36) * s.progress()
    for sign in (-1, 1):
        x, y = 0.5 + sign * gap * np.cos(angle), 0.5 + sign * gap * np.sin(angle)
        s.act(s.thing(s.kind(), x, y, size), s.color())


def cover(s: Stage) -> None:
    """A cover slides over a thing."""
    s.backdrop()
    x, y, size = s.uniform(0.4, 0.6), s.uniform(0.4, 0.6), s.uniform(0.1, 0.16)
    s.act(s.thing(s.kind(), x, y, size), s.color())
    away, angle = 0.9 * (1 - s.progress()), s.rng.integers(4) * np.pi / 2
    cx, cy = x + away * np.cos(angle), y + away * np.sin(angle)
    s.act(s.box(cx - 0.23, cx + 0.23, cy - 0.23, cy + 0.23), s.color(0.2, 0.8))


def put_in(s: Stage) -> None:
    """A thing falls into a box."""
    s.backdrop()
    x, size, floor = s.uniform(0.35, 0.65), s.uniform(0.08, 0.12), s.uniform(0.85, 0.95)
    p = s.progress()
    y = (floor - size) * p + s.uniform(0.05, 0.2) * (1 - p)
    half, top, color = size + 0.08, floor - 0.35, s.color(0.2, 0.8)
    s.act(s.box(x - half, x + half, top, floor), 0.4 * color)  # the inner back
    s.act(s.thing(s.kind(), x, y, size), s.color())
    s.act(s.box(x - half, x + half, top + 0.1, floor), color)  # the front hides what is inside


def fold(s: Stage) -> None:
    """A sheet is folded along its middle."""
    s.backdrop()
    x, y, half, color = s.uniform(0.42, 0.58), s.uniform(0.42, 0.58), s.uniform(0.24, 0.34), s.color(0.5, 1.0)
    reach = half * np.cos(np.pi * s.progress())  # how far the moving half reaches from the crease at x
    side = 1 if s.rng.random() < 0.5 else -1
    still = np.sort([x, x - side * half])
    s.act(s.box(*still, y - half, y + half), color)
    front, back = np.maximum(reach, 0) * side, np.minimum(reach, 0) * side
    for flap, shade in ((front, 0.9), (back, 0.45)):
        s.act(s.box(x + np.minimum(flap, 0), x + np.maximum(flap, 0), y - half, y + half), shade * color)


def open_doors(s: Stage) -> None:
    """Two doors open and show what is behind them."""
    s.backdrop()
    x, y, half, color = s.uniform(0.42, 0.58), s.uniform(0.42, 0.58), s.uniform(0.24, 0.32), s.color(0.4, 1.0)
    s.act(s.box(x - half, x + half, y - half, y + half), 0.25 * color)
    s.act(s.thing(s.kind(), x, y, s.uniform(0.08, 0.13)), s.color())
    gap = half * (0.02 + 0.9 * s.progress())
    s.act(s.box(x - half, x - gap, y - half, y + half), color)
    s.act(s.box(x + gap, x + half, y - half, y + half), 0.85 * color)


STATE_CHANGE = (push_right, move_up, towards, closer, cover, put_in, fold, open_doors)


# --- dynamics: constant acceleration, and the order of two events
def fall_faster(s: Stage) -> None:
    """A thing falls faster and faster."""
    s.backdrop()
    y = s.uniform(0.08, 0.15) + s.uniform(0.7, 0.78) * s.t**2
    s.act(s.thing(s.kind(), s.uniform(0.2, 0.8), y, s.uniform(0.08, 0.13)), s.color())


def speed_up_right(s: Stage) -> None:
    """A thing speeds up to the right."""
    s.backdrop()
    x = s.uniform(0.08, 0.15) + s.uniform(0.7, 0.78) * s.t**2
    s.act(s.thing(s.kind(), x, s.uniform(0.2, 0.8), s.uniform(0.08, 0.13)), s.color())


def red_then_blue(s: Stage) -> None:
    """A red lamp turns blue."""
    s.backdrop()
    change = np.clip((s.t - s.uniform(0.3, 0.7)) * 12 + 0.5, 0, 1)[..., None]
    red, blue = (np.array(c, np.float32) for c in ((0.95, 0.1, 0.1), (0.1, 0.2, 0.95)))
    lamp = s.thing("disc", s.uniform(0.35, 0.65), s.uniform(0.35, 0.65), s.uniform(0.18, 0.28))
    s.act(lamp, red + (blue - red) * change)


DYNAMICS = (fall_faster, speed_up_right, red_then_blue)
