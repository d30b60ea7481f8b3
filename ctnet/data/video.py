"""Read frames by index from a video file or a folder of images, and write MotionPairs' videos."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctnet.data import decoding
from ctnet.errors import VideoError, explain_missing_packages, unknown

if TYPE_CHECKING:
    import torch

IMAGES = {".jpg", ".jpeg", ".png"}
BACKENDS = ("auto", "decord", "pyav")  # auto is PyAV: right for every file, and the faster of the two
_ROUNDING = 16  # largest difference of a pixel between two correct decoders (10-bit video: 5)


def read_frames(path: str | Path, indices: Sequence[int], backend: str = "auto") -> "torch.Tensor":
    """Read frames of a video by index.

    Networks take clips as (3, T, H, W): `frames.permute(3, 0, 1, 2)`. `ctnet.inference.prediction.read_views` reads a
    video into the views of a protocol.

    The reader is opened and closed in each call, because a reader that is kept across a fork hangs.

    Args:
        path: A video file, or a folder of images in the order of the numbers in their names.
        indices: Frame indices from 0, in any order, with or without repeats.
        backend: "auto", "pyav" or "decord". decord is checked against PyAV.

    Returns:
        uint8 RGB, (len(indices), H, W, 3), in the order of `indices`, rotated as a player shows it.

    Raises:
        ConfigError: The backend is unknown.
        VideoError: The file is missing, broken or too short; the message starts with the path. Damage that the decoder
            cannot detect (VP9 has no checksums) gives damaged frames.

    Example:
        >>> ctnet.data.read_frames("video.mp4", [0, 10, 20]).shape
        torch.Size([3, 240, 320, 3])
    """
    import torch  # here, so that processes that only write videos start without it

    if backend not in BACKENDS:
        raise unknown("video backend", backend, BACKENDS)
    path = Path(path)
    wanted = [int(i) for i in indices]
    if not os.path.exists(path):  # Path.exists raises if the name is too long
        raise VideoError(f"{path}: no such file")
    if not wanted or min(wanted) < 0:
        raise VideoError(f"{path}: frame indices must be a list of numbers from 0 up, not {wanted}")
    order = sorted(set(wanted))
    reader = _read_folder if path.is_dir() else _read_decord if backend == "decord" else decoding.decode
    frames = torch.from_numpy(np.stack(reader(path, order)))
    place = {index: k for k, index in enumerate(order)}
    return frames if wanted == order else frames[[place[i] for i in wanted]]


def count_frames(path: str | Path) -> int:
    """Count the frames that a player shows.

    The count in a file's header is wrong for mp4 files that were cut, so the packets are counted instead.

    Args:
        path: A video file or a folder of images.

    Raises:
        VideoError: No frame can be read; the message starts with the path.

    Example:
        >>> ctnet.data.count_frames("video.mp4")
        250
    """
    path = Path(path)
    if not os.path.exists(path):
        raise VideoError(f"{path}: no such file")
    return len(_images(path)) if path.is_dir() else decoding.count(path)


def cut_off(path: str | Path) -> int | None:
    """Return the declared frame count of a truncated AVI file, or None for a whole file or another container."""
    return decoding.cut_off(path) if (path := Path(path)).suffix.lower() == ".avi" and path.is_file() else None


def write_video(path: str | Path, frames: np.ndarray, fps: int = 12) -> None:
    """Write a Motion-JPEG file (.avi) without chroma subsampling, at the best quality.

    Each frame is coded alone, so its bytes do not depend on its neighbours: a clip and its reversal decode to exact
    mirrors. Codecs that predict frames from other frames leak the direction of time.

    Args:
        path: The file to write.
        frames: uint8 RGB, (T, H, W, 3).
        fps: Frames per second.

    Example:
        >>> ctnet.data.write_video("clip.avi", np.zeros((8, 32, 32, 3), np.uint8))
    """
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=fps, options={"qmin": "2", "qmax": "2"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj444p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def has_decord() -> bool:
    """Return whether decord can be imported; it has no wheels for some platforms."""
    try:
        import decord  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def _read_decord(path: Path, order: list[int]) -> list[np.ndarray]:
    """Read with decord and compare with PyAV; raise VideoError if they show different pictures.

    decord ignores edit lists, misplaces frames of MPEG-TS, rotates only some files, and reports no damage.
    """
    with explain_missing_packages():
        import decord

    ours = decoding.decode(path, order)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        frames = [_unpad(reader[index].asnumpy()) for index in order]
    except Exception as error:  # decord's errors have no common base class
        raise VideoError(f"{path}: decord: {decoding.reason(error)}") from None
    for index, a, b in zip(order, ours, frames, strict=True):
        if a.shape != b.shape or np.abs(a.astype(int) - b).max() > _ROUNDING:
            raise VideoError(f"{path}: decord shows another picture as frame {index}; leave the backend at 'auto'")
    return frames


def _unpad(frame: np.ndarray) -> np.ndarray:
    """Remove decord's row padding: widths such as 24, 48 or 72 come as frames with more than 3 channels."""
    height, width, depth = frame.shape
    return frame if depth == 3 else frame.reshape(height, -1)[:, : width * 3].reshape(height, width, 3)


def _images(path: Path) -> list[Path]:
    """Return the images of a folder, ordered by the numbers at the end of their names, or else by name.

    Raises VideoError if a number is missing or double: the images after it would be taken for other frames.
    """
    images = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES)
    if not images:
        raise VideoError(f"{path}: a folder without {', '.join(sorted(IMAGES))} files")
    endings = [re.search(r"[0-9]+$", image.stem) for image in images]
    if not all(endings):
        return images
    numbers = {int(ending[0]): image for ending, image in zip(endings, images, strict=True)}
    if len(numbers) < len(images):
        raise VideoError(f"{path}: two images have the same number ({len(images)} images, {len(numbers)} numbers)")
    found = sorted(numbers)
    step = min((b - a for a, b in zip(found, found[1:], strict=False)), default=1)
    for a, b in zip(found, found[1:], strict=False):
        if b - a != step:
            raise VideoError(f"{path}: no image between {numbers[a].name} and {numbers[b].name}")
    return [numbers[k] for k in found]


def _read_folder(path: Path, order: list[int]) -> list[np.ndarray]:
    """Read images of a folder; raise VideoError if one is broken or their sizes differ."""
    from PIL import Image

    images = _images(path)
    if order[-1] >= len(images):
        raise decoding.too_short(path, len(images), order)
    frames = []
    for image in (images[i] for i in order):
        try:
            with Image.open(image) as opened:
                frames.append(np.array(opened.convert("RGB")))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise VideoError(f"{image}: {decoding.reason(error)}") from None
    if len(sizes := {frame.shape for frame in frames}) > 1:
        raise VideoError(f"{path}: images of several sizes: {sorted(sizes)}")
    return frames
