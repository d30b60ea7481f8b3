"""An experiment is a value; its hash names its result; `run` loads the result or makes it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from ctnet import distributed
from ctnet.errors import DataError, ResultError, TrainingError
from ctnet.experiments import provenance, records
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.plan import WEIGHTS, check_form, check_start, folder_of, start_of
from ctnet.experiments.records import Result
from ctnet.training import launch


def run(
    experiment: Experiment,
    fresh: bool = False,
    workers: int | None = None,
    progress: bool = True,
    devices: int = 1,
) -> Result:
    """The experiment's result: recorded, or else trained and evaluated now and recorded.

    fresh: run it from the start even if recorded, and replace the record, unless another call does so meanwhile ·
    workers: processes that read videos, for each device (default: `loading.readers` beside a GPU; without one none, as
    the cores that read are those that compute) · devices: GPUs (without any: processes on the CPU) that share each
    step's clips; several are a job of their own, whose output is printed here as it comes, so a notebook may ask for
    them. Two processes or jobs that ask for the same one do not run it twice: the second waits and loads. A killed run
    goes on from its last checkpoint, which is removed when the result is recorded. Under torchrun all processes call
    this; rank 0 locks and writes. TrainingError where the runs' folder cannot be written or a process of the job
    fails, ResultError where the record is of other data or cannot be written.
    """
    from ctnet.data.home import locate

    distributed.join()
    key, scale, asked = experiment.key, experiment.scale, time.time()

    def look() -> Result | None:
        path = records.path_of(key, scale)
        return records.read(key, scale) if not fresh or path.exists() and path.stat().st_mtime > asked else None

    def keep() -> Result:
        result = records.write(key, scale, record, replace=fresh)
        (folder / "last.ckpt").unlink(missing_ok=True)
        return result

    if found := distributed.from_rank_0(look):
        if distributed.rank() == 0:
            tidy(folder_of(experiment))
        return of_this_data(found, experiment)
    check_form(experiment)
    locate(experiment.data, scale)  # DataError before anything is made
    check_start(experiment)
    distributed.from_rank_0(lambda: records.check(scale))
    if devices > 1 and not distributed.started():
        options = {"fresh": fresh, "workers": workers, "progress": progress}
        launch.launch(["ctnet.experiments.worker", json.dumps(asdict(experiment)), json.dumps(options)], devices)
        return records.read(key, scale)
    workers = readers_here() if workers is None else workers  # of a job of several: each of its processes says it
    with alone(experiment) as folder:
        if found := distributed.from_rank_0(look):
            return found
        if fresh and distributed.rank() == 0:
            (folder / "last.ckpt").unlink(missing_ok=True)
        record = carry_out(experiment, folder, workers, progress)
        return distributed.from_rank_0(keep)


def trained(experiment: Experiment, workers: int = 0, progress: bool = True) -> Path:
    """The experiment's weights file: a record may be shipped without it, then it is trained here, the record kept."""
    with alone(experiment) as folder:
        path = folder / WEIGHTS
        if distributed.from_rank_0(path.exists):
            return path
        record = carry_out(experiment, folder, workers, progress)

        def keep():
            if not records.read(experiment.key, experiment.scale):
                records.write(experiment.key, experiment.scale, record)
            (folder / "last.ckpt").unlink(missing_ok=True)

        distributed.from_rank_0(keep)
        return path


def readers_here() -> int:
    import torch

    from ctnet.data.loading import readers

    return readers() if torch.cuda.is_available() else 0


@contextmanager
def alone(experiment: Experiment) -> Iterator[Path]:
    """The experiment's folder, while no other process or job works in it."""
    from filelock import FileLock

    folder = folder_of(experiment)
    lock = FileLock(folder / "lock")

    def take():
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()

    try:
        distributed.from_rank_0(take)
        try:
            yield folder
        finally:
            lock.release()
    except BrokenPipeError:  # of the terminal
        raise
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be written ({error}); make room or set CTNET_RUNS") from error


def tidy(folder: Path) -> None:
    """Removes the checkpoint of a run that was killed after its result was recorded, unless a run is at work there."""
    from filelock import FileLock, Timeout

    if (folder / "last.ckpt").exists():
        with suppress(Timeout, OSError), FileLock(folder / "lock", timeout=0):
            (folder / "last.ckpt").unlink(missing_ok=True)


def of_this_data(found: Result, experiment: Experiment) -> Result:
    """The record, if the set on disk (where there is one) holds the clips that it was made of; else ResultError."""
    from ctnet.data.home import locate
    from ctnet.data.manifest import DataInfo

    try:
        info = DataInfo.read(locate(experiment.data, experiment.scale))
    except DataError:
        return found
    made_of, here = found.record.get("data", {}).get("content"), info.extra.get("content_sha256")
    if made_of and here and made_of != here:
        raise ResultError(
            f"{found.key}: was recorded on other clips than data set '{experiment.data}' holds now; "
            "prepare the set under another name, or run it fresh"
        )
    return found


def carry_out(experiment: Experiment, folder, workers: int, progress: bool) -> dict:
    """Trains, evaluates in order and with shuffled frames, keeps the weights and scores in `folder`."""
    import torch

    from ctnet.data.dataset import VideoDataset
    from ctnet.data.home import locate
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import metrics
    from ctnet.models import create_model, pretrained, weights
    from ctnet.training import train

    e, p, r = experiment, experiment.protocol, experiment.recipe
    made = provenance.provenance()  # the code that runs is the code of now, whatever is committed meanwhile
    home = locate(e.data, e.scale)
    held_out = test_split(home, p)  # what is wrong with it is known before hours of training
    size, sampling = r.size or p.size, r.sampling or p.sampling
    clips = VideoDataset(
        home, "train", p.frames, size, True, sampling=sampling, seed=e.seed, scales=r.scales, flip=r.flip
    )
    torch.manual_seed(e.seed)
    network = create_model(
        e.model, num_classes=len(clips.info.classes), num_frames=p.frames, dropout=r.dropout, **dict(e.overrides)
    )
    if e.init == "imagenet":
        pretrained.load_imagenet(network)
    elif e.init != "scratch":
        weights.transfer(network, trained(start_of(e), workers, progress))
    training = train(network, clips, r, folder, e.seed, workers, progress=progress)
    info = held_out.info
    scores = score(network, held_out, p, workers=workers)
    if distributed.rank() == 0:
        scores.save(folder / "scores.npz")
        weights.save(network, folder / WEIGHTS, classes=info.classes, protocol=asdict(p))
    found = metrics(scores)
    found["shuffled"] = metrics(score(network, held_out, p, shuffled=True, workers=workers))
    return {
        "experiment": asdict(e) | {"overrides": dict(e.overrides), "protocol_name": str(p)},
        "data": {
            "name": info.name,
            "version": info.version,
            "splits": info.splits,
            "content": info.extra.get("content_sha256"),
            "classes": list(info.classes),
        },
        "metrics": found,
        "training": training,
        "predictions": scores.predictions.tolist(),
        "labels": scores.labels.tolist(),
        "provenance": made | {"finished": provenance.now()},
    }
