"""What is trained, how, and how it is tested: at each scale, and at the paper's for each of its data sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ctnet.errors import ConfigError, unknown
from ctnet.experiments.experiment import Experiment
from ctnet.protocol import Protocol, named
from ctnet.training.recipe import Recipe


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


@dataclass(frozen=True)
class Scale:
    """The size of an experiment: what is trained, how, and under which protocol it is tested."""

    recipe: Recipe
    protocol: Protocol
    seeds: tuple[int, ...]
    overrides: tuple[tuple[str, object], ...] = ()
    data: str = "motionpairs"
    init: str = "scratch"


# Small enough for two cores: stem of 16 channels, three stages of two blocks, the second of each a CT-block.
SMALL = (("width", 16), ("depths", (2, 2, 2)))
SCALES = {
    "smoke": Scale(Recipe(epochs=1, batch_size=44, warmup=0, scales=(1.0,)), Protocol(size=32), (0,), SMALL),
    "cpu": Scale(
        Recipe(epochs=16, batch_size=16, lr=0.3, warmup=1, dropout=0.0, scales=(1.0,), fc_lr=(1.0, 2.0)),
        Protocol(size=32),
        (0, 1, 2),
        SMALL,
    ),
    "gpu": Scale(Recipe(epochs=30, lr=0.04, warmup=3, precision="bf16-mixed"), Protocol(size=112), (0, 1, 2)),
    "paper": Scale(Recipe(), Protocol(), (0,), data="something_v1", init="imagenet"),
}
# At the paper scale a set has its own recipe (A.1) and test protocol. For UCF101 and HMDB51 the paper names weights,
# frames and clips; the rest is our choice.
KINETICS = Recipe(epochs=110, lr=0.01, dropout=0.5, weight_decay=1e-4, flip=True, sampling="dense")
SMALLER = {
    "recipe": replace(KINETICS, epochs=45, sampling=None),
    "protocol": named("ucf_hmdb"),
    "init": "kinetics400",
}
SETS = {
    "kinetics400": {"recipe": KINETICS, "protocol": named("kinetics_paper")},
    "mini_kinetics": {"recipe": KINETICS, "protocol": named("kinetics_paper", 8)},
    "ucf101": SMALLER,
    "hmdb51": SMALLER,
}
