"""The four scales: what is trained, how, and how it is tested, for each data set that has settings of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ctnet.errors import ConfigError, unknown
from ctnet.experiments.experiment import Experiment
from ctnet.protocol import Protocol, named
from ctnet.training.recipe import Recipe


@dataclass(frozen=True)
class Scale:
    """The size of an experiment.

    Attributes:
        recipe: How networks are trained.
        protocol: How they are tested.
        seeds: Seeds, one experiment for each.
        overrides: (field, value) pairs that replace fields of a model's configuration.
        data: Data set that they are trained on.
        init: What their weights start from.
    """

    recipe: Recipe
    protocol: Protocol
    seeds: tuple[int, ...]
    overrides: tuple[tuple[str, object], ...] = ()
    data: str = "motionpairs"
    init: str = "scratch"

    def on(self, data: str, scale: str) -> "Scale":
        """Return the settings for a data set; those of `SETS` hold for all of its splits (`ucf101_2`)."""
        own = SETS.get(scale, {}).get(data.removesuffix("_2").removesuffix("_3"), {})
        return replace(self, **own, data=data)


# Small enough for two cores: a stem of 16 channels, and three stages of two blocks, the second of each a CT-block.
SMALL = (("width", 16), ("depths", (2, 2, 2)))
# InceptionV3 reduces less than 75 pixels to nothing, so it reads enlarged clips.
SMALL_INCEPTION = {"overrides": (("width", 16),), "protocol": Protocol(size=75)}
# Of the four layers of Table 8 that a CT-Module replaces, two have 24 channels at width 16. Tensor excitation needs
# sizes divisible by 4, and 24 is no product of two such sizes, so those two stay plain.
SMALL_INCEPTION_SITES = ("Mixed_5c.branch5x5_2", "Mixed_7c.branch3x3dbl_2")
ON_CPU = Recipe(epochs=16, batch_size=16, lr=0.3, warmup=1, dropout=0.0, scales=(1.0,), fc_lr=(1.0, 2.0))
# Chosen on the validation split; data/README.md says how.
ON_MOTIONPAIRS = replace(ON_CPU, epochs=10, lr=0.1, precision="bf16-mixed", compiled=True)
#: Name of a scale -> its settings.
SCALES = {
    "smoke": Scale(Recipe(epochs=1, batch_size=44, warmup=0, scales=(1.0,)), Protocol(size=32), (0,), SMALL),
    "cpu": Scale(ON_MOTIONPAIRS, Protocol(size=32), (0, 1, 2, 3, 4), SMALL),
    "gpu": Scale(Recipe(epochs=30, lr=0.04, warmup=3, precision="bf16-mixed"), Protocol(size=112), (0, 1, 2)),
    "paper": Scale(Recipe(), Protocol(), (0,), data="something_v1", init="imagenet"),
}

# At the paper scale a data set has its own recipe (A.1) and test protocol. For UCF101 and HMDB51 the paper names the
# weights, the frames and the clips; the rest is our choice. GRID is too small for bf16 and compilation to matter.
KINETICS = Recipe(epochs=110, lr=0.01, dropout=0.5, weight_decay=1e-4, flip=True, sampling="dense")
SMALLER = {
    "recipe": replace(KINETICS, epochs=45, sampling=None),
    "protocol": named("ucf_hmdb"),
    "init": "kinetics400",
}
#: Scale -> data set -> the fields of `Scale` that differ for it.
SETS: dict[str, dict[str, dict]] = {
    "cpu": dict.fromkeys(("grid10", "grid16", "grid51"), {"recipe": ON_CPU, "seeds": (0, 1, 2)}),
    "paper": {
        "kinetics400": {"recipe": KINETICS, "protocol": named("kinetics_paper")},
        "mini_kinetics": {"recipe": KINETICS, "protocol": named("kinetics_paper", 8)},
        "ucf101": SMALLER,
        "hmdb51": SMALLER,
    },
}


def settings(scale: str, data: str | None = None) -> Scale:
    """The settings of a scale on a data set.

    Args:
        scale: `smoke`, `cpu`, `gpu` or `paper`.
        data: Name of the data set. Default: the scale's.

    Returns:
        The settings, with this data set.

    Raises:
        ConfigError: Unknown scale.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    s = SCALES[scale]
    return s.on(data or s.data, scale)


def per_seed(
    model: str,
    scale: str,
    data: str | None = None,
    seeds: Sequence[int] | None = None,
    init: str | None = None,
    epochs: int | None = None,
) -> list[Experiment]:
    """The experiments of one network at a scale, one for each seed.

    Args:
        model: Name of a network.
        scale: `smoke`, `cpu`, `gpu` or `paper`.
        data: Name of the data set. Default: the scale's.
        seeds: Seeds to use. Default: the scale's.
        init: What the weights start from: `scratch`, `imagenet` or a data set. Default: the scale's.
        epochs: Epochs to train. Default: the recipe's.

    Returns:
        One experiment for each seed.

    Raises:
        ConfigError: Unknown model or scale, or no epoch after the warm-up.

    Example:
        >>> [e.seed for e in per_seed("ctnet_resnet50", "cpu")]
        [0, 1, 2]
    """
    from ctnet.models.inception import InceptionConfig
    from ctnet.models.zoo import ZOO

    s = settings(scale, data)
    if model not in ZOO:
        raise unknown("model", model, ZOO)
    if s.overrides == SMALL and isinstance(ZOO[model], InceptionConfig):
        s = replace(s, **SMALL_INCEPTION)
        if ZOO[model].ct_blocks:
            s = replace(s, overrides=(*s.overrides, ("ct_blocks", SMALL_INCEPTION_SITES)))
    recipe = s.recipe if epochs is None else replace(s.recipe, epochs=epochs)
    if recipe.epochs <= recipe.warmup:
        raise ConfigError(f"{recipe.epochs} epochs: must be more than the {recipe.warmup} of the recipe's warm-up")
    init = init or s.init
    return [Experiment(model, s.data, recipe, s.protocol, seed, scale, s.overrides, init) for seed in seeds or s.seeds]


def start_of(experiment: Experiment) -> Experiment:
    """The experiment whose weights another one starts from: the same network, trained from scratch on `init`.

    Args:
        experiment: One whose `init` is a data set.

    Returns:
        It has the settings of its scale on that data set; those of the experiment if the scale does not know the set.
    """
    e = replace(experiment, data=experiment.init, init="scratch", test_data=None, test_split=None)
    if e.scale not in SCALES or e.data not in (SCALES[e.scale].data, *SETS.get(e.scale, ())):
        return e
    s = SCALES[e.scale].on(e.data, e.scale)
    return replace(e, recipe=s.recipe, protocol=s.protocol, init=s.init)
