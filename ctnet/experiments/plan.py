"""The plan of an experiment: every folder and file that a run needs, looked up and checked once."""

from dataclasses import dataclass, replace
from pathlib import Path

from ctnet import paths
from ctnet.errors import ConfigError, DataError
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.scales import experiments

WEIGHTS = "weights.safetensors"  # in the folder of a training
COURSE = "training.json"  # beside the weights: loss and accuracy of each epoch, and what they were trained on
CHECKPOINT = "last.ckpt"


@dataclass(frozen=True)
class Plan:
    """What `run` reads and writes for one experiment.

    Attributes:
        experiment: The experiment.
        folder: Folder of its training: checkpoint, weights, logs and scores.
        train_set: Folder of the prepared data set that it is trained on.
        test_set: Folder of the prepared data set that it is tested on.
        start: The experiment whose weights it starts from; None for fresh weights or those of ImageNet.
    """

    experiment: Experiment
    folder: Path
    train_set: Path
    test_set: Path
    start: Experiment | None

    @property
    def weights(self) -> Path:
        """File of the trained weights."""
        return self.folder / WEIGHTS

    @property
    def scores(self) -> Path:
        """File of the scores of the test."""
        return self.folder / f"scores-{self.experiment.key}.npz"


def resolve(experiment: Experiment) -> Plan:
    """Look up everything that an experiment needs, before anything is made.

    Args:
        experiment: The experiment to plan.

    Returns:
        Its plan.

    Raises:
        ConfigError: The network has no form at this scale, or its weights can start from nothing.
        DataError: A data set is missing; the message has the command that prepares it.
    """
    from ctnet.data.home import locate
    from ctnet.models.zoo import configured

    e = experiment
    try:
        configured(e.model, **dict(e.overrides))
    except ConfigError as error:
        raise ConfigError(f"{e.model} has no {e.scale} scale ({error}); use gpu or paper") from error
    train_set = locate(e.data, e.scale)
    test_set = locate(e.test_data, e.scale) if e.test_data else train_set
    start = None if e.init in ("scratch", "imagenet") else start_of(e)
    if start and not (folder_of(start) / WEIGHTS).exists():
        try:
            locate(e.init, e.scale)
        except DataError as error:
            raise ConfigError(
                f"init '{e.init}' is neither scratch, imagenet nor a prepared data set ({error})"
            ) from error
    return Plan(e, folder_of(e), train_set, test_set, start)


def start_of(experiment: Experiment) -> Experiment:
    """The experiment whose weights another one starts from: the same network, trained from scratch on `init`.

    At the paper scale it has the recipe of that data set.
    """
    e = experiment
    if e.scale == "paper":
        return replace(experiments(e.model, e.scale, e.init, [e.seed])[0], overrides=e.overrides)
    return replace(e, data=e.init, init="scratch", test_data=None)


def folder_of(experiment: Experiment) -> Path:
    """Folder of the training of an experiment, shared by all experiments with this training (CTNET_RUNS moves it)."""
    training = experiment.training
    return paths.runs_root() / training.scale / training.key
