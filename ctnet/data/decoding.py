"""Decode chosen frames of a video file with PyAV, without decoding the frames between them where possible.

One pass over the packets, without decoding, finds the time at which each frame is shown; sorted by time, the frames
are numbered from 0. Only the packets from a key frame to the wanted frame are then decoded, and in H.264 only those of
them that other frames refer to. The frames are the same as those of a reader that decodes everything.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ctnet.errors import VideoError

# Containers that store the time of each frame (AVI stores only the order of decoding), and codecs in which each packet
# is one frame (a VP8 packet may show none). In all others the index of a frame is its position in the decoder's output.
CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
CODECS = {"h264", "hevc", "vp9", "av1"}
SECONDS = 8  # time limit for opening a file and for reading one packet
MAX_PIXELS = 2**26  # per frame: a damaged header may claim a frame that does not fit in memory


class Index(NamedTuple):
    """Where the frames of a file are, in the order in which they are shown.

    Frames that an edit list hides are left out.

    Attributes:
        times: Time of each frame, ascending.
        packets: Number of the packet that holds the frame.
        starts: Number of the packet with the key frame from which it can be decoded.
    """

    times: np.ndarray
    packets: np.ndarray
    starts: np.ndarray


class _OutOfOrder(Exception):
    """The order in which the decoder gives frames contradicts their times, so the times are wrong."""


def index_of(path: Path) -> Index | None:
    """Return the index of a file's frames, or None if its packets do not determine them.

    Raises:
        VideoError: The file cannot be read.
    """
    state = path.stat()
    return _index(path, state.st_size, state.st_mtime_ns)


def count(path: Path) -> int:
    """Count the frames that can be read, by their packets or else by decoding all of them.

    Raises:
        VideoError: The file cannot be read, or has no frames.
    """
    index = index_of(path)
    if index is not None:
        return len(index.times)
    with _stream(path) as (container, stream):
        if found := sum(1 for _ in container.decode(stream)):
            return found
    raise VideoError(f"{path}: no frames in it")


def cut_off(path: Path) -> int | None:
    """Return the declared frame count of a truncated AVI file, or None for any other file.

    A file counts as truncated if it is shorter than its header says, which takes a few bytes to find out. A frame count
    alone proves nothing, because of dropped frames and edit lists.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if (head[:4], head[8:]) != (b"RIFF", b"AVI ") or int.from_bytes(head[4:8], "little") + 8 <= path.stat().st_size:
        return None
    with _stream(path) as (_, stream):
        return stream.frames or None


def decode(path: Path, order: list[int]) -> list[np.ndarray]:
    """Decode frames of a video file.

    Args:
        path: The video file.
        order: Frame indices, ascending, without repeats.

    Returns:
        uint8 RGB arrays (H, W, 3), rotated as a player shows them.

    Raises:
        VideoError: A frame is missing, damaged as far as the decoder can tell, or of another size than the others.
    """
    index = index_of(path)
    if index is None:
        return _in_sequence(path, order)
    if order[-1] >= len(index.times):
        raise too_short(path, len(index.times), order)
    try:
        try:
            return _from_packets(path, index, order)
        except VideoError:  # a packet marked as key frame may not be one: decode everything from the first packet
            return _from_packets(path, index._replace(starts=np.zeros_like(index.starts)), order, skip=False)
    except _OutOfOrder:
        return _in_sequence(path, order)


def too_short(path: Path, count: int, order: list[int]) -> VideoError:
    """Return the error for a video of `count` frames that lacks the last frame of `order`."""
    return VideoError(f"{path}: no frame {order[-1]}, only {count} frames; check the set: python -m ctnet data verify")


def reason(error: Exception) -> str:
    """Return the message of an FFmpeg or image error in one line, without the path that FFmpeg adds."""
    import av

    if isinstance(error, av.error.InvalidDataError):
        return "no video that can be read, or a damaged one (invalid data found)"
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


@contextmanager
def _stream(path: Path) -> Iterator[tuple]:
    """Open a file and yield (container, video stream), with one decoder thread and errors as VideoError.

    Damage that the decoder detects is an error, where FFmpeg would otherwise fill in frames. The file cannot make
    FFmpeg read other files or addresses. FFmpeg gives up after SECONDS; only another process can end a hang inside a
    decoder or in the file system, as the time limit of the loader does.
    """
    import av

    if not path.is_file():
        raise VideoError(f"{path}: not a file" if path.exists() else f"{path}: no such file")  # a pipe would block
    try:
        with av.open(
            f"file:{path}",  # so that no name reads as an address
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
            timeout=SECONDS,
        ) as container:
            videos = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
            if not videos:
                raise VideoError(f"{path}: no video in it")
            if (context := videos[0].codec_context) is None:
                raise VideoError(f"{path}: no decoder for its video")
            context.thread_count = 1
            context.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
            yield container, videos[0]
    except (av.FFmpegError, OSError, ValueError, LookupError, MemoryError) as error:
        raise VideoError(f"{path}: {reason(error)}") from None


def _packets(container, stream) -> Iterator:
    """Yield the packets of a stream, without the empty one that ends it."""
    return (packet for packet in container.demux(stream) if packet.size)


