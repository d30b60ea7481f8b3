"""The two stages of an experiment: train, or load the kept weights; then score the test split."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from ctnet import distributed
from ctnet.errors import ConfigError
from ctnet.experiments import provenance, records
from ctnet.experiments.plan import Plan

if TYPE_CHECKING:
    from ctnet.models.network import FrameNetwork


def carry_out(plan: Plan, workers: int, progress: bool, since: float | None = None) -> dict:
    """Train if there are no weights yet, then score the test split in order and with shuffled frames.

    Args:
        plan: What `plan.resolve` found.
        workers: Processes that read videos.
        progress: Show a progress bar.
        since: Train again where the weights are older than this time.

    Returns:
        The record; `plan.scores` then holds the scores.

    Raises:
        ConfigError: The classes of the test set are not those of the training set.
        ResultError: The kept weights were trained on other clips than the data set holds now.
    """
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import metrics

    e, made = plan.experiment, provenance.provenance()  # the commit of now, whatever is committed during training
    split = test_split(plan.test_set, e.protocol)  # before the training, so that a bad split fails early
    if plan.start:
        with plan.start.alone():
            train_once(plan.start, workers, progress)
    network, training = train_once(plan, workers, progress, since)
    if tuple(network.classes) != split.info.classes:
        raise ConfigError(f"{plan.test_set}: other classes than {e.model} was trained on ({plan.train_set})")
    scores, shuffled = (score(network, split, e.protocol, shuffled, workers=workers) for shuffled in (False, True))
    if distributed.rank() == 0:
        scores.save(plan.scores)
    data = {"name": split.info.name, "version": split.info.version, "splits": split.info.splits}
    return {
        "experiment": asdict(e) | {"overrides": dict(e.overrides), "protocol_name": str(e.protocol)},
        "data": data | {"content": plan.content[plan.test_set], "classes": list(split.info.classes)},
        "metrics": metrics(scores) | {"shuffled": metrics(shuffled)},
        "training": training,
        "predictions": scores.predictions.tolist(),
        "labels": scores.labels.tolist(),
        "provenance": made | {"finished": provenance.now()},
    }


def train_once(plan: Plan, workers: int, progress: bool, since: float | None = None) -> tuple["FrameNetwork", dict]:
    """The trained network of a plan; it is trained where no weights are kept.

    Args:
        plan: What `plan.resolve` found. The weights of its `start` must be there.
        workers: Processes that read videos.
        progress: Show a progress bar.
        since: Train again where the weights are older than this time.

    Returns:
        (network in eval mode with its `classes`, course of the training): loss and accuracy of each epoch, seconds,
        clips/s, and what it was trained on.

    Raises:
        ResultError: The kept weights were trained on other clips than the data set holds now.
    """
    import torch

    from ctnet.data.dataset import VideoDataset
    from ctnet.models import create_model, pretrained, weights
    from ctnet.training import train

    def kept() -> dict | None:
        return kept_course(plan, since)

    if (course := distributed.from_rank_0(kept)) is not None:
        return weights.load(plan.weights), course
    if since is not None and distributed.rank() == 0:
        plan.checkpoint.unlink(missing_ok=True)
    e, r, p = plan.experiment, plan.experiment.recipe, plan.experiment.training.protocol
    made, options = provenance.provenance(), {"sampling": p.sampling, "scales": r.scales, "flip": r.flip}
    clips = VideoDataset(plan.train_set, "train", p.frames, p.size, True, seed=e.seed, **options)
    classes = clips.info.classes
    torch.manual_seed(e.seed)
    sizes = {"num_classes": len(classes), "num_frames": p.frames, "dropout": r.dropout}
    network = create_model(e.model, **sizes, **dict(e.overrides))
    if plan.start:
        weights.transfer(network, plan.start.weights)
    elif e.init == "imagenet":
        pretrained.load_imagenet(network)
    course = train(network, clips, r, plan.folder, e.seed, workers, progress=progress)
    course |= {"experiment": e.training.key, "content": plan.content[plan.train_set]}
    course["provenance"] = made | {"finished": provenance.now()}

    def keep() -> None:
        records.save(plan.course, records.as_text(course))
        weights.save(network, plan.weights, classes=classes, protocol=asdict(p))

    distributed.from_rank_0(keep)
    network.classes = classes
    return network.eval(), course


def kept_course(plan: Plan, since: float | None = None) -> dict | None:
    """The course of the training whose weights are kept.

    Args:
        plan: What `plan.resolve` found.
        since: Weights that are older than this time do not count.

    Returns:
        What `train_once` wrote beside the weights, or None where the network must be trained.

    Raises:
        ResultError: The weights were trained on other clips than the data set holds now.
    """
    if not plan.weights.exists() or (since is not None and plan.weights.stat().st_mtime < since):
        return None
    try:
        course = json.loads(plan.course.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # weights of a version that kept no course: the record of the training has it
        recorded = records.recorded([plan.experiment.training])
        return recorded[0].record["training"] if recorded else None
    plan.check(plan.train_set, course.get("content"), f"{plan.weights}: was trained on")
    return course
