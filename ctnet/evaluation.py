"""Scores of a network under a test protocol, and what is read off them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

from ctnet import processes
from ctnet.data import transforms
from ctnet.data.datasets import VideoDataset
from ctnet.data.loading import loader, reading
from ctnet.data.own import content_of
from ctnet.errors import ResultError
from ctnet.paths import atomic
from ctnet.protocol import Protocol


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
        content = content_of({dataset.split: list(zip(m.paths, m.labels, m.starts, m.frames, strict=True))})
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


def test_split(folder: str | Path, protocol: Protocol, split: str = "test") -> VideoDataset:
    """The clips of a split as the protocol asks: short side to `size`, centre crop or three crops."""
    p = protocol
    views = {"clips": p.clips, "crops": p.crops, "sampling": p.sampling, "short_side": p.short_side}
    return VideoDataset(folder, split, p.frames, p.size, False, **views)


@torch.inference_mode()
def score(
    network: nn.Module,
    dataset: VideoDataset,
    protocol: Protocol,
    shuffled: bool = False,
    batch_size: int = 32,
    workers: int = 0,
    device: str | torch.device | None = None,
) -> Scores:
    """Runs the network over every clip once. shuffled: the frames of each view in an order drawn from the clip's index.

    batch_size: views on one device at a time. In a job of several processes each takes its share of the clips, and all
    get the scores of all. Raises VideoError for the first video that cannot be read, DataError where a process that
    reads is lost, ResultError for logits that are not finite.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network = network.to(device).eval()
    mine = []  # (indices, labels, logits) of each batch
    with reading(dataset):
        for batch in loader(dataset, max(batch_size // protocol.views, 1) * processes.world_size(), workers=workers):
            clips = batch.clips
            if not len(clips):  # of the last clips others have them all
                continue
            if shuffled:
                clips = torch.stack([shuffle(c, int(i)) for c, i in zip(clips, batch.indices, strict=True)])
            n, views = clips.shape[:2]
            out = network(transforms.normalize(clips.to(device).flatten(0, 1))).float()
            out = out.unflatten(0, (n, views)).mean(1).cpu().numpy()
            mine.append((batch.indices.numpy(), batch.labels.numpy(), out))
    parts = [part for process in processes.all_gather(mine) for part in process]
    indices, labels, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = indices.argsort()
    labels, logits = labels[order], logits[order].astype(np.float64)
    if not np.isfinite(logits).all():
        raise ResultError("the network gave logits that are not finite: its weights are damaged or diverged")
    return Scores(logits, labels, str(protocol), Clips.of(dataset))


def shuffle(views: Tensor, index: int) -> Tensor:
    """(views, C, T, H, W) -> the same frames in an order that is never the true or the reversed one, if T > 2."""
    frames = views.shape[2]
    generator = torch.Generator().manual_seed(index)
    while True:
        order = torch.randperm(frames, generator=generator)
        steps = order.diff()
        if frames < 3 or not ((steps > 0).all() or (steps < 0).all()):
            return views[:, :, order]


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
