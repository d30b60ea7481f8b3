"""Run an experiment: load its record, or train, test and record it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from ctnet import distributed
from ctnet.errors import ConfigError, DataError, ResultError, TrainingError
from ctnet.experiments import provenance, records
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.experiments.plan import CHECKPOINT, COURSE, Plan, folder_of, resolve
from ctnet.experiments.records import Result


def run(
    experiment: Experiment | Ensemble,
    fresh: bool = False,
    workers: int | None = None,
    progress: bool = True,
    devices: int = 1,
    since: float | None = None,
) -> Result:
    """Return the record of an experiment, or of an ensemble, and make it where there is none.

    Weights that another experiment with the same training left are scored without training again. Two processes that
    ask for the same experiment do not run it twice: the second waits, then loads. A killed run resumes from its last
    checkpoint, which is removed when the result is recorded. Under torchrun every rank calls this, and rank 0 writes.

    Args:
        experiment: What to run. The members of an ensemble are run as well.
        fresh: Train and test again, and replace the record, unless another call has done so since this one began.
        workers: Processes that read videos, per rank. Default: `loading.readers()` beside a GPU, none without one,
            where the cores that read are the cores that compute.
        progress: Show a progress bar on standard error.
        devices: GPUs (without GPUs: processes) that share the clips of each step. More than one starts torchrun.
        since: With `fresh`, the time (`time.time()`) from which records and weights count as fresh. Default: now.
            Calls that share it train shared weights once.

    Returns:
        The record.

    Raises:
        ConfigError: The network has no form at this scale, or its weights can start from nothing.
        DataError: A data set is missing; the message has the command that prepares it.
        TrainingError: The folder of the run cannot be written, or a process failed.
        ResultError: The record is of other clips, or cannot be written.

    Example:
        >>> run(Experiment("tsn_resnet50", scale="smoke")).metrics["top1"]
    """
    distributed.join()
    since = (since or time.time()) if fresh else None
    if found := distributed.from_rank_0(lambda: _recorded_since(experiment, since)):
        return found
    if isinstance(experiment, Ensemble):
        return _run_ensemble(experiment, since, workers, progress, devices)
    plan = resolve(experiment)
    distributed.from_rank_0(lambda: records.check(experiment.scale))
    if devices > 1 and not distributed.started():
        from ctnet.training.launch import launch

        options = {"fresh": fresh, "workers": workers, "progress": progress, "since": since}
        launch(["ctnet.experiments.worker", json.dumps(asdict(experiment)), json.dumps(options)], devices)
        return records.read(experiment.key, experiment.scale)
    with alone(plan.folder):
        if found := distributed.from_rank_0(lambda: _recorded_since(experiment, since)):
            return found
        record = carry_out(plan, _readers() if workers is None else workers, progress, since)

        def keep() -> Result:
            result = records.write(experiment.key, experiment.scale, record, replace=fresh)
            (plan.folder / CHECKPOINT).unlink(missing_ok=True)
            return result

        return distributed.from_rank_0(keep)


def carry_out(plan: Plan, workers: int, progress: bool, since: float | None = None) -> dict:
    """Train if there are no weights yet, then score the test split in order and with shuffled frames.

    Args:
        plan: What `plan.resolve` found.
        workers: Processes that read videos.
        progress: Show a progress bar.
        since: Train again where the weights are older than this time.

    Returns:
        The record; `plan.scores` then holds the scores.
    """
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import metrics

    e, made = plan.experiment, provenance.provenance()  # the commit of now, whatever is committed during training
    split = test_split(plan.test_set, e.protocol)  # before the training, so that a bad split fails early
    network, training = train_once(plan, workers, progress, since)
    if tuple(network.classes) != split.info.classes:
        raise ConfigError(f"{plan.test_set}: other classes than {e.model} was trained on ({plan.train_set})")
    scores = score(network, split, e.protocol, workers=workers)
    if distributed.rank() == 0:
        scores.save(plan.scores)
    found = metrics(scores)
    found["shuffled"] = metrics(score(network, split, e.protocol, shuffled=True, workers=workers))
    described = asdict(e) | {"overrides": dict(e.overrides), "protocol_name": str(e.protocol)}
    info, content = split.info, split.info.extra.get("content_sha256")
    data = {"name": info.name, "version": info.version, "splits": info.splits, "content": content}
    return _record(described, data | {"classes": list(info.classes)}, found, scores, training, made)


def train_once(plan: Plan, workers: int, progress: bool, since: float | None = None):
    """The trained network of a plan and the course of its training; trains where no weights are kept.

    Args:
        plan: What `plan.resolve` found.
        workers: Processes that read videos.
        progress: Show a progress bar.
        since: Train again where the weights are older than this time.

    Returns:
        (network in eval mode with `classes`, course): loss and accuracy of each epoch, seconds, clips/s.

    Raises:
        ResultError: The kept weights were trained on other clips than the data set holds now.
    """
    import torch

    from ctnet.data.dataset import VideoDataset
    from ctnet.models import create_model, pretrained, weights
    from ctnet.training import train

    if (course := distributed.from_rank_0(lambda: _kept_course(plan, since))) is not None:
        return weights.load(plan.weights), course
    e, r = plan.experiment, plan.experiment.recipe
    p = e.training.protocol
    if since is not None and distributed.rank() == 0:
        (plan.folder / CHECKPOINT).unlink(missing_ok=True)
    made = provenance.provenance()
    options = {"sampling": p.sampling, "seed": e.seed, "scales": r.scales, "flip": r.flip}
    clips = VideoDataset(plan.train_set, "train", p.frames, p.size, True, **options)
    torch.manual_seed(e.seed)
    sizes = {"num_classes": len(clips.info.classes), "num_frames": p.frames, "dropout": r.dropout}
    network = create_model(e.model, **sizes, **dict(e.overrides))
    if e.init == "imagenet":
        pretrained.load_imagenet(network)
    elif plan.start is not None:
        weights.transfer(network, _trained(plan.start, workers, progress))
    course = train(network, clips, r, plan.folder, e.seed, workers, progress=progress)
    course["experiment"], course["content"] = e.training.key, clips.info.extra.get("content_sha256")
    course["provenance"] = made | {"finished": provenance.now()}
    network.classes = clips.info.classes
    if distributed.rank() == 0:
        records.save(plan.folder / COURSE, records.dumps(course))
        weights.save(network, plan.weights, classes=clips.info.classes, protocol=asdict(p))
    return network.eval(), course


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder of a training while no other process or job works in it.

    Args:
        folder: Made where it is missing.

    Raises:
        TrainingError: The folder cannot be written.
    """
    from filelock import FileLock

    lock = FileLock(folder / "lock")

    def take():
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()

    try:
        distributed.from_rank_0(take)
        try:
            yield
        finally:
            lock.release()
    except BrokenPipeError:  # the terminal is gone; the folder is fine
        raise
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be written ({error}); make room or set CTNET_RUNS") from error


