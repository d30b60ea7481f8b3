"""The plan of an experiment: its data sets, folders and start, looked up once, before anything is made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ctnet import distributed, paths
from ctnet.errors import ConfigError, DataError, ResultError, TrainingError
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.scales import start_of

WEIGHTS = "weights.safetensors"  # in the folder of a training
CHECKPOINT = "last.ckpt"


@dataclass(frozen=True)
class Plan:
    """What a run reads and writes for one experiment.

    Attributes:
        experiment: The experiment.
        folder: Folder of its training: checkpoint, weights, logs and scores.
        train_set: Folder of the prepared data set that it is trained on.
        test_set: Folder of the prepared data set that it is tested on.
        content: Data set folder -> hash of the clips that it holds now; None if the set has no hash.
        start: The plan of the experiment whose weights it starts from; None for fresh weights or those of ImageNet.

    Example:
        >>> resolve(experiment).weights.name
        'weights.safetensors'
    """

    experiment: Experiment
    folder: Path
    train_set: Path
    test_set: Path
    content: Mapping[Path, str | None] = field(default_factory=dict)
    start: "Plan | None" = None

    @property
    def weights(self) -> Path:
        """File of the trained weights."""
        return self.folder / WEIGHTS

    @property
    def checkpoint(self) -> Path:
        """Checkpoint of a training that is not finished."""
        return self.folder / CHECKPOINT

    @property
    def scores(self) -> Path:
        """File of the scores of the test."""
        return self.folder / f"scores-{self.experiment.key}.npz"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder of the training, so that no other process or job works in it.

        Raises:
            TrainingError: The folder cannot be written.
        """
        from filelock import FileLock

        lock = FileLock(self.folder / "lock")

        def take() -> None:
            self.folder.mkdir(parents=True, exist_ok=True)
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
            raise TrainingError(f"{self.folder}: cannot be written ({error}); make room or set CTNET_RUNS") from error

    def tidy(self) -> None:
        """Remove the checkpoint of a run that was killed after it was recorded, unless another process works there."""
        from filelock import FileLock, Timeout

        if self.checkpoint.exists():
            with suppress(Timeout, OSError), FileLock(self.folder / "lock", timeout=0):
                self.checkpoint.unlink(missing_ok=True)

    def check(self, folder: Path, content: str | None, what: str) -> None:
        """Raise ResultError if something was made of other clips than the data set holds now.

        Args:
            folder: Folder of the data set.
            content: Hash of the clips that it was made of; None if it is not known.
            what: Beginning of the message.
        """
        here = self.content.get(folder)
        if content and here and content != here:
            raise ResultError(
                f"{what} other clips than data set '{folder.name}' holds now; "
                "prepare the set under another name, or run it fresh"
            )


def resolve(experiment: Experiment) -> Plan:
    """Look up everything that an experiment needs.

    Args:
        experiment: The experiment to plan.

    Returns:
        Its plan.

    Raises:
        ConfigError: The network cannot be built at this scale, or `init` is unknown.
        DataError: A data set is missing; the message has the command that prepares it.

    Example:
        >>> resolve(Experiment("tsn_resnet50", scale="smoke")).train_set.name
        'motionpairs-smoke'
    """
    from ctnet.data.home import locate
    from ctnet.data.manifest import DataInfo
    from ctnet.models.zoo import configured

    e, folder = experiment, folder_of(experiment)
    try:
        configured(e.model, **dict(e.overrides))
    except ConfigError as error:
        raise ConfigError(f"{e.model} has no {e.scale} scale ({error}); use gpu or paper") from error
    start = None if e.init in ("scratch", "imagenet") else _resolve_start(start_of(e), e.init)
    train_set, test_set = (locate(name, e.scale) for name in (e.data, e.tested_on))
    content = {home: DataInfo.read(home).extra.get("content_sha256") for home in (train_set, test_set)}
    return Plan(e, folder, train_set, test_set, content, start)


def folder_of(experiment: Experiment) -> Path:
    """Return the folder of a training, which all experiments with this training share (CTNET_RUNS moves it)."""
    training = experiment.training
    return paths.runs_root() / training.scale / training.key


def _resolve_start(start: Experiment, init: str) -> Plan:
    """Return the plan of the training that `init` names; its data set may be missing if its weights are kept."""
    try:
        return resolve(start)
    except DataError as error:
        folder = folder_of(start)
        if (folder / WEIGHTS).exists():
            return Plan(start, folder, folder, folder)
        raise ConfigError(f"init '{init}' is neither scratch, imagenet nor a prepared data set ({error})") from error
