"""What every scene of MotionPairs is drawn with: coordinates, textures, shapes, light and noise.

Lengths are in image widths, time runs over [0, 1) in a clip, and colours are in [0, 1]. Arrays broadcast to (T, H, W):
x is (T, 1, W), y is (T, H, 1), and a quantity that depends on time only is (T, 1, 1).
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Range = tuple[float, float]


@dataclass(frozen=True)
class Difficulty:
    """How hard the clips are. A motion is given over the whole clip, whatever its number of frames.

    Attributes:
        noise: Least and greatest standard deviation of the sensor noise; each clip draws its own in between.
        shake: Camera shake in image widths.
        clutter: Contrast of the background behind things.
        distractors: Largest number of small things that drift about.
        waves: Finest texture, in periods per image width.
        pan: Least and greatest distance of a pan, in image widths.
        spin: Least and greatest rotation, in turns.
        zoom: Least and greatest zoom, in periods of the log-polar texture.
        hue: Least and greatest change of colour, in turns of the colour circle.
        drift: Least and greatest drift of the dots, in image widths.
        pulse: Least and greatest number of beats of the pulsing discs.
        belt: Least and greatest motion of the conveyor belt, in image widths.

    Example:
        >>> Difficulty(noise=(0.03, 0.03), shake=0.006, waves=2).distractors
        2
    """

    noise: Range = (0.04, 0.04)
    shake: float = 0.01
    clutter: float = 0.35
    distractors: int = 2
    waves: int = 3
    pan: Range = (0.45, 0.85)
    spin: Range = (0.6, 1.1)
    zoom: Range = (0.45, 0.9)
    hue: Range = (0.7, 1.3)
    drift: Range = (0.45, 0.8)
    pulse: Range = (0.8, 1.5)
    belt: Range = (0.6, 1.1)


class Stage:
    """One clip while it is being drawn.

    The camera shake is a sum of sines with uniform phases: stationary, and as likely backwards as forwards.

    Attributes:
        size: Height H in pixels, which is the unit of length.
        frames: Number of frames T.
        rng: Draws motion, places and noise.
        look: Draws textures and colours, from a seed that the other split never has.
        hard: The difficulty.
        t: Time (T, 1, 1).
        x: Horizontal coordinate (T, 1, W), camera shake included; the middle square of the image has 0 to 1.
        y: Vertical coordinate (T, H, 1), camera shake included.
        canvas: The clip (T, H, W, 3), float32 in [0, 1].
        mask: Where the things are that act (T, H, W), float32 in [0, 1]; 0 in classes where the whole image moves.
    """

    def __init__(
        self,
        size: int,
        frames: int,
        rng: np.random.Generator,
        look: np.random.Generator,
        hard: Difficulty,
        width: int | None = None,
    ):
        width = width or size
        self.size, self.frames, self.rng, self.look, self.hard = size, frames, rng, look, hard
        self.t = (np.arange(frames, dtype=np.float32) / frames)[:, None, None]
        across, down = ((np.arange(n, dtype=np.float32) + 0.5 - (n - size) / 2) / size for n in (width, size))
        self.x = across[None, None, :] + self._shake()
        self.y = down[None, :, None] + self._shake()
        self.canvas = np.empty((frames, size, width, 3), np.float32)
        self.mask = np.zeros((frames, size, width), np.float32)

    def _shake(self) -> Array:
        """Draw the camera shake along one axis: (T, 1, 1)."""
        rate, phase = self.rng.uniform(1, 4, 2), self.rng.uniform(0, 2 * np.pi, 2)
        waves = np.sin(2 * np.pi * rate * self.t + phase).sum(-1, keepdims=True)
        return (self.hard.shake * waves).astype(np.float32)

    # --- random numbers
    def uniform(self, low: float, high: float) -> float:
        """Draw a number between `low` and `high`."""
        return float(self.rng.uniform(low, high))

    def travel(self, span: Range) -> Array:
        """Draw a steady motion (T, 1, 1): from a uniform phase, over a distance in `span` during the clip."""
        return self.uniform(0, 1) + self.t * self.uniform(*span)

    def progress(self) -> Array:
        """Draw a smooth progress from 0 to 1 (T, 1, 1), with a pause before and after it."""
        start, end = self.uniform(0.0, 0.25), self.uniform(0.7, 0.95)
        s = np.clip((self.t - start) / (end - start), 0, 1)
        return s * s * (3 - 2 * s)

    def color(self, low: float = 0.15, high: float = 0.95) -> Array:
        """Draw a colour (3,), float32, each channel between `low` and `high`."""
        return self.look.uniform(low, high, 3).astype(np.float32)

    # --- textures: periodic in both directions, so a shift wraps around without a seam
    def waves(self, low: int, high: int) -> Array:
        """Draw a grey torus (R, R) of random waves, `low` to `high` periods a side; mean 0, standard deviation 1."""
        side = 128 if self.size <= 64 else 256 if self.size <= 128 else 512
        k = np.arange(-high, high + 1)
        radius = np.hypot(k[:, None], k[None, high:])
        weight = ((radius >= low) & (radius <= high + 0.5)) / np.maximum(radius, 1)
        spectrum = np.zeros((side, side // 2 + 1), complex)
        spectrum[k, : high + 1] = weight * (
            self.look.normal(size=radius.shape) + 1j * self.look.normal(size=radius.shape)
        )
        field = np.fft.irfft2(spectrum, (side, side)).astype(np.float32)
        return field / field.std()

    def texture(self, low: int = 1, high: int | None = None, contrast: float = 1.0) -> Array:
        """Draw a coloured torus (R, R, 3) in [0, 1]: two fields of waves between random colours."""
        high = self.hard.waves if high is None else high
        a, b = (np.tanh(1.2 * self.waves(low, high))[..., None] for _ in range(2))
        one, two = (self.look.normal(size=3).astype(np.float32) for _ in range(2))
        one, two = 0.3 * one / np.abs(one).max(), 0.2 * two / np.abs(two).max()
        return np.clip(self.look.uniform(0.4, 0.6) + contrast * (a * one + b * two), 0, 1, dtype=np.float32)

    @staticmethod
    def look_up(torus: Array, x: Array, y: Array) -> Array:
        """Sample a torus (R, R, ...) at x and y (period 1): the nearest point, as points are denser than pixels."""
        side = len(torus)
        column = np.floor(x * side).astype(np.int32) & (side - 1)
        row = np.floor(y * side).astype(np.int32) & (side - 1)
        return torus.reshape(side * side, *torus.shape[2:]).take(row * side + column, axis=0)

    # --- layers
    def backdrop(self) -> None:
        """Paint a still background of low contrast."""
        self.canvas[:] = self.look_up(self.texture(contrast=self.hard.clutter), self.x, self.y)

    def paint(self, alpha: Array, color: Array) -> None:
        """Blend a colour (3,) or an image (T, H, W, 3) into the canvas by alpha (T, H, W) in [0, 1]."""
        self.canvas += alpha[..., None] * (color - self.canvas)

    def act(self, alpha: Array, color: Array) -> None:
        """Paint a thing that acts; it hides what acts behind it, and `mask` holds both."""
        self.paint(alpha, color)
        self.mask = np.maximum(self.mask, alpha)

    def edge(self, distance: Array) -> Array:
        """Return the alpha of a shape from its signed distance (negative inside), with an edge one pixel wide."""
        return np.clip(0.5 - distance * self.size, 0, 1)

    def thing(self, kind: str, x: Array | float, y: Array | float, radius: Array | float, wrap: bool = False) -> Array:
        """Return the alpha (T, H, W) of a disc, square, diamond or bar.

        Args:
            kind: `disc`, `square`, `diamond` or `bar`.
            x: Horizontal position of its centre.
            y: Vertical position of its centre.
            radius: Half its size.
            wrap: Whether it enters again on the other side where it leaves the image.
        """
        dx, dy = self.x - x, self.y - y
        if wrap:
            dx, dy = (d - np.round(d) for d in (dx, dy))
        dx, dy = np.abs(dx), np.abs(dy)
        if kind == "disc":
            return self.edge(np.sqrt(dx * dx + dy * dy) - radius)
        if kind == "diamond":
            return self.edge((dx + dy) * 0.8 - radius)
        if kind == "bar":
            return self.edge(np.maximum(dx * 0.6, dy * 1.5) - radius)
        return self.edge(np.maximum(dx, dy) - 0.88 * radius)

    def box(self, left: Array | float, right: Array | float, top: Array | float, bottom: Array | float) -> Array:
        """Return the alpha (T, H, W) of an upright rectangle."""
        across = np.clip(np.minimum(self.x - left, right - self.x) * self.size + 0.5, 0, 1)
        down = np.clip(np.minimum(self.y - top, bottom - self.y) * self.size + 0.5, 0, 1)
        return across * down

    def kind(self) -> str:
        """Draw one of the kinds of things."""
        return str(self.rng.choice(("disc", "square", "diamond", "bar")))

    def distract(self) -> None:
        """Paint small things that drift steadily from a uniform phase, as likely one way as the other."""
        for _ in range(int(self.rng.integers(self.hard.distractors + 1))):
            angle, path = self.uniform(0, 2 * np.pi), self.uniform(0.1, 0.8)
            x = self.uniform(0, 1) + self.t * path * np.cos(angle)
            y = self.uniform(0, 1) + self.t * path * np.sin(angle)
            self.paint(self.thing(self.kind(), x, y, self.uniform(0.03, 0.06), wrap=True), self.color())

    def develop(self) -> Array:
        """Apply light and sensor noise to the canvas and return the frames (T, H, W, 3), uint8."""
        gain, lift = self.uniform(0.85, 1.1), self.uniform(-0.05, 0.05)
        strength = np.float32(self.uniform(*self.hard.noise))
        noise = self.rng.standard_normal(self.canvas.shape, dtype=np.float32)
        frames = (self.canvas * gain + lift + strength * noise) * 255
        return np.clip(frames + 0.5, 0, 255).astype(np.uint8)
