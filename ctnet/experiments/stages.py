"""The two stages of an experiment: train, or load the kept weights; then score the test split."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ctnet import distributed
from ctnet.errors import ConfigError
from ctnet.experiments import provenance, records
from ctnet.experiments.plan import Plan
from ctnet.protocol import Protocol

if TYPE_CHECKING:
    from ctnet.data.manifest import DataInfo
    from ctnet.models.network import FrameNetwork

DECODED = 3 * 2**30  # bytes of decoded videos that a training keeps in memory, if all of its clips fit


def carry_out(plan: Plan, workers: int, progress: bool, since: float | None = None) -> dict:
    """Train if there are no weights yet, then score the test split in order and with shuffled frames.

    Args:
        plan: What `plan.resolve` found.
        workers: Processes that read videos.
        progress: Show a progress bar.
        since: Train again if the weights are older than this time.

    Returns:
        The record; `plan.scores` then holds the scores.

    Raises:
        ConfigError: The classes of the test set are not those of the training set.
        WeightsError: The kept weights were trained on other clips than the data set holds now.
    """
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.localization import localization
    from ctnet.inference.scores import metrics

    e, made = plan.experiment, provenance.provenance()  # now, because the commit may change during training
    # before the training, so that a bad split fails early
    split = test_split(plan.test_set, e.protocol, e.test_split or "test")
    if plan.start and not plan.start.weights.exists() and (since is not None or not plan.weights.exists()):
        _carry_out_start(plan.start, workers, progress)
    network = trained(plan, workers, progress, since)
    if tuple(network.classes) != split.info.classes:
        raise ConfigError(f"{plan.test_set}: other classes than {e.model} was trained on ({plan.train_set})")
    scores, shuffled = (score(network, split, e.protocol, shuffled, workers=workers) for shuffled in (False, True))
    distributed.from_rank_0(lambda: scores.save(plan.scores))
    data = {"name": split.info.name, "version": split.info.version, "splits": split.info.splits}
    data |= {"content": plan.content[plan.test_set], "classes": list(split.info.classes)} | _groups(split.info)
    record = {
        "experiment": asdict(e) | {"overrides": dict(e.overrides), "protocol_name": str(e.protocol)},
        "data": data,
        "metrics": metrics(scores) | {"shuffled": metrics(shuffled)},
        "training": network.course,
        "predictions": scores.predictions.tolist(),
        "labels": scores.labels.tolist(),
        "provenance": made | {"finished": provenance.now()},
    }
    if found := localization(network, split) if e.protocol.views == 1 else None:
        record["localization"] = found
    return record


def _carry_out_start(start: Plan, workers: int, progress: bool) -> None:
    """Train the start of an experiment and record it if it has no record; a record may exist without weights."""
    entry = records.Entry(start.experiment.key, start.experiment.scale)

    def keep() -> None:
        if not entry.find():
            entry.keep(record)
        start.checkpoint.unlink(missing_ok=True)

    with start.locked():
        record = carry_out(start, workers, progress)
        distributed.from_rank_0(keep)


def trained(plan: Plan, workers: int, progress: bool, since: float | None = None) -> "FrameNetwork":
    """Return the trained network of a plan; train it if no weights are kept.

    Args:
        plan: What `plan.resolve` found. Its own weights or those of its `start` exist.
        workers: Processes that read videos.
        progress: Show a progress bar.
        since: Train again if the weights are older than this time.

    Returns:
        The network in eval mode with its `classes` and `course`: loss and accuracy of each epoch, seconds, clips/s, and
        what it was trained on.

    Raises:
        WeightsError: The kept weights were trained on other clips than the data set holds now.
    """
    import torch

    from ctnet.data.dataset import VideoDataset
    from ctnet.models import create_model, pretrained, weights
    from ctnet.training.fit import train

    e, r, p = plan.experiment, plan.experiment.recipe, plan.experiment.training.protocol
    options = {"sampling": p.sampling, "seed": e.seed, "scales": r.scales, "flip": r.flip}
    options["memory"] = 0 if workers else DECODED  # each worker would keep its own
    clips = VideoDataset(plan.train_set, "train", p.frames, p.size, True, **options)

    def kept_course() -> dict | None:
        if not plan.weights.exists() or (since is not None and plan.weights.stat().st_mtime < since):
            return None
        if course := weights.read(plan.weights, plan.content.get(plan.train_set))[1].get("course"):
            return course
        recorded = records.Entry(e.training.key, e.scale).find()  # weights of an earlier version have no course
        return recorded and recorded.record["training"]

    if course := distributed.from_rank_0(kept_course):
        network = weights.load(plan.weights)
        network.course = course
        return network
    if since is not None and distributed.rank() == 0:
        plan.checkpoint.unlink(missing_ok=True)
    torch.manual_seed(e.seed)
    sizes = {"num_classes": len(clips.info.classes), "num_frames": p.frames, "dropout": r.dropout}
    network = create_model(e.model, **sizes, **dict(e.overrides))
    if plan.start:
        weights.transfer(network, plan.start.weights)
    elif e.init == "imagenet":
        pretrained.load_imagenet(network)

    def keep() -> None:
        weights.save(network, plan.weights, classes=clips.info.classes, protocol=asdict(p), course=course)

    made = provenance.provenance()
    watched = _validation(plan.train_set, clips.info, p)
    course = train(network, clips, r, plan.folder, e.seed, workers, progress=progress, validation=watched)
    course |= {"experiment": e.training.key, "content": plan.content[plan.train_set]}
    course["provenance"] = made | {"finished": provenance.now()}
    distributed.from_rank_0(keep)
    network.classes, network.course = clips.info.classes, course
    return network.eval()


def _validation(folder: Path, info: "DataInfo", protocol: Protocol) -> "Callable[[FrameNetwork], dict] | None":
    """What shows how soon a network learns, on the validation split of MotionPairs; None for other sets.

    The clips are those of the strict tier that are no noisier than the training clips; None if there are none.
    """
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import learnt

    if "validation" not in info.splits or "drawn" not in info.extra:
        return None
    split = test_split(folder, protocol, "validation")
    strict = [label for label, tier in enumerate(info.tiers) if tier == "strict"]
    most = info.extra["drawn"]["difficulty"]["noise"][1]
    split.manifest = split.manifest.only(strict, [c for c in split.manifest.conditions or () if float(c) <= most])
    return (lambda network: learnt(score(network, split, protocol))) if len(split) else None


def _groups(info: "DataInfo") -> dict:
    """What groups the classes: their tiers and time-reversed partners, where the set has them."""
    return {key: list(value) for key in ("tiers", "reverse") if (value := getattr(info, key))}
