"""MotionPairs as video files on disk: its size at each scale, and how it is drawn.

A set is drawn into a hidden folder beside its final place and renamed at the end, so a folder with the set's name is
complete. A killed call leaves only the hidden folder, and the next call completes it.
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
    """How much of MotionPairs is drawn, and how hard it is.

    Attributes:
        size: Height and width in pixels.
        frames: Frames of a clip.
        train: Training clips per class.
        test: Test clips per class.
        seed: Seed of the whole set.
        difficulty: How hard the clips are.
    """

    size: int
    frames: int
    train: int
    test: int
    seed: int = 0
    difficulty: motionpairs.Difficulty = field(default_factory=motionpairs.Difficulty)


# The 8 test frames are segment centres. With 8 or 24 frames (not with 16), a clip and its reversal have the same ones,
# so a network that cannot see order gets exactly one answer right in each pair of twins.
#: Scale -> how much of MotionPairs is drawn there.
DRAWN_SIZES = {
    "smoke": DrawnSize(size=32, frames=8, train=4, test=4),
    "cpu": DrawnSize(
        size=32, frames=24, train=64, test=24, difficulty=motionpairs.Difficulty(noise=0.03, shake=0.006, waves=2)
    ),
    "gpu": DrawnSize(size=112, frames=24, train=256, test=64),
}


def known(scale: str) -> str:
    """Return the name of the scale; ConfigError if MotionPairs has no such scale."""
    if scale not in DRAWN_SIZES:
        raise unknown(f"scale of {NAME}", scale, DRAWN_SIZES)
    return scale


def facts(scale: str) -> dict:
    """Return the content of dataset.json. A set on disk with any other content is out of date."""
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
    """Return a hash of everything that decides which clips the set holds."""
    return sha256(json.dumps(facts(scale), sort_keys=True).encode()).hexdigest()[:8]


def finished(folder: Path, scale: str) -> bool:
    """Return whether `folder` holds the finished set of this scale, in its present version."""
    try:
        return json.loads((folder / INFO).read_text()) == facts(scale)
    except (OSError, ValueError):
        return False


def draw(folder: Path, scale: str, workers: int) -> Path:
    """Draw the set with a progress bar, unless it is already there.

    Two calls at once wait for each other. A killed call resumes when it is run again. A set of another version
    or size is replaced.

    Args:
        folder: Where the set is written.
        scale: Name of its size.
        workers: Number of processes.

    Returns:
        `folder`.

    Raises:
        ConfigError: There is no such scale.
        DataError: A process failed, or the folder cannot be written.
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
    """Return the path of clip `index` in the set's folder, with its label: videos/train/03/000047.avi."""
    return f"videos/{split}/{index % len(motionpairs.CLASSES):02d}/{index:06d}.avi"


def rows(scale: str, split: str, count: int) -> list[Row]:
    """The rows of a split's manifest."""
    labels = [index % len(motionpairs.CLASSES) for index in range(count)]
    return [(video_path(split, k), label, 0, DRAWN_SIZES[scale].frames) for k, label in enumerate(labels)]


def write_clips(folder: Path, scale: str, workers: int) -> None:
    """Run the drawing processes and count the clips that they report."""
    from tqdm import tqdm

    for split in motionpairs.SPLITS:
        for label in range(len(motionpairs.CLASSES)):
            (folder / video_path(split, label)).parent.mkdir(parents=True, exist_ok=True)
    errors: deque[str] = deque(maxlen=1)
    total = sum(facts(scale)["splits"].values())
    with tqdm(total=total, desc=f"{NAME}-{scale}", unit="clip") as bar:

        def handle(line: str) -> None:
            if line.startswith("+"):
                bar.update(int(line))
            else:
                errors.append(line.strip())

        arguments = [str(folder), json.dumps(asdict(DRAWN_SIZES[scale]))]
        codes = fanout.run("ctnet.data.motionpairs.write", arguments, workers, handle)
    if any(codes):
        raise DataError(f"{folder}: drawing stopped: {errors[-1] if errors else f'a process ended with {codes}'}")
