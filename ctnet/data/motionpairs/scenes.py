"""The strict tier, whose single frames say nothing about direction, and the appearance tier."""

import numpy as np

from ctnet.data.motionpairs.stage import Array, Stage


# --- strict: each function draws the first class of its pair
def pan_left(s: Stage) -> None:
    """The camera pans: a texture moves left."""
    s.canvas[:] = s.look_up(s.texture(), s.x + s.travel(s.hard.pan), s.y + s.uniform(0, 1))


def pan_up(s: Stage) -> None:
    """The camera pans: a texture moves up."""
    s.canvas[:] = s.look_up(s.texture(), s.x + s.uniform(0, 1), s.y + s.travel(s.hard.pan))


def spin_clockwise(s: Stage) -> None:
    """A texture turns clockwise."""
    x, y = _turn(s, 2 * np.pi * s.travel(s.hard.spin))
    s.canvas[:] = s.look_up(s.texture(), x, y)


def zoom_in(s: Stage) -> None:
    """An endless zoom into a texture."""
    dx, dy = s.x - s.uniform(0.4, 0.6), s.y - s.uniform(0.4, 0.6)
    depth = 0.5 * np.log(dx * dx + dy * dy + 1e-4) / np.log(6)
    s.canvas[:] = s.look_up(s.texture(), depth - s.travel(s.hard.zoom), np.arctan2(dy, dx) / (2 * np.pi))


def hue_forward(s: Stage) -> None:
    """The colours of a pattern run forward through the colour circle."""
    fields = np.stack([s.waves(1, s.hard.waves), s.waves(1, 2)], -1)
    light, hue = np.moveaxis(s.look_up(fields, s.x, s.y), -1, 0)
    hue = 0.12 * hue + s.travel(s.hard.hue)
    value, depth = 0.5 + 0.12 * np.tanh(light), s.look.uniform(0.2, 0.3)
    for channel in range(3):  # the crest of the wave passes red, then green, then blue
        s.canvas[..., channel] = value + depth * np.cos(2 * np.pi * (hue - channel / 3))


def dots_drift_left(s: Stage) -> None:
    """Some dots drift left, others stand still."""
    still, drifting = (np.clip(3 * (s.waves(2, 4) - 0.7), 0, 1) for _ in range(2))
    dots = np.maximum(
        0.6 * s.look_up(still, s.x, s.y), s.look_up(drifting, s.x + s.travel(s.hard.drift), s.y + s.uniform(0, 1))
    )
    ground, dot = s.look.uniform(0.05, 0.2), s.look.uniform(0.75, 0.95)
    s.canvas[:] = (ground + (dot - ground) * dots)[..., None]


def red_leads_blue(s: Stage) -> None:
    """Two discs pulse; the red one is a quarter of a beat ahead of the blue one."""
    s.backdrop()
    phase = 2 * np.pi * s.travel(s.hard.pulse)
    (x1, y1), (x2, y2) = _two_places(s)
    for x, y, beat, color in (
        (x1, y1, phase, (0.95, 0.1, 0.1)),
        (x2, y2, phase - np.pi / 2, (0.1, 0.2, 0.95)),
    ):
        radius = s.uniform(0.12, 0.16) * (1 + 0.55 * np.cos(beat))
        s.act(s.thing("disc", x, y, radius), np.array(color, np.float32))


def conveyor_left(s: Stage) -> None:
    """Things move left on a belt and enter again on the right."""
    s.backdrop()
    y, half, shift = s.uniform(0.35, 0.65), s.uniform(0.18, 0.26), s.travel(s.hard.belt)
    s.paint(s.box(-1, 2, y - half, y + half), s.color(0.1, 0.35))
    for place in range(3):
        item = s.thing(s.kind(), (place + s.uniform(-0.15, 0.15)) / 3 - shift, y, 0.14, wrap=True)
        s.act(item, s.color(0.45, 1.0))


def _turn(s: Stage, angle: Array | float) -> tuple[Array, Array]:
    """Return coordinates of a picture that is turned clockwise by `angle` around a point near the middle."""
    dx, dy = s.x - s.uniform(0.4, 0.6), s.y - s.uniform(0.4, 0.6)
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * dx + sin * dy, cos * dy - sin * dx


