"""Writes a clip and its saliency with a title, as a picture (frames in a row, as in Figure 3) or as a video."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ctnet.errors import ConfigError, explain_missing_packages
from ctnet.inference.saliency import overlay
from ctnet.paths import atomic, writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PICTURES, VIDEOS = (".png", ".jpg", ".jpeg"), (".mp4", ".gif")
FPS = 4  # slow, as the frames were sampled from the whole video
SIDE, HEADER = 192, 48  # height of a frame and of the title's space in pixels
DPI = 128  # pixels per inch; with powers of 2 no size is rounded


def check(path: str | Path) -> str:
    """Check that `save` can write a file, before the work for it is done.

    Args:
        path: The file to write.

    Returns:
        Its suffix in lower case.

    Raises:
        ConfigError: For another suffix, a missing folder, or a path that is a folder.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in PICTURES + VIDEOS:
        raise ConfigError(f"{path}: a picture is {', '.join(PICTURES)}, a video {' or '.join(VIDEOS)}")
    writable(path)
    return suffix


def save(path: str | Path, clip: Tensor, tube: np.ndarray, title: str = "") -> None:
    """Write a clip and its saliency to a file.

    Args:
        path: .png or .jpg for `figure`; .mp4 or .gif for a video with each frame beside its overlay.
        clip: (3, T, H, W), uint8.
        tube: (T, H, W) in [0, 1].
        title: Text above the frames.

    Raises:
        ConfigError: If the file cannot be written.
    """
    suffix = check(path)
    try:
        with atomic(path, alone=False) as part:
            if suffix in PICTURES:
                figure(clip, tube, title).savefig(part)
            else:
                pairs = zip(*_pictures(clip, tube), strict=True)
                frames = [pixels(draw_titled(np.hstack(pair), title)) for pair in pairs]
                (_write_gif if suffix == ".gif" else _write_mp4)(part, frames)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error


def figure(clip: Tensor, tube: np.ndarray, title: str = "") -> "Figure":
    """Return a figure of the frames from left to right, and below them the same frames with saliency (Figure 3).

    Args:
        clip: (3, T, H, W), uint8.
        tube: (T, H, W) in [0, 1].
        title: Text above the frames.
    """
    return draw_titled(np.vstack([np.hstack(row) for row in _pictures(clip, tube)]), title, rows=2)


def _pictures(clip: Tensor, tube: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames and the overlaid frames, (T, H + 2, W + 2, 3) each, with a white border."""
    pair = [c.permute(1, 2, 3, 0).cpu().numpy() for c in (clip, overlay(clip, tube))]
    return tuple(np.pad(p, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255) for p in pair)


def draw_titled(image: np.ndarray, title: str, rows: int = 1) -> "Figure":
    """Return a figure of an image and a title above it, without axes; its width in pixels is even.

    Args:
        image: (H, W, 3), uint8.
        title: Text above it, wrapped if it is long.
        rows: Rows of frames in the image, each drawn `SIDE` pixels high.
    """
    with explain_missing_packages():
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
    """Return a figure as an image, (H, W, 3), uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _write_mp4(path: Path, frames: list[np.ndarray]) -> None:
    """Write frames as H.264, which browsers and players can show."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=FPS, options={"crf": "18"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _write_gif(path: Path, frames: list[np.ndarray]) -> None:
    """Write frames with Pillow, which gives each its own colours; FFmpeg uses one palette for all."""
    from PIL import Image

    first, *rest = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=rest, duration=1000 // FPS, loop=0)