def _recorded_since(experiment: Experiment | Ensemble, since: float | None) -> Result | None:
    """The record, if it is of this data and, with `since`, not older than that; removes what a killed run left."""
    path = records.path_of(experiment.key, experiment.scale)
    if since is not None and not (path.exists() and path.stat().st_mtime > since):
        return None
    found = records.read(experiment.key, experiment.scale)
    if found and isinstance(experiment, Experiment):
        _check_content(found, experiment)
        _tidy(folder_of(experiment))
    return found


def _check_content(found: Result, experiment: Experiment) -> None:
    """ResultError where the set on disk, if there is one, holds other clips than the record was made of."""
    from ctnet.data.home import locate
    from ctnet.data.manifest import DataInfo

    try:
        info = DataInfo.read(locate(experiment.tested_on, experiment.scale))
    except DataError:
        return
    recorded, here = found.record.get("data", {}).get("content"), info.extra.get("content_sha256")
    if recorded and here and recorded != here:
        raise ResultError(
            f"{found.key}: was recorded on other clips than data set '{experiment.tested_on}' holds now; "
            "prepare the set under another name, or run it fresh"
        )


def _tidy(folder: Path) -> None:
    """Remove the checkpoint of a run that was killed after it was recorded, unless another process works there."""
    from filelock import FileLock, Timeout

    if (folder / CHECKPOINT).exists():
        with suppress(Timeout, OSError), FileLock(folder / "lock", timeout=0):
            (folder / CHECKPOINT).unlink(missing_ok=True)


def _kept_course(plan: Plan, since: float | None) -> dict | None:
    """The course of the training whose weights are kept; None where the network must be trained."""
    from ctnet.data.manifest import DataInfo

    if not plan.weights.exists() or (since is not None and plan.weights.stat().st_mtime < since):
        return None
    training = plan.experiment.training
    try:
        course = json.loads((plan.folder / COURSE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # weights of a version that kept no course: the record of the training has it
        recorded = records.read(training.key, training.scale)
        return recorded.record["training"] if recorded else None
    here = DataInfo.read(plan.train_set).extra.get("content_sha256")
    if course.get("content") != here:
        raise ResultError(
            f"{plan.weights}: was trained on other clips than data set '{training.data}' holds now; "
            "prepare the set under another name, or run it fresh"
        )
    return course


def _trained(experiment: Experiment, workers: int, progress: bool) -> Path:
    """The weights file of an experiment, trained here where it is missing: a record may be shipped without it."""
    plan = resolve(experiment)
    with alone(plan.folder):
        train_once(plan, workers, progress)
        if distributed.rank() == 0:
            (plan.folder / CHECKPOINT).unlink(missing_ok=True)
    return plan.weights


def _run_ensemble(ensemble: Ensemble, since: float | None, workers: int | None, progress: bool, devices: int) -> Result:
    """Run every member, average their scores, and write a record that names them."""
    from ctnet.inference import scores as scoring

    made, scores, training = provenance.provenance(), {}, {"seconds": 0.0, "epochs": []}
    for e in ensemble.members:
        member = run(e, since is not None, workers, progress, devices, since)
        plan = resolve(e)
        if not plan.scores.exists():  # the record was shipped without its scores
            with alone(plan.folder):
                carry_out(plan, _readers() if workers is None else workers, progress)
        scores[e.key] = scoring.Scores.load(plan.scores)
    together = scoring.ensemble(scores)
    described = {"members": list(scores), "seed": ensemble.seed, "scale": ensemble.scale}
    described |= {"data": ensemble.tested_on, "protocol_name": together.protocol}
    record = _record(described, member.record["data"], scoring.metrics(together), together, training, made)
    return distributed.from_rank_0(
        lambda: records.write(ensemble.key, ensemble.scale, record, replace=since is not None)
    )


def _record(experiment: dict, data: dict, found: dict, scores, training: dict, made: dict) -> dict:
    """A record in the order of its keys."""
    return {
        "experiment": experiment,
        "data": data,
        "metrics": found,
        "training": training,
        "predictions": scores.predictions.tolist(),
        "labels": scores.labels.tolist(),
        "provenance": made | {"finished": provenance.now()},
    }


def _readers() -> int:
    """Processes that read videos: some beside a GPU, none on a CPU, where the cores that read would compute."""
    import torch

    from ctnet.data.loading import readers

    return readers() if torch.cuda.is_available() else 0
