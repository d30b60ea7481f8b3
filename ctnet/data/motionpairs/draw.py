"""MotionPairs as video files on disk: how much of it there is at each scale, and the drawing of it.

A set is drawn into a hidden folder beside its place and renamed at the end, so whatever bears its name is
finished. A killed run leaves only the hidden folder, which the next one completes.
"""

import json
import shutil
from collections import deque
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from ctnet.data import fanout, motionpairs
from ctnet.data.manifest import INFO, Row, dataset_facts, write_info, write_manifest
from ctnet.errors import DataError, unknown

NAME = "motionpairs"


@dataclass(frozen=True)
class DrawnSize:
    """How much of MotionPairs is drawn: pixels a side, frames, clips per class of each split; how hard."""

    size: int
    frames: int
    train: int
    test: int
    seed: int = 0
    difficulty: motionpairs.Difficulty = field(default_factory=motionpairs.Difficulty)


# 8 test frames are segment centres: of 8 or 24 frames they are the same for a clip and its reversal (of 16
# they are not), so that a network blind to order is held to exactly one right answer in each pair of twins.
DRAWN_SIZES = {
    "smoke": DrawnSize(size=32, frames=8, train=4, test=4),
    "cpu": DrawnSize(
        size=32, frames=24, train=64, test=24, difficulty=motionpairs.Difficulty(noise=0.03, shake=0.006, waves=2)
    ),
    "gpu": DrawnSize(size=112, frames=24, train=256, test=64),
}


def known(scale: str) -> str:
    """The scale, if there is one of this name; else ConfigError."""
    if scale not in DRAWN_SIZES:
        raise unknown(f"scale of {NAME}", scale, DRAWN_SIZES)
    return scale


def facts(scale: str) -> dict:
    """What dataset.json holds; a set on disk that says anything else is not this one."""
    size = DRAWN_SIZES[known(scale)]
    return dataset_facts(
        name=f"{NAME}-{scale}",
        classes=motionpairs.CLASSES,
        splits={split: getattr(size, split) * len(motionpairs.CLASSES) for split in motionpairs.SPLITS},
        version=motionpairs.VERSION,
        scale=scale,
        tiers=motionpairs.TIERS,
        reverse=motionpairs.REVERSE,
        flip=motionpairs.FLIP,
        drawn=json.loads(json.dumps(asdict(size))),
    )


def version(scale: str) -> str:
    """Changes with everything that decides what clips the set holds."""
    return sha256(json.dumps(facts(scale), sort_keys=True).encode()).hexdigest()[:8]


def finished(folder: Path, scale: str) -> bool:
    """Whether the set of this scale and version is there, finished."""
    try:
        return json.loads((folder / INFO).read_text()) == facts(scale)
    except (OSError, ValueError):
        return False


def draw(folder: Path, scale: str, workers: int) -> Path:
    """Draws the set with a progress bar, unless it is there, and returns its folder.

    Two calls at once wait for each other; a killed call is taken up where it stopped; what is there of another version
    or size is drawn anew.
    """
    from filelock import FileLock

    if finished(folder, scale):
        return folder
    partial = folder.with_name(f".{folder.name}-{version(scale)}.partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if finished(folder, scale):
                return folder
            for left in folder.parent.glob(f".{folder.name}-*.partial"):
                if left != partial:
                    shutil.rmtree(left)
            write_clips(partial, scale, workers)
            for split, count in facts(scale)["splits"].items():
                write_manifest(partial, split, rows(scale, split, count))
            write_info(partial, facts(scale))
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or set CTNET_DATA"
        ) from error
    return folder


def video_path(split: str, index: int) -> str:
    """Where clip `index` is, below the set's folder: videos/train/03/000047.avi, 03 being its label."""
    return f"videos/{split}/{index % len(motionpairs.CLASSES):02d}/{index:06d}.avi"


def rows(scale: str, split: str, count: int) -> list[Row]:
    """The rows of a split's manifest."""
    labels = [index % len(motionpairs.CLASSES) for index in range(count)]
    return [(video_path(split, k), label, 0, DRAWN_SIZES[scale].frames) for k, label in enumerate(labels)]


def write_clips(folder: Path, scale: str, workers: int) -> None:
    """Runs the drawing programs and counts the clips that they report."""
    from tqdm import tqdm

    for split in motionpairs.SPLITS:
        for label in range(len(motionpairs.CLASSES)):
            (folder / video_path(split, label)).parent.mkdir(parents=True, exist_ok=True)
    errors: deque[str] = deque(maxlen=1)
    total = sum(facts(scale)["splits"].values())
    with tqdm(total=total, desc=f"{NAME}-{scale}", unit="clip") as bar:

        def heard(line: str) -> None:
            if line.startswith("+"):
                bar.update(int(line))
            else:
                errors.append(line.strip())

        arguments = [str(folder), json.dumps(asdict(DRAWN_SIZES[scale]))]
        codes = fanout.run("ctnet.data.motionpairs.write", arguments, workers, heard)
    if any(codes):
        raise DataError(f"{folder}: drawing stopped: {errors[-1] if errors else f'a process ended with {codes}'}")
