"""An experiment is a value; its hash names its result; `run` loads the result or makes it."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from ctnet import paths, processes, results
from ctnet.errors import ConfigError, DataError, ResultError, TrainingError, unknown
from ctnet.protocol import Protocol
from ctnet.recipe import Recipe
from ctnet.results import Result
from ctnet.scales import SCALES, SETS

FORMAT = 1  # of the meaning of an experiment's fields; part of every hash
WEIGHTS = "weights.safetensors"  # in the folder of a run


@dataclass(frozen=True)
class Experiment:
    """model: a name of the zoo · data: a data set · overrides: fields of the model's config, (key, value) pairs ·
    init: what the weights start from: `scratch`, `imagenet`, or a data set (the same model trained on that one).
    """

    model: str
    data: str = "motionpairs"
    recipe: Recipe = field(default_factory=Recipe)
    protocol: Protocol = field(default_factory=Protocol)
    seed: int = 0
    scale: str = "cpu"
    overrides: tuple[tuple[str, object], ...] = ()
    init: str = "scratch"

    def __post_init__(self):
        if self.seed < 0:
            raise ConfigError(f"experiment: the seed must be at least 0, not {self.seed}")
        if self.init == self.data:
            raise ConfigError(f"experiment: '{self.data}' is what is trained on; the weights cannot start from it")

    @property
    def key(self) -> str:
        """`ctnet_resnet50-s0-3f2a…`: a name to read, and the hash of every field and of the data's version.

        What is None is left out: a new field that is None by default leaves every older key as it was.
        """
        from ctnet.data.prepare import version_of

        content = asdict(self, dict_factory=given) | {
            "format": FORMAT,
            "data_version": version_of(self.data, self.scale),
        }
        digest = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.model}-s{self.seed}-{digest}"


def given(pairs: Sequence[tuple[str, object]]) -> dict:
    """The fields that are not None."""
    return {name: value for name, value in pairs if value is not None}


def experiments(
    model: str,
    scale: str,
    data: str | None = None,
    seeds: Sequence[int] | None = None,
    init: str | None = None,
    epochs: int | None = None,
) -> list[Experiment]:
    """The experiments of one table row, one for each seed of the scale. ConfigError for an unknown model or scale.

    data, seeds, init, epochs: instead of the scale's.
    """
    from ctnet.models.zoo import ZOO

    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    if model not in ZOO:
        raise unknown("model", model, ZOO)
    s = SCALES[scale]
    if scale == "paper":  # a split of a set ("ucf101_2") is trained as the set
        s = replace(s, **SETS.get((data or s.data).removesuffix("_2").removesuffix("_3"), {}))
    data, init = data or s.data, init or s.init
    recipe = s.recipe if epochs is None else replace(s.recipe, epochs=epochs)
    if recipe.epochs <= recipe.warmup:
        raise ConfigError(f"{recipe.epochs} epochs: must be more than the {recipe.warmup} of the recipe's warm-up")
    return [Experiment(model, data, recipe, s.protocol, seed, scale, s.overrides, init) for seed in seeds or s.seeds]


def start_of(e: Experiment) -> Experiment:
    """Whose weights it starts from, where `init` is a data set: the same on that set, from scratch; at the paper scale
    under that set's own recipe."""
    if e.scale == "paper":
        return replace(experiments(e.model, e.scale, e.init, [e.seed])[0], overrides=e.overrides)
    return replace(e, data=e.init, init="scratch")


def check_form(e: Experiment) -> None:
    """ConfigError where a small scale has no form of the network: InceptionV3, or too few blocks for its CT-blocks."""
    from ctnet.models.zoo import configured

    try:
        configured(e.model, **dict(e.overrides))
    except ConfigError as error:
        raise ConfigError(f"{e.model} has no {e.scale} scale ({error}); use gpu or paper") from error


