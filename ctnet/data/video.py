"""Frames of a video file by index: decord first, PyAV where it is missing, fails or errs."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctnet.errors import VideoError, unknown

if TYPE_CHECKING:
    import torch

IMAGES = {".jpg", ".jpeg", ".png"}
BACKENDS = ("auto", "decord", "pyav")


def read_frames(path: str | Path, indices: Sequence[int], backend: str = "auto") -> "torch.Tensor":
    """RGB frames (len(indices), H, W, 3), uint8, in the order of `indices` (repeats allowed).

    path: a video file, or a folder of images (sorted by name). The reader is opened and closed in the call:
    one kept over a fork hangs. Raises VideoError, which starts with the path, for a file that is missing,
    broken or too short.
    """
    import torch  # here: the processes that only write videos start without it

    if backend not in BACKENDS:
        raise unknown("video backend", backend, BACKENDS)
    path = Path(path)
    wanted = [int(i) for i in indices]
    if not path.exists():
        raise VideoError(f"{path}: no such file")
    if not wanted or min(wanted) < 0:
        raise VideoError(f"{path}: frame indices must be a list of numbers from 0 up, not {wanted}")
    order = sorted(set(wanted))
    if path.is_dir():
        frames = _read_folder(path, order)
    elif backend == "pyav" or (backend == "auto" and not _decord_is_right(path)):
        frames = _read_pyav(path, order)
    else:
        try:
            frames = _read_decord(path, order)
        except Exception as error:  # decord's own errors have no common base
            if backend == "decord":
                raise (error if isinstance(error, VideoError) else VideoError(f"{path}: {_reason(error)}")) from None
            frames = _read_pyav(path, order)  # has the last word, and makes the message
    place = {index: k for k, index in enumerate(order)}
    frames = torch.from_numpy(np.stack(frames))
    return frames if wanted == order else frames[[place[i] for i in wanted]]


def count_frames(path: str | Path) -> int:
    """Frames that a player shows, counted packet by packet: headers (and decord) err on cut mp4 files."""
    import av

    path = Path(path)
    if path.is_dir():
        return len(_images(path))
    try:
        with av.open(str(path)) as container:
            packets = container.demux(container.streams.video[0])
            return sum(p.size > 0 and p.pts is not None and not p.is_discard for p in packets)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise VideoError(f"{path}: {_reason(error)}") from None


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


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return "no video in it" if isinstance(error, IndexError) else text.splitlines()[0][:200]


@lru_cache(maxsize=65536)
def _cut_mp4(path: Path, size: int) -> bool:
    """Whether players skip packets of this file (edit list): decord does not, its frames are shifted."""
    import av

    try:
        with av.open(str(path)) as container:
            return any(p.is_discard for p in container.demux(container.streams.video[0]))
    except (av.FFmpegError, IndexError, OSError):
        return False


def _decord_is_right(path: Path) -> bool:
    if not has_decord() or path.suffix.lower() in {".ts", ".mts", ".m2ts"}:
        return False
    return path.suffix.lower() not in {".mp4", ".mov", ".m4v"} or not _cut_mp4(path, path.stat().st_size)


def _too_short(path: Path, count: int, order: list[int]) -> VideoError:
    return VideoError(f"{path}: frame {order[-1]} asked of {count}; run `ctnet data verify` on its folder")


def _read_decord(path: Path, order: list[int]) -> list[np.ndarray]:
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    if order[-1] >= len(reader):
        raise _too_short(path, len(reader), order)
    frames = []
    for index in order:
        frame = reader[index].asnumpy()
        height, width, depth = frame.shape
        if depth != 3:  # rows padded to 64 bytes, read by decord as more channels (widths such as 24, 48, 72)
            frame = frame.reshape(height, -1)[:, : width * 3].reshape(height, width, 3)
        frames.append(frame)
    return frames


def _read_pyav(path: Path, order: list[int]) -> list[np.ndarray]:
    """Decodes from the first frame on: slow for a late frame of a long file, right for every container."""
    import av

    frames, wanted, count = [], set(order), 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                if count in wanted:
                    frames.append(frame.to_ndarray(format="rgb24"))
                count += 1
                if len(frames) == len(order):
                    return frames
    except (av.FFmpegError, IndexError, KeyError, OSError) as error:
        raise VideoError(f"{path}: {_reason(error)}") from None
    raise _too_short(path, count, order)


def _images(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES)


def _read_folder(path: Path, order: list[int]) -> list[np.ndarray]:
    images = _images(path)
    if not images:
        raise VideoError(f"{path}: a folder without {', '.join(sorted(IMAGES))} files")
    if order[-1] >= len(images):
        raise _too_short(path, len(images), order)
    return [_read_pyav(images[i], [0])[0] for i in order]
