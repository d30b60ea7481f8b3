"""Random reads through `read_frames`, with an eye on memory, open handles and threads."""

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

FRAMES = 48  # of each file
GROWTH = 2.0  # KiB a read that resident memory may grow by: a frame that stays is thirty times as much
WARM = 100  # reads before the first look: libraries set themselves up
HANG = 60  # seconds after which a read counts as hung, and the soak ends with its traceback
PREDICTED = {  # frames predicted from others, before and after
    "h264.mp4": ("libx264", {"g": 12, "bf": 2}),
    "mpeg4.avi": ("mpeg4", {"g": 12, "bf": 2}),
    "vp9.webm": ("libvpx-vp9", {"g": 12, "cpu-used": 8}),
}


class Sample(NamedTuple):
    """What the process holds after so many reads; memory in KiB."""

    read: int
    memory: float
    handles: int
    threads: int


def videos(folder: Path, frames: np.ndarray) -> list[Path]:
    """The frames as Motion-JPEG, in every predicting codec that can be encoded here, and as a folder of images."""
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


def reads(count: int, minutes: float, seed: int) -> dict:
    """Random frames of random files, among them cut files and indices past the end, until the count or the time."""
    draw, until, samples, failures = random.Random(seed), time.monotonic() + 60 * minutes, [], []
    frames = scene(FRAMES, 120, 160)
    with TemporaryDirectory() as folder:
        files = {path: decode_all(path) if path.is_file() else frames for path in videos(Path(folder), frames)}
        cut = [path.with_name(f"cut-{path.name}") for path in files if path.is_file()]
        for path in cut:
            whole = path.with_name(path.name.removeprefix("cut-")).read_bytes()
            path.write_bytes(whole[: len(whole) // 20])
        for done in range(-WARM, count):
            if done >= 0 and done % max(1, count // 100) == 0:
                samples.append(sample(done))
                if time.monotonic() > until:
                    break
            faulthandler.dump_traceback_later(HANG, exit=True, file=sys.__stderr__)
            path = draw.choice([*files, *cut])
            indices = [draw.randrange(FRAMES + (draw.random() < 0.1)) for _ in range(draw.randint(1, 8))]
            if wrong := read(path, indices, files.get(path)):
                failures.append(f"{path.name} {indices}: {wrong}")
        else:
            samples.append(sample(count))
        faulthandler.cancel_dump_traceback_later()
    return {
        "reads": samples[-1].read,
        "files": [path.name for path in files],
        "growth_kib": growth(samples),
        "bound_kib": GROWTH,
        "samples": [s._asdict() for s in samples],
        "failures": failures + grown(samples),
    }


def read(path: Path, indices: list[int], frames: np.ndarray | None) -> str | None:
    """What is wrong with a read; frames: those of the whole file, None of a cut one, which may give an error."""
    try:
        found = read_frames(path, indices).numpy()
    except VideoError as error:
        return str(error) if frames is not None and max(indices) < FRAMES else None
    if max(indices) >= FRAMES:
        return "a frame past the end"
    return None if frames is None or np.array_equal(found, frames[indices]) else "other frames than a player shows"


def sample(done: int) -> Sample:
    process = psutil.Process()
    return Sample(done, process.memory_info().rss / 1024, process.num_fds(), process.num_threads())


def growth(samples: Sequence[Sample]) -> float:
    """KiB a read over the second half: the median of the slopes between any two samples, which a spike does not
    move."""
    from scipy.stats import theilslopes

    late = samples[len(samples) // 2 :]
    return round(float(theilslopes([s.memory for s in late], [s.read for s in late]).slope), 3)


def grown(samples: Sequence[Sample]) -> list[str]:
    """One line for each thing of which there is more and more."""
    first, last = samples[0], samples[-1]
    lines = [
        f"{what}: {getattr(first, what)} at the start, {getattr(last, what)} after {last.read} reads"
        for what in ("handles", "threads")
        if getattr(last, what) > getattr(first, what)
    ]
    if (slope := growth(samples)) > GROWTH:
        lines.append(f"memory: {slope} KiB more with each read, where at most {GROWTH} are allowed")
    return lines
