"""A clip and its saliency under a line of text, as a picture (frames in a row, as in Figure 3) or as a video."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ctnet.errors import ConfigError
from ctnet.inference.saliency import overlay
from ctnet.paths import atomic, writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PICTURES, VIDEOS = (".png", ".jpg", ".jpeg"), (".mp4", ".gif")
FPS = 4  # of a video: picked frames are far apart
SIDE, HEADER, DPI = 192, 48, 128  # pixels of a frame's height and of the text's room, and an inch, in powers of 2


def check(path: str | Path) -> str:
    """The suffix of a file that `save` can write; ConfigError for another one or a place that is none."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in PICTURES + VIDEOS:
        raise ConfigError(f"{path}: a picture is {', '.join(PICTURES)}, a video {' or '.join(VIDEOS)}")
    writable(path)
    return suffix


def save(path: str | Path, clip: Tensor, tube: np.ndarray, title: str = ""):
    """Writes the clip and its saliency; the suffix says as what: .png, .jpg (`figure`), .mp4, .gif (side by side).

    clip: (3, T, H, W) uint8 · tube: (T, H, W) in [0, 1]. Raises ConfigError where the file cannot be written.
    """
    suffix = check(path)
    try:
        with atomic(path, alone=False) as part:
            if suffix in PICTURES:
                figure(clip, tube, title).savefig(part)
            else:
                frames = [pixels(titled(np.hstack(pair), title)) for pair in zip(*pictures(clip, tube), strict=True)]
                (write_gif if suffix == ".gif" else write_mp4)(part, frames)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error


def figure(clip: Tensor, tube: np.ndarray, title: str = "") -> "Figure":
    """Frames from left to right, and below them the same frames under their saliency (Figure 3)."""
    return titled(np.vstack([np.hstack(row) for row in pictures(clip, tube)]), title, rows=2)


def pictures(clip: Tensor, tube: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frames and the overlaid frames, (T, H + 2, W + 2, 3) each, with a white edge."""
    pair = [c.permute(1, 2, 3, 0).cpu().numpy() for c in (clip, overlay(clip, tube))]
    return tuple(np.pad(p, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255) for p in pair)


def titled(image: np.ndarray, title: str, rows: int = 1) -> "Figure":
    """An image of `rows` rows of frames and nothing else but a title above it; its size in pixels is even."""
    from matplotlib.figure import Figure

    height = rows * SIDE
    width = 2 * round(height * image.shape[1] / image.shape[0] / 2)
    made = Figure(figsize=(width / DPI, (height + HEADER) / DPI), dpi=DPI)
    axis = made.add_axes((0, 0, 1, height / (height + HEADER)))
    axis.imshow(image, aspect="auto")
    axis.set_axis_off()
    made.text(8 / width, 0.98, title, va="top", fontsize=8, wrap=True, parse_math=False)
    return made


def pixels(figure: "Figure") -> np.ndarray:
    """(H, W, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def write_mp4(path: Path, frames: list[np.ndarray]):
    """H.264, which browsers and players show."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=FPS, options={"crf": "18"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_gif(path: Path, frames: list[np.ndarray]):
    """By Pillow, which picks each frame's colours; FFmpeg's encoder has one palette for all."""
    from PIL import Image

    first, *rest = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=rest, duration=1000 // FPS, loop=0)
