"""Which packet of a video file holds which frame, and which packets must be decoded for the frames wanted.

All through PyAV. One pass over the packets, without decoding, gives the times at which frames are shown; sorted,
they are the frames' indices. Of a file only the packets from a key frame to the frame wanted are decoded, and of
these in H.264 only those that others refer to: fewer than a sequential reader decodes, and the same frames.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ctnet.errors import VideoError

# Containers that keep the times of frames (AVI has only the order of decoding), and codecs of which each packet is one
# frame (one of VP8 may show none). In all others a frame's index is its place as it comes out of the decoder.
CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
CODECS = {"h264", "hevc", "vp9", "av1"}
SECONDS = 8  # that opening a file, or getting one packet of it, may take
MAX_PIXELS = 2**26  # of a frame: a damaged header may claim more than there is memory


class Index(NamedTuple):
    """times: when each frame is shown, ascending, without those that an edit list hides · packets: which packet holds
    it · starts: the packet of the key frame from which on it can be decoded.
    """

    times: np.ndarray
    packets: np.ndarray
    starts: np.ndarray


class _OutOfOrder(Exception):
    """Frames do not come out of the decoder in the order of their times: the times are wrong."""


def index_of(path: Path) -> Index | None:
    """The frames of a file by the times of its packets; None where these do not tell. VideoError if unreadable."""
    state = path.stat()
    return _index(path, state.st_size, state.st_mtime_ns)


def count(path: Path) -> int:
    """How many frames can be read: packets where they tell, else by decoding all."""
    index = index_of(path)
    if index is not None:
        return len(index.times)
    with _stream(path) as (container, stream):
        if found := sum(1 for _ in container.decode(stream)):
            return found
    raise VideoError(f"{path}: no frames in it")


def cut_off(path: Path) -> int | None:
    """Frames that an AVI file declares whose end is missing: it is shorter than its header says; None of all others.

    Reads a few bytes of a whole file. Of a count alone nothing follows: dropped frames, edit lists.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if (head[:4], head[8:]) != (b"RIFF", b"AVI ") or int.from_bytes(head[4:8], "little") + 8 <= path.stat().st_size:
        return None
    with _stream(path) as (_, stream):
        return stream.frames or None


def decode(path: Path, order: list[int]) -> list[np.ndarray]:
    """RGB (H, W, 3), uint8, of the frames `order` (ascending, no repeats), turned as a player shows them.

    Raises VideoError where a frame is missing, damaged as far as the decoder can tell, or of another size.
    """
    index = index_of(path)
    if index is None:
        return _in_sequence(path, order)
    if order[-1] >= len(index.times):
        raise too_short(path, len(index.times), order)
    try:
        try:
            return _from_packets(path, index, order)
        except VideoError:  # where it is a key frame that is none: all from the first packet on
            return _from_packets(path, index._replace(starts=np.zeros_like(index.starts)), order, skip=False)
    except _OutOfOrder:
        return _in_sequence(path, order)


def too_short(path: Path, count: int, order: list[int]) -> VideoError:
    return VideoError(f"{path}: frame {order[-1]} asked of {count}; run `ctnet data verify` on its folder")


def reason(error: Exception) -> str:
    """One line, without the path that FFmpeg adds."""
    import av

    if isinstance(error, av.error.InvalidDataError):
        return "no video that can be read, or a damaged one (invalid data found)"
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


@contextmanager
def _stream(path: Path) -> Iterator[tuple]:
    """(container, video stream), one thread, errors as VideoError.

    Damage is an error, as far as the decoder sees it, where FFmpeg would fill frames in. A file may not name other
    files or addresses to read. FFmpeg is asked to give up after SECONDS in opening or in one packet; what hangs inside
    a decoder or in the file system only another process can end: the loader's time limit does.
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
    return (packet for packet in container.demux(stream) if packet.size)


@lru_cache(maxsize=4096)
def _index(path: Path, size: int, changed: int) -> Index | None:
    """A cut last packet is no frame. None: times are missing, double or in an order that the decoder will not keep."""
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
    if (nearest < 0).any():  # shown before the first key frame: cannot be decoded
        return None
    return Index(pts[packets], packets, keys[nearest])


def _spans(index: Index, order: list[int]) -> list[list[int]]:
    """[first, last] packets to decode, in order, without overlap."""
    spans: list[list[int]] = []
    for first, last in zip(index.starts[order].tolist(), index.packets[order].tolist(), strict=True):
        if spans and first <= spans[-1][1] + 1:
            spans[-1][1] = max(spans[-1][1], last)
        else:
            spans.append([first, last])
    return spans


def _from_packets(path: Path, index: Index, order: list[int], skip: bool = True) -> list[np.ndarray]:
    """Frames by their times. Packets between the spans are passed over: to seek is to trust a file's own index."""
    wanted = index.times[order].tolist()
    read = dict.fromkeys(wanted)
    rgb = _Rgb(path)
    with _stream(path) as (container, stream):
        context = stream.codec_context
        skip = skip and context.codec.canonical_name == "h264"  # where no frame ever refers to a skipped one

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
            if not context.codec.intra_only:  # else all has come out, and nothing refers to it
                take(context.decode(None))
                context.flush_buffers()
    for place, frame in zip(order, read.values(), strict=True):
        if frame is None:
            raise VideoError(f"{path}: frame {place} cannot be decoded")
    return list(read.values())


def _in_sequence(path: Path, order: list[int]) -> list[np.ndarray]:
    """Decodes from the first frame on: slow for a late frame of a long file, right for every container."""
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
    """Decoded frame -> uint8 (H, W, 3), turned and mirrored by the file's display matrix; all of one size."""

    def __init__(self, path: Path):
        from av.video.reformatter import VideoReformatter

        self.path, self.shape = path, None
        self.convert: Callable = VideoReformatter().reformat  # one for all frames: setting it up costs most

    def __call__(self, frame) -> np.ndarray:
        if frame.is_corrupt:
            raise VideoError(f"{self.path}: a damaged frame")
        array = upright(self.convert(frame, format="rgb24", threads=1).to_ndarray(), frame)
        if self.shape not in (None, array.shape):
            raise VideoError(f"{self.path}: frames of several sizes ({self.shape[:2]} and {array.shape[:2]})")
        self.shape = array.shape
        return array


def upright(array: np.ndarray, frame) -> np.ndarray:
    """Applies the display matrix, x' = a x + c y, y' = b x + d y, to the nearest quarter turn."""
    if (matrix := frame.side_data.get("DISPLAYMATRIX")) is None:
        return array
    (a, b), (c, d) = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2].tolist()
    if abs(a) < abs(b):
        array, a, d = array.swapaxes(0, 1), c, b
    return array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
