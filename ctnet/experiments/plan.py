"""TODO."""

from dataclasses import replace
from pathlib import Path

from ctnet import paths
from ctnet.errors import ConfigError, DataError
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.scales import experiments

WEIGHTS = "weights.safetensors"  # in the folder of a run


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
    from ctnet.data.home import locate

    if e.init in ("scratch", "imagenet") or (folder_of(start_of(e)) / WEIGHTS).exists():
        return
    try:
        locate(e.init, e.scale)
    except DataError as error:
        raise ConfigError(f"init '{e.init}' is neither scratch, imagenet nor a prepared data set ({error})") from error


def folder_of(experiment: Experiment) -> Path:
    return paths.runs_root() / experiment.scale / experiment.key