def _two_places(s: Stage) -> tuple[tuple[float, float], tuple[float, float]]:
    """Draw two points at least 0.45 apart, on opposite sides of a point near the middle."""
    angle, distance = s.uniform(0, 2 * np.pi), s.uniform(0.23, 0.28)
    x, y, dx, dy = (
        s.uniform(0.45, 0.55),
        s.uniform(0.45, 0.55),
        distance * np.cos(angle),
        distance * np.sin(angle),
    )
    return (x - dx, y - dy), (x + dx, y + dy)


STRICT = (
    pan_left,
    pan_up,
    spin_clockwise,
    zoom_in,
    hue_forward,
    dots_drift_left,
    red_leads_blue,
    conveyor_left,
)


# --- appearance: one function for each class, with shapes and patterns that no other class has
def _wander(s: Stage) -> tuple[Array, Array, float]:
    """Return offsets from a thing that crosses the middle in a random direction, and its size."""
    angle, path = s.uniform(0, 2 * np.pi), s.uniform(0, 0.4)
    x = s.uniform(0.4, 0.6) + (s.t - 0.5) * path * np.cos(angle)
    y = s.uniform(0.4, 0.6) + (s.t - 0.5) * path * np.sin(angle)
    return s.x - x, s.y - y, s.uniform(0.17, 0.26)


def star(s: Stage) -> None:
    """A star crosses the middle."""
    s.backdrop()
    dx, dy, size = _wander(s)
    radius = size * (0.75 + 0.35 * np.cos(5 * np.arctan2(dy, dx) + s.uniform(0, 6)))
    s.act(s.edge(np.sqrt(dx * dx + dy * dy) - radius), s.color())


def cross(s: Stage) -> None:
    """A cross crosses the middle."""
    s.backdrop()
    dx, dy, size = _wander(s)
    dx, dy = np.abs(dx), np.abs(dy)
    arms = np.minimum(np.maximum(dx - size, dy - size / 3), np.maximum(dy - size, dx - size / 3))
    s.act(s.edge(arms), s.color())


def ring(s: Stage) -> None:
    """A ring crosses the middle."""
    s.backdrop()
    dx, dy, size = _wander(s)
    s.act(s.edge(np.abs(np.sqrt(dx * dx + dy * dy) - 0.8 * size) - 0.25 * size), s.color())


def _pattern(s: Stage, draw) -> None:
    """Draw a pattern of two colours over the whole image, turned and drifting at random."""
    angle, path = s.uniform(0, 2 * np.pi), s.uniform(0, 0.4)
    x, y = _turn(s, s.uniform(-0.5, 0.5))
    x, y = x + s.t * path * np.cos(angle), y + s.t * path * np.sin(angle)
    s.canvas[:] = s.color(0.1, 0.45)
    s.paint(np.clip(draw(x, y) * s.size / 12 + 0.5, 0, 1), s.color(0.55, 1.0))


def checkerboard(s: Stage) -> None:
    """A drifting checkerboard."""
    n = 2 * np.pi * s.uniform(1.5, 3)
    _pattern(s, lambda x, y: np.sin(n * x) * np.sin(n * y))


def stripes(s: Stage) -> None:
    """Drifting stripes."""
    n = 2 * np.pi * s.uniform(2.5, 4.5)
    _pattern(s, lambda x, y: np.sin(n * x) + 0 * y)


def bricks(s: Stage) -> None:
    """A drifting brick wall."""
    n = s.uniform(3, 5)

    def wall(x: Array, y: Array) -> Array:
        row = np.floor(y * n)
        along, down = x * n / 2 + 0.5 * (row % 2), y * n - row
        return np.minimum(0.5 - np.abs(along % 1 - 0.5), 0.5 * (0.5 - np.abs(down - 0.5))) * 4 - 0.3

    _pattern(s, wall)


APPEARANCE = (star, cross, ring, checkerboard, stripes, bricks)
