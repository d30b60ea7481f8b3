"""MotionPairs as video files on disk: its size at each scale, and how it is drawn.

A set is drawn into a hidden folder beside its final place and renamed at the end, so a folder with the set's name is
complete. A killed call leaves only the hidden folder, and the next call completes it.
"""

import json
import shutil
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
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
        size: Height in pixels.
        frames: Frames of a clip.
        train: Training clips of each class of the strict tier.
        test: Likewise, clips for the results.
        validation: Likewise, clips to choose settings on.
        width: Width in pixels; None for `size`.
        others: Clips of each class of the other tiers, as a share of those of the strict tier.
        levels: Strengths of the noise in the validation and test splits, as many clips for each. Empty: as in training.
        seed: Seed of the whole set.
        difficulty: How hard the clips are; its `noise` is the range in training.

    Example:
        >>> DrawnSize(32, 8, train=4, test=2, levels=(0.1, 0.5)).level("test", index=44)
        0.5
    """

    size: int
    frames: int
    train: int
    test: int
    validation: int = 1
    width: int | None = None
    others: float = 1.0
    levels: tuple[float, ...] = ()
    seed: int = 0
    difficulty: motionpairs.Difficulty = field(default_factory=motionpairs.Difficulty)

    def indices(self, split: str) -> list[int]:
        """Numbers of the clips of a split: twins next to each other, and a class at every 44th number."""
        per_class = getattr(self, split)
        counts = [per_class if tier == "strict" else round(per_class * self.others) for tier in motionpairs.TIERS]
        every = len(motionpairs.CLASSES)
        return [every * n + label for n in range(per_class) for label, count in enumerate(counts) if n < count]

    def level(self, split: str, index: int) -> float | None:
        """Strength of the noise in a clip; None where each clip draws its own."""
        if split == "train" or not self.levels:
            return None
        return self.levels[index // len(motionpairs.CLASSES) % len(self.levels)]

    def hard(self, split: str, index: int) -> motionpairs.Difficulty:
        """Difficulty of a clip."""
        level = self.level(split, index)
        return self.difficulty if level is None else replace(self.difficulty, noise=(level, level))

    @classmethod
    def from_dict(cls, fields: Mapping) -> "DrawnSize":
        """The value that `dataclasses.asdict` describes; lists stand for tuples, as in JSON."""
        hard = {key: tuple(v) if isinstance(v, list) else v for key, v in fields["difficulty"].items()}
        levels, difficulty = tuple(fields["levels"]), motionpairs.Difficulty(**hard)
        return cls(**{**fields, "levels": levels, "difficulty": difficulty})


LEVELS = (0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9)  # from far below the noise of training to far above it
# The 8 test frames are segment centres. With 8 or 24 frames (not with 16), a clip and its reversal have the same ones,
# so a network that cannot see order gets exactly one answer right in each pair of twins.
#: Scale -> how much of MotionPairs is drawn there.
DRAWN_SIZES = {
    "smoke": DrawnSize(
        size=32,
        frames=8,
        train=4,
        validation=2,
        test=4,
        width=44,
        levels=(0.1, 0.5),
        difficulty=motionpairs.Difficulty(noise=(0.02, 0.2)),
    ),
    "cpu": DrawnSize(
        size=32,
        frames=24,
        train=400,
        validation=56,
        test=112,
        width=44,
        others=0.25,
        levels=LEVELS,
        difficulty=motionpairs.Difficulty(noise=(0.02, 1.2), shake=0.006, waves=2),
    ),
    "gpu": DrawnSize(
        size=112,
        frames=24,
        train=256,
        validation=28,
        test=56,
        width=152,
        levels=LEVELS,
        difficulty=motionpairs.Difficulty(noise=(0.02, 1.2)),
    ),
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
        splits={split: len(size.indices(split)) for split in motionpairs.SPLITS},
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
            for split in motionpairs.SPLITS:
                write_manifest(partial, split, rows(scale, split), conditions(scale, split))
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


def rows(scale: str, split: str) -> list[Row]:
    """The rows of a split's manifest."""
    size = DRAWN_SIZES[scale]
    return [(video_path(split, k), k % len(motionpairs.CLASSES), 0, size.frames) for k in size.indices(split)]


def conditions(scale: str, split: str) -> list[str] | None:
    """The strength of the noise in each clip of a split, as text; None where each clip draws its own."""
    size = DRAWN_SIZES[scale]
    levels = [size.level(split, k) for k in size.indices(split)]
    return None if None in levels else [f"{level:g}" for level in levels]


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