def check_start(e: Experiment) -> None:
    """ConfigError where its weights can start from nothing: neither fresh, ImageNet's, trained nor to be trained."""
    from ctnet.data.prepare import locate

    if e.init in ("scratch", "imagenet") or (folder_of(start_of(e)) / WEIGHTS).exists():
        return
    try:
        locate(e.init, e.scale)
    except DataError as error:
        raise ConfigError(f"init '{e.init}' is neither scratch, imagenet nor a prepared data set ({error})") from error


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
    from ctnet.data.prepare import locate

    processes.join()
    key, scale, asked = experiment.key, experiment.scale, time.time()

    def look() -> Result | None:
        path = results.path_of(key, scale)
        return results.read(key, scale) if not fresh or path.exists() and path.stat().st_mtime > asked else None

    def keep() -> Result:
        result = results.write(key, scale, record, replace=fresh)
        (folder / "last.ckpt").unlink(missing_ok=True)
        return result

    if found := processes.from_rank_0(look):
        if processes.rank() == 0:
            tidy(folder_of(experiment))
        return of_this_data(found, experiment)
    check_form(experiment)
    locate(experiment.data, scale)  # DataError before anything is made
    check_start(experiment)
    processes.from_rank_0(lambda: results.check(scale))
    if devices > 1 and not processes.started():
        options = {"fresh": fresh, "workers": workers, "progress": progress}
        processes.launch(["ctnet.worker", json.dumps(asdict(experiment)), json.dumps(options)], devices)
        return results.read(key, scale)
    workers = readers_here() if workers is None else workers  # of a job of several: each of its processes says it
    with alone(experiment) as folder:
        if found := processes.from_rank_0(look):
            return found
        if fresh and processes.rank() == 0:
            (folder / "last.ckpt").unlink(missing_ok=True)
        record = carry_out(experiment, folder, workers, progress)
        return processes.from_rank_0(keep)


def trained(experiment: Experiment, workers: int = 0, progress: bool = True) -> Path:
    """The experiment's weights file: a record may be shipped without it, then it is trained here, the record kept."""
    with alone(experiment) as folder:
        path = folder / WEIGHTS
        if processes.from_rank_0(path.exists):
            return path
        record = carry_out(experiment, folder, workers, progress)

        def keep():
            if not results.read(experiment.key, experiment.scale):
                results.write(experiment.key, experiment.scale, record)
            (folder / "last.ckpt").unlink(missing_ok=True)

        processes.from_rank_0(keep)
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
        processes.from_rank_0(take)
        try:
            yield folder
        finally:
            lock.release()
    except BrokenPipeError:  # of the terminal
        raise
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be written ({error}); make room or set CTNET_RUNS") from error


def folder_of(experiment: Experiment) -> Path:
    return paths.runs_root() / experiment.scale / experiment.key


def tidy(folder: Path) -> None:
    """Removes the checkpoint of a run that was killed after its result was recorded, unless a run is at work there."""
    from filelock import FileLock, Timeout

    if (folder / "last.ckpt").exists():
        with suppress(Timeout, OSError), FileLock(folder / "lock", timeout=0):
            (folder / "last.ckpt").unlink(missing_ok=True)


def of_this_data(found: Result, experiment: Experiment) -> Result:
    """The record, if the set on disk (where there is one) holds the clips that it was made of; else ResultError."""
    from ctnet.data.datasets import DataInfo
    from ctnet.data.prepare import locate

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


def recorded(wanted: Sequence[Experiment]) -> list[Result]:
    """Those of the experiments that have a result."""
    return [r for e in wanted if (r := results.read(e.key, e.scale))]


def recorded_for(row) -> str | None:
    """The key of a recorded result for a row of the paper's tables, from the largest scale that has one; or None."""
    if len(row.models) != 1:
        return None
    wanted = (e for scale in reversed(SCALES) for e in experiments(row.models[0], scale))
    return next((e.key for e in wanted if results.path_of(e.key, e.scale).exists()), None)


def carry_out(experiment: Experiment, folder, workers: int, progress: bool) -> dict:
    """Trains, evaluates in order and with shuffled frames, keeps the weights and scores in `folder`."""
    import torch

    from ctnet.data.datasets import VideoDataset
    from ctnet.data.prepare import locate
    from ctnet.evaluation import metrics, score, test_split
    from ctnet.models import create_model, weights
    from ctnet.training import train

    e, p, r = experiment, experiment.protocol, experiment.recipe
    made = results.provenance()  # the code that runs is the code of now, whatever is committed meanwhile
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
        weights.load_imagenet(network)
    elif e.init != "scratch":
        weights.transfer(network, trained(start_of(e), workers, progress))
    training = train(network, clips, r, folder, e.seed, workers, progress=progress)
    info = held_out.info
    scores = score(network, held_out, p, workers=workers)
    if processes.rank() == 0:
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
        "provenance": made | {"finished": results.now()},
    }
