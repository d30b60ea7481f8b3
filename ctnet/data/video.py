"""Frames of a video file by index, read by decord or PyAV: whichever is right for the file, and then the faster."""

from collections.abc import Callable, Sequence
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
    else:
        reader = {"decord": _read_decord, "pyav": _read_pyav}.get(backend) or _reader_for(path, path.stat().st_size)
        frames = reader(path, order)
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
            return sum(map(_is_frame, container.demux(container.streams.video[0])))
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


def _is_frame(packet) -> bool:
    """Whether a packet holds a frame that a player shows."""
    return packet.size > 0 and packet.pts is not None and not packet.is_discard


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
def _reader_for(path: Path, size: int) -> Callable[[Path, list[int]], list[np.ndarray]]:
    """The reader that is right for a file, and of those the fastest.

    decord reads past edit lists (cut mp4 files) and misplaces frames of MPEG-TS, without a word. Where every frame
    is coded by itself, PyAV takes single packets: at 48 x 48 in a fifth of decord's time.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if stream.codec_context.codec.intra_only:
                return _read_intra
            if path.suffix.lower() in {".mp4", ".mov", ".m4v"} and any(p.is_discard for p in container.demux(stream)):
                return _read_pyav
    except (av.FFmpegError, IndexError, OSError):
        pass  # the reader makes the message
    if not has_decord() or path.suffix.lower() in {".ts", ".mts", ".m2ts"}:
        return _read_pyav
    return _read_decord_or_pyav


def _too_short(path: Path, count: int, order: list[int]) -> VideoError:
    return VideoError(f"{path}: frame {order[-1]} asked of {count}; run `ctnet data verify` on its folder")


def _read_decord(path: Path, order: list[int]) -> list[np.ndarray]:
    import decord

    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        if order[-1] < len(reader):
            return [_unpad(reader[index].asnumpy()) for index in order]
    except Exception as error:  # decord's own errors have no common base
        raise VideoError(f"{path}: {_reason(error)}") from None
    raise _too_short(path, len(reader), order)


def _read_decord_or_pyav(path: Path, order: list[int]) -> list[np.ndarray]:
    try:
        return _read_decord(path, order)
    except VideoError:
        return _read_pyav(path, order)  # has the last word, and makes the message


def _unpad(frame: np.ndarray) -> np.ndarray:
    """Rows padded to 64 bytes come out of decord as a frame of more than 3 channels (widths such as 24, 48, 72)."""
    height, width, depth = frame.shape
    return frame if depth == 3 else frame.reshape(height, -1)[:, : width * 3].reshape(height, width, 3)


def _decode(path: Path, order: list[int], frames_of: Callable, **options: str) -> list[np.ndarray]:
    """RGB of the wanted ones among the frames (or undecoded packets) that `frames_of(container, stream)` yields."""
    import av
    from av.video.reformatter import VideoReformatter

    rgb, wanted, read, count = VideoReformatter(), set(order), [], 0  # one reformatter: setting it up costs most
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count, stream.codec_context.options = 1, options
            for item in frames_of(container, stream):
                if count in wanted:
                    frame = item if isinstance(item, av.VideoFrame) else item.decode()[0]
                    read.append(rgb.reformat(frame, format="rgb24", threads=1).to_ndarray())
                    if len(read) == len(order):
                        return read
                count += 1
    except (av.FFmpegError, IndexError, KeyError, OSError) as error:
        raise VideoError(f"{path}: {_reason(error)}") from None
    raise _too_short(path, count, order)


def _read_pyav(path: Path, order: list[int]) -> list[np.ndarray]:
    """Decodes from the first frame on: slow for a late frame of a long file, right for every container."""
    return _decode(path, order, lambda container, stream: container.decode(stream))


def _read_intra(path: Path, order: list[int]) -> list[np.ndarray]:
    """Decodes the wanted packets only; for streams in which every frame is coded by itself. A damaged frame is an
    error, where FFmpeg would fill it in.
    """
    packets = lambda container, stream: filter(_is_frame, container.demux(stream))  # noqa: E731
    return _decode(path, order, packets, err_detect="explode")


def _images(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES)


def _read_folder(path: Path, order: list[int]) -> list[np.ndarray]:
    images = _images(path)
    if not images:
        raise VideoError(f"{path}: a folder without {', '.join(sorted(IMAGES))} files")
    if order[-1] >= len(images):
        raise _too_short(path, len(images), order)
    return [_read_pyav(images[i], [0])[0] for i in order]
