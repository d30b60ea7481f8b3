"""Write unusual video files with PyAV, and decode whole files as a reference for `read_frames`."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def scene(count: int = 30, height: int = 36, width: int = 64) -> np.ndarray:
    """Draw frames that all differ from each other and from their mirrored and turned versions.

    Args:
        count: Number of frames T.
        height: Height H in pixels.
        width: Width W in pixels.

    Returns:
        uint8 (T, H, W, 3).
    """
    y, x = np.mgrid[:height, :width]
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0], frames[..., 1] = x * 180 // width, y * 180 // height
    for t, frame in enumerate(frames):
        frame[..., 2] = t * 250 // count
        frame[4:12, 3 + t % 40 : 11 + t % 40] = 250  # moves, so encoders predict frames from each other
    return frames


def encode(path: Path, frames: np.ndarray, codec: str = "libx264", **options) -> Path:
    """Write frames as a video.

    Args:
        path: The file to write.
        frames: uint8 (T, H, W, 3).
        codec: Name of PyAV's encoder.
        **options: `pix_fmt`: pixel format; `times`: time of each frame in tenths of a second; `turn` and `mirror`: the
            display matrix, in degrees and as a flag; `muxer`: options of the muxer; `shift`: number of leading frames
            that an edit list hides. All other options go to the encoder.

    Returns:
        `path`.
    """
    times, turn = options.pop("times", None), options.pop("turn", None)
    mirror, muxer = options.pop("mirror", False), options.pop("muxer", {})
    pix_fmt, shift = options.pop("pix_fmt", "yuv420p"), options.pop("shift", 0)
    target = path.with_name(f"whole-{path.name}") if shift else path
    with av.open(f"file:{target}", "w", options=muxer) as container:
        rate = 25 if path.suffix == ".mpg" else 10
        stream = container.add_stream(codec, rate=rate, options={k: str(v) for k, v in options.items()})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        if turn is not None:
            stream.set_display_rotation(turn, hflip=mirror)
        for t, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[t], Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if shift:
        remux(target, path, shift)
    return path


def remux(source: Path, target: Path, shift: int = 0) -> Path:
    """Copy the packets of a video, `shift` tenths of a second earlier.

    In an mp4 file, an edit list then hides what lies before time 0.
    """
    with (
        av.open(f"file:{source}") as whole,
        av.open(f"file:{target}", "w", options={"avoid_negative_ts": "disabled"}) as copy,
    ):
        stream = whole.streams.video[0]
        to = copy.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.size:
                packet.pts -= int(shift / 10 / stream.time_base)
                packet.dts -= int(shift / 10 / stream.time_base)
                packet.stream = to
                copy.mux(packet)
    return target


def exchange(source: Path, target: Path, one: int, other: int) -> Path:
    """Copy the packets of a video, all one second later, and swap the times of packets number `one` and `other`."""
    with av.open(f"file:{source}") as whole, av.open(f"file:{target}", "w") as copy:
        to = copy.add_stream_from_template(whole.streams.video[0])
        packets = [packet for packet in whole.demux(video=0) if packet.size]
        packets[one].pts, packets[other].pts = packets[other].pts, packets[one].pts
        for packet in packets:
            packet.pts += int(1 / packet.time_base)  # so that no frame is shown before it is decoded
            packet.stream = to
            copy.mux(packet)
    return target


def sound(path: Path) -> Path:
    """Write an audio file with one second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decode_all(path: Path) -> np.ndarray:
    """Decode all frames in order, without applying the display matrix.

    Returns:
        uint8 (T, H, W, 3).
    """
    with av.open(f"file:{path}") as container:
        container.streams.video[0].codec_context.thread_count = 1
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
