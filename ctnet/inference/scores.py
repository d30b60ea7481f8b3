"""Scores of a test split as a value that can be saved, averaged with others (ensembles), and turned into accuracies."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from ctnet.data.dataset import VideoDataset
from ctnet.data.manifest import content_hash
from ctnet.errors import ResultError, explain_missing_packages
from ctnet.paths import atomic


@dataclass(frozen=True)
class Clips:
    """Identifies the clips of a split, in their order; two scores with equal `Clips` can be averaged.

    Attributes:
        data: Name of the data set.
        split: Name of the split.
        sha256: Hash of the videos' names, labels, and first and number of frames. It does not depend on the folder.
        classes: Names of the classes.
        tiers: Tier of each class, if the data set has tiers (`DataInfo`).
        reverse: For each class its time-reversed partner or None, if the data set has partners (`DataInfo`).
        conditions: The condition of each clip, if the split has conditions (`Manifest`), such as a level of noise.

    Example:
        >>> str(score(network, split, protocol).clips)
        'test of motionpairs-cpu'
    """

    data: str
    split: str
    sha256: str
    classes: tuple[str, ...]
    tiers: tuple[str, ...] | None = None
    reverse: tuple[int | None, ...] | None = None
    conditions: tuple[str, ...] | None = None

    @classmethod
    def of(cls, dataset: VideoDataset) -> "Clips":
        """Return the identity of a data set's clips, the same on every machine."""
        m, info = dataset.manifest, dataset.info
        content = content_hash({dataset.split: list(zip(m.paths, m.labels, m.starts, m.frames, strict=True))})
        return cls(info.name, dataset.split, content, info.classes, info.tiers, info.reverse, m.conditions)

    def __str__(self) -> str:
        return f"{self.split} of {self.data}"


