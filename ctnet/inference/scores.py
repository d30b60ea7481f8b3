"""TODO."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from ctnet.data.dataset import VideoDataset
from ctnet.data.manifest import content_hash
from ctnet.errors import ResultError
from ctnet.paths import atomic


@dataclass(frozen=True)
class Clips:
    """What scores are of: the clips of a split, in order, and their classes. tiers, reverse: as in `DataInfo`."""

    data: str
    split: str
    sha256: str
    classes: tuple[str, ...]
    tiers: tuple[str, ...] | None = None
    reverse: tuple[int | None, ...] | None = None

    @classmethod
    def of(cls, dataset: VideoDataset) -> "Clips":
        """Clips are known by their videos' names, not by the folders that those are in on one machine."""
        m, info = dataset.manifest, dataset.info
        content = content_hash({dataset.split: list(zip(m.paths, m.labels, m.starts, m.frames, strict=True))})
        return cls(info.name, dataset.split, content, info.classes, info.tiers, info.reverse)

    def __str__(self) -> str:
        return f"{self.split} of {self.data}"


@dataclass(frozen=True)
class Scores:
    """Logits of every clip of a split, averaged over views as in the release: logits (n, classes), labels (n,)."""

    logits: np.ndarray
    labels: np.ndarray
    protocol: str
    clips: Clips

    def save(self, path: str | Path):
        """A compressed .npz file of exactly this name. ResultError where it cannot be written."""
        arrays = {"logits": self.logits.astype(np.float32), "labels": self.labels, "protocol": self.protocol}
        try:
            with atomic(path) as part, open(part, "wb") as file:
                np.savez_compressed(file, **arrays, clips=json.dumps(asdict(self.clips)))
        except OSError as error:
            raise ResultError(f"{path}: cannot be written ({error.strerror or error})") from error

    @classmethod
    def load(cls, path: str | Path) -> "Scores":
        """Reads a file of `save`; ResultError names the path and what is wrong."""
        try:
            with np.load(path, allow_pickle=False) as file:
                facts = json.loads(str(file["clips"]))
                clips = Clips(**{key: tuple(v) if isinstance(v, list) else v for key, v in facts.items()})
                return cls(file["logits"], file["labels"], str(file["protocol"]), clips)
        except FileNotFoundError:
            raise ResultError(f"{path}: no such file") from None
        except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, BadZipFile) as error:
            raise ResultError(f"{path}: not a file of scores; make it again with `ctnet evaluate --scores`") from error

    @property
    def predictions(self) -> np.ndarray:
        return self.logits.argmax(1)


def ensemble(scores: Mapping[str, Scores]) -> Scores:
    """The average of several networks' scores on the same clips (Table 6, EN), each with a name for messages.

    ResultError where the clips or the classes differ.
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
    """Accuracies in per cent: top1, top5; of a set with tiers also `tiers` (top1 of each) and `pairs`.

    `pairs` is the accuracy where only a class and its time-reversed partner are compared, for each tier that has
    partners; a tie counts half. A network that cannot see order has 50 there.
    """
    from torchmetrics.functional.classification import multiclass_accuracy

    logits, labels = torch.from_numpy(scores.logits), torch.from_numpy(scores.labels)
    classes = logits.shape[1]

    def top(k, chosen=slice(None)):
        right = multiclass_accuracy(logits[chosen], labels[chosen], classes, average="micro", top_k=min(k, classes))
        return round(100 * right.item(), 3)

    result = {"clips": len(labels), "top1": top(1), "top5": top(5)}
    if scores.clips.tiers is None:
        return result
    tier = np.array(scores.clips.tiers)[scores.labels]
    result["tiers"] = {t: top(1, torch.from_numpy(tier == t)) for t in dict.fromkeys(scores.clips.tiers)}
    if scores.clips.reverse is not None:
        right = pair_wins(scores)
        known = {t: right[(tier == t) & ~np.isnan(right)] for t in result["tiers"]}
        result["pairs"] = {t: round(100 * float(r.mean()), 3) for t, r in known.items() if len(r)}
    return result


def pair_wins(scores: Scores) -> np.ndarray:
    """For each clip 1, 0 or 0.5 (a tie): does its class score above its partner? NaN where there is no partner."""
    partner = np.array([c if p is None else p for c, p in enumerate(scores.clips.reverse)])[scores.labels]
    rows = np.arange(len(partner))
    gap = scores.logits[rows, scores.labels] - scores.logits[rows, partner]
    return np.where(partner == scores.labels, np.nan, (np.sign(gap) + 1) / 2)
