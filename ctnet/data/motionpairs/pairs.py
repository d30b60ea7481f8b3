"""Drawing one clip of MotionPairs: a pure function of version, split, seed, index and size."""

import numpy as np

from ctnet.data.motionpairs import actions, scenes
from ctnet.data.motionpairs.classes import APPEARANCE, CLASSES
from ctnet.data.motionpairs.stage import Difficulty, Stage
from ctnet.errors import unknown

VERSION = 2
SPLITS = ("train", "validation", "test")
SCENES = (*scenes.STRICT, *actions.STATE_CHANGE, *actions.DYNAMICS, *scenes.APPEARANCE)
PAIRED = len(CLASSES) - len(APPEARANCE)  # labels below this one form pairs (2k, 2k + 1)


def _seed(split: str, seed: int, index: int) -> tuple[int, int, int, int]:
    """Return what a clip and its twin share: version, split, seed, and the index of the first of the two."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    label = index % len(CLASSES)
    return VERSION, SPLITS.index(split), seed, index - (label % 2 if label < PAIRED else 0)


def texture_seed(split: str, seed: int, index: int) -> int:
    """Return the seed of a clip's textures and colours.

    Its remainder modulo 3 is the number of the split, so two splits never share a texture.

    Args:
        split: `train`, `validation` or `test`.
        seed: Seed of the whole set.
        index: Number of the clip in the split, from 0 up.

    Example:
        >>> texture_seed("train", seed=0, index=0) == texture_seed("train", seed=0, index=1)  # twins
        True
    """
    draw = np.random.SeedSequence((*_seed(split, seed, index), 1)).generate_state(1, np.uint64)[0]
    return int(draw) // len(SPLITS) * len(SPLITS) + SPLITS.index(split)


def pair(
    split: str,
    seed: int,
    index: int,
    size: int = 48,
    frames: int = 16,
    difficulty: Difficulty | None = None,
    width: int | None = None,
) -> np.ndarray:
    """Draw the first of the two twins that clip `index` belongs to.

    The label of clip `index` is `index % 44`. Labels 2k and 2k + 1 below 38 are twins. The
    arguments are those of `clip`.

    Returns:
        Frames (T, H, W, 3), uint8, RGB.

    Raises:
        ConfigError: There is no such split.

    Example:
        >>> pair("train", seed=0, index=1).shape
        (16, 48, 48, 3)
    """
    return _drawn(split, seed, index, size, frames, difficulty, width).develop()


def clip(
    split: str,
    seed: int,
    index: int,
    size: int = 48,
    frames: int = 16,
    difficulty: Difficulty | None = None,
    width: int | None = None,
) -> tuple[np.ndarray, int]:
    """Draw clip `index`; the second of two twins is the first one reversed.

    Args:
        split: `train`, `validation` or `test`.
        seed: Seed of the whole set.
        index: Number of the clip in the split, from 0 up.
        size: Height H in pixels.
        frames: Number of frames T.
        difficulty: How hard the clip is; the default `Difficulty()` if None.
        width: Width W in pixels. A wider clip shows more to the left and right of the same scene. Default: `size`.

    Returns:
        Frames (T, H, W, 3), uint8, RGB, and the label `index % 44`.

    Raises:
        ConfigError: There is no such split.

    Example:
        >>> frames, label = clip("train", seed=0, index=45)
        >>> label
        1
    """
    drawn = pair(split, seed, index, size, frames, difficulty, width)
    return _in_order(drawn, index), index % len(CLASSES)


def mask(
    split: str,
    seed: int,
    index: int,
    size: int = 48,
    frames: int = 16,
    difficulty: Difficulty | None = None,
    width: int | None = None,
) -> np.ndarray:
    """Return where the things are that act in clip `index`: hands, objects, discs. The arguments are those of `clip`.

    Returns:
        (T, H, W), float32 in [0, 1]; 0 everywhere in the classes in which the whole image moves.

    Raises:
        ConfigError: There is no such split.

    Example:
        >>> mask("test", seed=0, index=CLASSES.index("move up")).max()
        1.0
    """
    return _in_order(_drawn(split, seed, index, size, frames, difficulty, width).mask, index)


def _drawn(split, seed, index, size, frames, difficulty, width) -> Stage:
    """The stage on which the first of two twins has been drawn."""
    first = _seed(split, seed, index)
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(first)))
    look = np.random.Generator(np.random.SFC64(texture_seed(split, seed, index)))
    stage = Stage(size, frames, rng, look, difficulty or Difficulty(), width)
    label = first[-1] % len(CLASSES)
    SCENES[label // 2 if label < PAIRED else label - PAIRED // 2](stage)
    stage.distract()
    return stage


def _in_order(drawn: np.ndarray, index: int) -> np.ndarray:
    """The frames of clip `index`, given those of the first of the two twins."""
    label = index % len(CLASSES)
    return drawn[::-1] if label < PAIRED and label % 2 else drawn