@lru_cache(maxsize=4096)
def _index(path: Path, size: int, changed: int) -> Index | None:
    """Index a file from its packets; size and change time are part of the cache key.

    Returns None if times are missing or double, or if the decoder would give the frames in another order. A truncated
    last packet does not count as a frame.
    """
    with _stream(path) as (container, stream):
        context = stream.codec_context
        intra = context.codec.intra_only
        trusted = intra or (container.format.name in CONTAINERS and context.codec.canonical_name in CODECS)
        found = [(p.pts, p.is_keyframe or intra, p.is_discard, p.is_corrupt) for p in _packets(container, stream)]
        reorders = bool(context.has_b_frames) and not intra
    while found and found[-1][3]:
        found.pop()
    if not trusted or not found or any(pts is None for pts, *_ in found):
        return None
    pts, key, hidden, _ = (np.array(column) for column in zip(*found, strict=True))
    keys = np.flatnonzero(key)
    ascending = bool((np.diff(pts) > 0).all())
    if len(set(pts.tolist())) < len(pts) or not key[0] or (np.diff(pts[keys]) <= 0).any() or (reorders and ascending):
        return None
    packets = np.argsort(pts)
    packets = packets[~hidden[packets]]
    if not len(packets):
        return None
    nearest = np.searchsorted(pts[keys], pts[packets], side="right") - 1
    if (nearest < 0).any():  # a frame before the first key frame cannot be decoded
        return None
    return Index(pts[packets], packets, keys[nearest])


def _spans(index: Index, order: list[int]) -> list[list[int]]:
    """Return the ranges [first, last] of packets to decode, ascending, without overlap."""
    spans: list[list[int]] = []
    for first, last in zip(index.starts[order].tolist(), index.packets[order].tolist(), strict=True):
        if spans and first <= spans[-1][1] + 1:
            spans[-1][1] = max(spans[-1][1], last)
        else:
            spans.append([first, last])
    return spans


def _from_packets(path: Path, index: Index, order: list[int], skip: bool = True) -> list[np.ndarray]:
    """Decode the frames by their times.

    Packets outside the spans are read but not decoded; seeking instead would rely on the file's own index, which can be
    wrong. With `skip`, H.264 frames that no other frame refers to are not decoded unless they are wanted.
    """
    wanted = index.times[order].tolist()
    read = dict.fromkeys(wanted)
    rgb = _Rgb(path)
    with _stream(path) as (container, stream):
        context = stream.codec_context
        skip = skip and context.codec.canonical_name == "h264"  # the codec that marks such frames reliably

        def take(frames: Iterable) -> None:
            nonlocal shown
            for frame in frames:
                if frame.pts is None or (shown is not None and frame.pts <= shown):
                    raise _OutOfOrder
                shown = frame.pts
                if shown in read:
                    read[shown] = rgb(frame)

        packets = enumerate(_packets(container, stream))
        for first, last in _spans(index, order):
            shown = None
            for place, packet in packets:
                if place < first:
                    continue
                if packet.is_corrupt:
                    raise VideoError(f"{path}: packet {place} is damaged")
                if skip:
                    context.skip_frame = "DEFAULT" if packet.pts in read else "NONREF"
                take(context.decode(packet))
                if place == last:
                    break
            if not context.codec.intra_only:  # take what is left in the decoder, and reset it for the next span
                take(context.decode(None))
                context.flush_buffers()
    for place, frame in zip(order, read.values(), strict=True):
        if frame is None:
            raise VideoError(f"{path}: frame {place} cannot be decoded")
    return list(read.values())


def _in_sequence(path: Path, order: list[int]) -> list[np.ndarray]:
    """Decode from the first frame on: slow for a late frame of a long file, but right for every container."""
    read, rgb, wanted, seen = [], _Rgb(path), set(order), 0
    with _stream(path) as (container, stream):
        for frame in container.decode(stream):
            if seen in wanted:
                read.append(rgb(frame))
                if len(read) == len(order):
                    return read
            seen += 1
    raise too_short(path, seen, order) if seen else VideoError(f"{path}: no frames in it")


class _Rgb:
    """Convert decoded frames to uint8 (H, W, 3), rotated and mirrored; raise VideoError if their sizes differ."""

    def __init__(self, path: Path):
        from av.video.reformatter import VideoReformatter

        self.path, self.shape = path, None
        self.convert: Callable = VideoReformatter().reformat  # shared by all frames: the set-up is what costs

    def __call__(self, frame) -> np.ndarray:
        if frame.is_corrupt:
            raise VideoError(f"{self.path}: a damaged frame")
        array = _upright(self.convert(frame, format="rgb24", threads=1).to_ndarray(), frame)
        if self.shape not in (None, array.shape):
            raise VideoError(f"{self.path}: frames of several sizes ({self.shape[:2]} and {array.shape[:2]})")
        self.shape = array.shape
        return array


def _upright(array: np.ndarray, frame) -> np.ndarray:
    """Apply the display matrix, x' = a x + c y and y' = b x + d y, rounded to quarter turns."""
    if (matrix := frame.side_data.get("DISPLAYMATRIX")) is None:
        return array
    (a, b), (c, d) = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2].tolist()
    if abs(a) < abs(b):
        array, a, d = array.swapaxes(0, 1), c, b
    return array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
