"""Frames by index, of a video file or of a folder of images; and the writer of the videos drawn here."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctnet.data import decoding
from ctnet.errors import VideoError, unknown

if TYPE_CHECKING:
    import torch

IMAGES = {".jpg", ".jpeg", ".png"}
BACKENDS = ("auto", "decord", "pyav")  # auto is PyAV: right for every file, and the faster of the two
ROUNDING = 16  # by which two decoders may differ in a pixel (10 bit: 5)


def read_frames(path: str | Path, indices: Sequence[int], backend: str = "auto") -> "torch.Tensor":
    """RGB frames (len(indices), H, W, 3), uint8, in the order of `indices` (repeats allowed), rotation applied.

    path: a video file, or a folder of images in the order of their numbers. The reader is opened and closed in the
    call: one kept over a fork hangs. Raises VideoError, which starts with the path, for a file that is missing, broken
    or too short; damage that the decoder cannot see (VP9 has no checks) gives damaged frames.
    """
    import torch  # here: the processes that only write videos start without it

    if backend not in BACKENDS:
        raise unknown("video backend", backend, BACKENDS)
    path = Path(path)
    wanted = [int(i) for i in indices]
    if not os.path.exists(path):  # where the name is too long for a file, Path.exists raises
        raise VideoError(f"{path}: no such file")
    if not wanted or min(wanted) < 0:
        raise VideoError(f"{path}: frame indices must be a list of numbers from 0 up, not {wanted}")
    order = sorted(set(wanted))
    reader = _read_folder if path.is_dir() else _read_decord if backend == "decord" else decoding.decode
    frames = torch.from_numpy(np.stack(reader(path, order)))
    place = {index: k for k, index in enumerate(order)}
    return frames if wanted == order else frames[[place[i] for i in wanted]]


def count_frames(path: str | Path) -> int:
    """Frames that a player shows: headers (and decord) err on cut mp4 files. VideoError where nothing can be read."""
    path = Path(path)
    if not os.path.exists(path):
        raise VideoError(f"{path}: no such file")
    return len(_images(path)) if path.is_dir() else decoding.count(path)


def cut_off(path: str | Path) -> int | None:
    """Frames that a video declares of which the end is missing; None where nothing says so (only AVI files can)."""
    return decoding.cut_off(path) if (path := Path(path)).suffix.lower() == ".avi" and path.is_file() else None


def write_video(path: str | Path, frames: np.ndarray, fps: int = 12) -> None:
    """Writes uint8 frames (T, H, W, 3) as Motion-JPEG without chroma subsampling (.avi), best quality.

    Each frame is coded by itself, so the bytes of a frame do not depend on its neighbours: a clip and its
    reversal decode to exact mirrors. Codecs that predict frames from frames leak the direction of time.
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
    try:
        import decord  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def _read_decord(path: Path, order: list[int]) -> list[np.ndarray]:
    """decord's frames, held against PyAV's: it reads past edit lists, misplaces frames of MPEG-TS, turns half of the
    rotated files, and gives no error for damage. VideoError where the two show different pictures.
    """
    import decord

    ours = decoding.decode(path, order)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        frames = [_unpad(reader[index].asnumpy()) for index in order]
    except Exception as error:  # decord's own errors have no common base
        raise VideoError(f"{path}: decord: {decoding.reason(error)}") from None
    for index, a, b in zip(order, ours, frames, strict=True):
        if a.shape != b.shape or np.abs(a.astype(int) - b).max() > ROUNDING:
            raise VideoError(f"{path}: decord shows another picture as frame {index}; leave the backend at 'auto'")
    return frames


def _unpad(frame: np.ndarray) -> np.ndarray:
    """Rows padded to 64 bytes come out of decord as a frame of more than 3 channels (widths such as 24, 48, 72)."""
    height, width, depth = frame.shape
    return frame if depth == 3 else frame.reshape(height, -1)[:, : width * 3].reshape(height, width, 3)


def _images(path: Path) -> list[Path]:
    """The images of a folder in the order of the numbers that end their names, else of their names.

    VideoError where a number is missing or double: what comes after would be taken for another frame.
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