@dataclass(frozen=True)
class Scores:
    """Logits of every clip of a split, averaged over its views, as in the authors' release.

    Attributes:
        logits: (clips, classes), floating point.
        labels: (clips,), integers: the true classes.
        protocol: The test protocol as text, such as `8x1x1@256`.
        clips: Which clips these are.

    Example:
        >>> scores = Scores.load("scores.npz")
        >>> scores.logits.shape
        (1320, 44)
    """

    logits: np.ndarray
    labels: np.ndarray
    protocol: str
    clips: Clips

    def save(self, path: str | Path) -> None:
        """Write a compressed `.npz` file of exactly this name; logits are stored as float32.

        Raises:
            ResultError: If it cannot be written.
        """
        arrays = {"logits": self.logits.astype(np.float32), "labels": self.labels, "protocol": self.protocol}
        try:
            with atomic(path) as part, open(part, "wb") as file:
                np.savez_compressed(file, **arrays, clips=json.dumps(asdict(self.clips)))
        except OSError as error:
            raise ResultError(f"{path}: cannot be written ({error.strerror or error})") from error

    @classmethod
    def load(cls, path: str | Path) -> "Scores":
        """Read a file that `save` wrote.

        Raises:
            ResultError: If there is no such file, or it holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                facts = json.loads(str(file["clips"]))
                clips = Clips(**{key: tuple(v) if isinstance(v, list) else v for key, v in facts.items()})
                return cls(file["logits"], file["labels"], str(file["protocol"]), clips)
        except FileNotFoundError:
            raise ResultError(f"{path}: no such file") from None
        except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, BadZipFile) as error:
            raise ResultError(f"{path}: not a file of scores; make it again with `ctnet evaluate --scores`") from error

    def of(self, chosen: np.ndarray) -> "Scores":
        """The scores of some of the clips.

        Args:
            chosen: Whether a clip is one of them, (clips,), bool.
        """
        return replace(self, logits=self.logits[chosen], labels=self.labels[chosen])

    @property
    def predictions(self) -> np.ndarray:
        """The class with the largest logit for each clip: (clips,), integers."""
        return self.logits.argmax(1)


def ensemble(scores: Mapping[str, Scores]) -> Scores:
    """Return the average of several networks' scores of the same clips (EN in Table 6).

    Args:
        scores: The scores of each network, with a name that error messages use.

    Raises:
        ResultError: If there are none, or they are of different clips or classes.

    Example:
        >>> both = ensemble({"8 frames": Scores.load("eight.npz"), "16 frames": Scores.load("sixteen.npz")})
    """
    if not scores:
        raise ResultError("an ensemble needs at least one network's scores")
    (name, first), *others = scores.items()
    for other, s in others:
        fits = s.logits.shape == first.logits.shape and np.array_equal(s.labels, first.labels)
        if s.clips != first.clips or not fits:
            what = "classes" if s.clips.classes != first.clips.classes else "clips"
            apart = f"other {what} ({s.clips}) than {name} ({first.clips})"
            raise ResultError(f"{other}: {apart}; an ensemble needs the same in the same order")
    protocols = " + ".join(s.protocol for s in scores.values())
    return Scores(np.mean([s.logits for s in scores.values()], 0), first.labels, protocols, first.clips)


def metrics(scores: Scores) -> dict:
    """Compute accuracies in per cent.

    Args:
        scores: The logits and labels of a split.

    Returns:
        `clips` (their number), `top1` and `top5`. If the data set has tiers, also `tiers`, the top-1 accuracy of each,
        and `pairs`: for each tier with time-reversed partners, the accuracy of choosing between a class and its
        partner. A tie counts half there, and a network that ignores the order of frames has 50. If the split has
        conditions, also `conditions`: for each of them `clips`, `top1`, `tiers` and `pairs` of its clips.

    Example:
        >>> metrics(Scores.load("scores.npz"))["tiers"]
        {'strict': 50.0, 'state change': 64.1, 'dynamics': 71.9, 'appearance': 99.2}
    """
    with explain_missing_packages():
        import torchmetrics  # noqa: F401 (`top` needs it)

    found = {"clips": len(scores.labels), "top1": top(scores, 1), "top5": top(scores, 5)} | _by_tier(scores)
    if scores.clips.conditions is None:
        return found
    each = np.array(scores.clips.conditions)
    parts = {condition: scores.of(each == condition) for condition in dict.fromkeys(scores.clips.conditions)}
    return found | {
        "conditions": {
            condition: {"clips": len(part.labels), "top1": top(part, 1)} | _by_tier(part)
            for condition, part in parts.items()
        }
    }


def top(scores: Scores, k: int) -> float:
    """The share of clips whose class is among the `k` with the largest logits, in per cent."""
    from torchmetrics.functional.classification import multiclass_accuracy

    logits, labels = torch.from_numpy(scores.logits), torch.from_numpy(scores.labels)
    classes = logits.shape[1]
    right = multiclass_accuracy(logits, labels, classes, average="micro", top_k=min(k, classes))
    return round(100 * right.item(), 3)


def _by_tier(scores: Scores) -> dict:
    """Accuracies of each tier, and within the pairs of each tier that has some; nothing for a set without tiers."""
    if scores.clips.tiers is None:
        return {}
    tier = np.array(scores.clips.tiers)[scores.labels]
    tiers = [t for t in dict.fromkeys(scores.clips.tiers) if (tier == t).any()]
    found: dict = {"tiers": {t: top(scores.of(tier == t), 1) for t in tiers}}
    if scores.clips.reverse is not None:
        right = pair_wins(scores)
        known = {t: right[(tier == t) & ~np.isnan(right)] for t in tiers}
        found["pairs"] = {t: round(100 * float(r.mean()), 3) for t, r in known.items() if len(r)}
    return found


def pair_wins(scores: Scores) -> np.ndarray:
    """Compare the logit of each clip's class with that of the time-reversed partner.

    Returns:
        (clips,), float: 1 if the true class is higher, 0 if it is lower, 0.5 for a tie, NaN if it has no partner.
    """
    partner = np.array([c if p is None else p for c, p in enumerate(scores.clips.reverse)])[scores.labels]
    rows = np.arange(len(partner))
    gap = scores.logits[rows, scores.labels] - scores.logits[rows, partner]
    return np.where(partner == scores.labels, np.nan, (np.sign(gap) + 1) / 2)


def learnt(scores: Scores) -> dict[str, float]:
    """What a network has learnt of each class, in per cent.

    Returns:
        For each pair of time-reversed classes, named by the first of them, the share of clips told from their reversal;
        for each other class its accuracy.

    Example:
        >>> learnt(score(network, split, protocol))["pan left"]
        98.2
    """
    reverse = scores.clips.reverse or range(len(scores.clips.classes))
    wins, hits = pair_wins(scores) if scores.clips.reverse else None, scores.predictions == scores.labels
    found = {}
    for label in np.unique(scores.labels).tolist():
        partner = reverse[label]
        of_class = scores.labels == label
        if partner in (None, label):
            found[scores.clips.classes[label]] = round(100 * float(hits[of_class].mean()), 2)
        elif label < partner:
            right = wins[of_class | (scores.labels == partner)]
            found[scores.clips.classes[label]] = round(100 * float(right.mean()), 2)
    return found
