"""Random reads of videos in one process: each frame is compared, and memory, handles and threads are watched."""

import faulthandler
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import psutil

from ctnet.data.video import read_frames, write_video
from ctnet.errors import VideoError
from tests.support.videos import decode_all, encode, scene

FRAMES = 48  # frames in each file
MAX_GROWTH = 2.0  # KiB of resident memory per read; leaking one frame per read would be thirty times as much
WARM_UP = 100  # reads before the first sample, while libraries set themselves up
HANG = 60  # seconds after which a read counts as hung, and the process ends with a traceback
PREDICTED = {  # codecs that predict frames from earlier and later ones
    "h264.mp4": ("libx264", {"g": 12, "bf": 2}),
    "mpeg4.avi": ("mpeg4", {"g": 12, "bf": 2}),
    "vp9.webm": ("libvpx-vp9", {"g": 12, "cpu-used": 8}),
}


class Sample(NamedTuple):
    """What the process holds after a number of reads.

    Attributes:
        read: Number of reads so far.
        memory: Resident memory in KiB.
        handles: Number of open file handles.
        threads: Number of threads.
    """

    read: int
    memory: float
    handles: int
    threads: int


def write_videos(folder: Path, frames: np.ndarray) -> list[Path]:
    """Write the frames as Motion-JPEG, in each codec of `PREDICTED` that PyAV has here, and as a folder of images.

    Args:
        folder: An empty folder.
        frames: uint8 (T, H, W, 3).

    Returns:
        The files and the folder of images, sorted.
    """
    import av
    from PIL import Image

    write_video(folder / "mjpeg.avi", frames)
    for name, (codec, options) in PREDICTED.items():
        if codec in av.codecs_available:
            encode(folder / name, frames, codec, **options)
    (folder / "frames").mkdir()
    for k, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(folder / "frames" / f"{k:05d}.png")
    return sorted(folder.iterdir())


def run_reads(count: int, minutes: float, seed: int, warm_up: int = WARM_UP) -> dict:
    """Read random frames of random files, including truncated files and indices past the end.

    Args:
        count: Number of reads.
        minutes: Time limit; the reads done by then are reported.
        seed: Seed of the choice of files and frames.
        warm_up: Number of reads before the first sample.

    Returns:
        The section "reads" of the record: number of reads, names of the files, samples, growth and failures.
    """
    rng, until, samples, failures = random.Random(seed), time.monotonic() + 60 * minutes, [], []
    frames = scene(FRAMES, 120, 160)
    with TemporaryDirectory() as folder:
        files = {path: decode_all(path) if path.is_file() else frames for path in write_videos(Path(folder), frames)}
        truncated = [path.with_name(f"cut-{path.name}") for path in files if path.is_file()]
        for path in truncated:
            whole = path.with_name(path.name.removeprefix("cut-")).read_bytes()
            path.write_bytes(whole[: len(whole) // 20])
        for done in range(-warm_up, count):
            if done >= 0 and done % max(1, count // 100) == 0:
                samples.append(take_sample(done))
                if time.monotonic() > until:
                    break
            faulthandler.dump_traceback_later(HANG, exit=True, file=sys.__stderr__)
            path = rng.choice([*files, *truncated])
            indices = [rng.randrange(FRAMES + (rng.random() < 0.1)) for _ in range(rng.randint(1, 8))]
            if wrong := check_read(path, indices, files.get(path)):
                failures.append(f"{path.name} {indices}: {wrong}")
        else:
            samples.append(take_sample(count))
        faulthandler.cancel_dump_traceback_later()
    return {
        "reads": samples[-1].read,
        "files": [path.name for path in files],
        "growth_kib": memory_growth(samples),
        "bound_kib": MAX_GROWTH,
        "samples": [s._asdict() for s in samples],
        "failures": failures + find_leaks(samples),
    }


def check_read(path: Path, indices: list[int], expected: np.ndarray | None) -> str | None:
    """Read frames of a file and compare them.

    Args:
        path: The video.
        indices: Frames to read; an index of `FRAMES` or more must give a VideoError.
        expected: All frames of the file; None for a truncated file, where a VideoError is allowed.

    Returns:
        What is wrong, or None.
    """
    try:
        found = read_frames(path, indices).numpy()
    except VideoError as error:
        return str(error) if expected is not None and max(indices) < FRAMES else None
    if max(indices) >= FRAMES:
        return "read a frame past the end"
    if expected is not None and not np.array_equal(found, expected[indices]):
        return "frames differ from a full decode"
    return None


def take_sample(done: int) -> Sample:
    """Measure what this process holds now, after `done` reads."""
    process = psutil.Process()
    return Sample(done, process.memory_info().rss / 1024, process.num_fds(), process.num_threads())


def memory_growth(samples: Sequence[Sample]) -> float:
    """Return the growth of memory in KiB per read over the second half of the samples.

    It is the median of the slopes between any two samples, so a single spike does not change it.
    """
    from scipy.stats import theilslopes

    late = samples[len(samples) // 2 :]
    if len(late) < 2:
        return 0.0
    return round(float(theilslopes([s.memory for s in late], [s.read for s in late]).slope), 3)


def find_leaks(samples: Sequence[Sample]) -> list[str]:
    """Return one line each for handles, threads and memory if they grew."""
    first, last = samples[0], samples[-1]
    lines = [
        f"{what}: {getattr(first, what)} at the start, {getattr(last, what)} after {last.read} reads"
        for what in ("handles", "threads")
        if getattr(last, what) > getattr(first, what)
    ]
    if (slope := memory_growth(samples)) > MAX_GROWTH:
        lines.append(f"memory: grew by {slope} KiB per read; at most {MAX_GROWTH} are allowed")
    return lines
