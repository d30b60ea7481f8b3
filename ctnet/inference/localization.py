"""How well a Saliency Tube lies on the things that act, measured on clips of MotionPairs, whose masks are known."""

from pathlib import Path

import numpy as np
from torch import nn

from ctnet.data import motionpairs
from ctnet.data.dataset import VideoDataset
from ctnet.data.motionpairs.draw import DrawnSize
from ctnet.data.sampling import sample
from ctnet.data.transforms import center_box, crop
from ctnet.inference.saliency import saliency

TIERS = ("state change", "dynamics")  # the tiers in which a thing acts on a background
MOVED = 0.02  # change of the mask, as a share of its area, above which a frame counts as one in which something moves


def localization(network: nn.Module, split: VideoDataset) -> dict[str, float] | None:
    """Score Saliency Tubes of the true classes against the masks of the things that act (Figure 3).

    The clips are those of the least noise in the tiers with acting things. Energy is the share of the tube's sum that
    lies where the mask is, or in the frames in which it moves. Pointing is the share of clips whose largest value lies
    in the mask. A tube that says nothing has the energy `mask` in space, `moving` in time.

    Args:
        network: A network of the zoo.
        split: The test or validation split of MotionPairs, with one view for each clip.

    Returns:
        `clips`, and in per cent `energy`, `pointing`, `mask` (share of the volume that the mask covers), `energy_time`
        and `moving` (share of the frames in which the mask moves). None for another data set, and for clips that are
        resized, whose masks are not known.

    Example:
        >>> localization(network, test_split("data/sets/motionpairs-cpu", Protocol(size=32)))["energy"]
        24.1
    """
    if "drawn" not in split.info.extra:
        return None
    found = [scores(saliency(network, clip, label), mask) for clip, label, mask in acting(split)]
    if not found:
        return None
    known = {key: [f[key] for f in found if not np.isnan(f[key])] for key in found[0]}
    shares = {key: round(100 * float(np.mean(values)), 2) for key, values in known.items() if values}
    return {"clips": len(found)} | shares


def acting(split: VideoDataset):
    """Yield (clip (3, T, H, W), label, mask (T, H, W)) of the clips of least noise in which a thing acts."""
    drawn, m = DrawnSize.from_dict(split.info.extra["drawn"]), split.manifest
    least = min(m.conditions, key=float) if m.conditions else None
    if not split.size == split.short_side == drawn.size:
        return
    for row, label in enumerate(m.labels.tolist()):
        if split.info.tiers[label] not in TIERS or (least and m.conditions[row] != least):
            continue
        index = int(Path(str(m.paths[row])).stem)
        hard = drawn.hard(split.split, index)
        mask = motionpairs.mask(split.split, drawn.seed, index, drawn.size, drawn.frames, hard, drawn.width)
        mask = mask[sample(drawn.frames, split.frames, 1, split.sampling).flatten().numpy()]
        yield split[row][0][0], label, crop(mask, *center_box(*mask.shape[1:], split.size))


def scores(tube: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Compare a Saliency Tube with a mask.

    Args:
        tube: (T, H, W) in [0, 1].
        mask: (T, H, W) in [0, 1].

    Returns:
        `energy`, `pointing`, `mask`, `energy_time` and `moving` as shares, as in `localization`. Those in time are NaN
        if the mask moves in all frames or in none.
    """
    whole = max(float(tube.sum()), 1e-9)
    change = np.abs(np.diff(mask, axis=0)).sum((1, 2)) / max(float(mask.sum((1, 2)).mean()), 1e-9)
    around = np.concatenate([[0.0], change, [0.0]])
    moves = np.maximum(around[:-1], around[1:]) > MOVED  # it differs from the frame before or after
    in_time = float(tube.sum((1, 2))[moves].sum()) / whole if 0 < moves.sum() < len(moves) else np.nan
    return {
        "energy": float((tube * mask).sum()) / whole,
        "pointing": float(mask.flat[tube.argmax()] > 0.5),
        "mask": float(mask.mean()),
        "energy_time": in_time,
        "moving": float(moves.mean()) if not np.isnan(in_time) else np.nan,
    }
