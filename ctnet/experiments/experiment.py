"""An experiment is a value: one training and one test. The hash of its fields names its record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256

from ctnet.errors import ConfigError
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe

FORMAT = 1  # version of what the fields mean; part of every key


@dataclass(frozen=True)
class Experiment:
    """One network, how it is trained, and how it is tested.

    The training decides the weights: `model`, `data`, `recipe`, `seed`, `scale`, `overrides`, `init`, and the number of
    frames of `protocol`. The test decides how the weights are scored: the crops, clips, size and sampling of
    `protocol`, and `test_data`. Experiments with an equal `training` share their weights.

    Attributes:
        model: Name of a network, one of `ctnet.list_models()`.
        data: Name of the data set that it is trained on.
        recipe: How it is trained (A.1).
        protocol: Frames, crops, clips and size of the test. Training takes its frames from here, and its size and
            sampling where the recipe gives none.
        seed: Seed of the weights, of the order of clips, and of all augmentation.
        scale: `smoke`, `cpu`, `gpu` or `paper`: which size of the data set, and which folder of records.
        overrides: (field, value) pairs that replace fields of the model's configuration.
        init: What the weights start from: `scratch`, `imagenet`, or a data set (the same model trained on that set).
        test_data: Name of the data set that it is tested on. None: `data`.
        test_split: Split that it is tested on, such as `validation`, on which settings are chosen. None: `test`.

    Raises:
        ConfigError: The seed is negative, or the weights would start from the set that they are trained on.

    Example:
        >>> e = Experiment("ctnet_resnet50", seed=1)
        >>> three_crops = replace(e, protocol=replace(e.protocol, crops=3))
        >>> three_crops.training == e.training  # trained once, scored twice
        True
    """

    model: str
    data: str = "motionpairs"
    recipe: Recipe = field(default_factory=Recipe)
    protocol: Protocol = field(default_factory=Protocol)
    seed: int = 0
    scale: str = "cpu"
    overrides: tuple[tuple[str, object], ...] = ()
    init: str = "scratch"
    test_data: str | None = None
    test_split: str | None = None

    def __post_init__(self):
        if self.seed < 0:
            raise ConfigError(f"experiment: the seed must be at least 0, not {self.seed}")
        if self.init == self.data:
            raise ConfigError(f"experiment: it trains on '{self.data}', so its weights cannot start from there")

    @classmethod
    def from_dict(cls, fields: Mapping) -> "Experiment":
        """The experiment that `dataclasses.asdict` or the entry `experiment` of a record describes.

        Args:
            fields: Fields by name; lists stand for tuples, as in JSON. An entry `protocol_name` is left out.

        Returns:
            An equal experiment, with the same key.
        """
        made = {name: _tuples(value) for name, value in fields.items() if name != "protocol_name"}
        made["overrides"] = tuple((name, _tuples(value)) for name, value in dict(made.get("overrides", ())).items())
        made["recipe"] = Recipe(**{name: _tuples(value) for name, value in fields["recipe"].items()})
        return cls(**made | {"protocol": Protocol(**fields["protocol"])})

    @property
    def training(self) -> "Experiment":
        """The experiment with the same weights, tested with one view that has the frames and size of training."""
        r, p = self.recipe, self.protocol
        plain = Protocol(p.frames, size=r.size or p.size, sampling=r.sampling or p.sampling)
        return replace(
            self, recipe=replace(r, size=None, sampling=None), protocol=plain, test_data=None, test_split=None
        )

    @property
    def tested_on(self) -> str:
        """Name of the data set whose test split is scored."""
        return self.test_data or self.data

    @cached_property
    def key(self) -> str:
        """Name of the record: `ctnet_resnet50-s0-3f2a…`, with a hash of every field and of the data's version.

        Fields that are None are left out of the hash, so a new field with the default None changes no older key.
        """
        from ctnet.data.home import PUBLISHED, version_of

        content = asdict(self, dict_factory=_given) | {
            "format": FORMAT,
            "data_version": version_of(self.data, self.scale),
        }
        if (started := version_of(self.init, self.scale)) != PUBLISHED:
            content["init_version"] = started
        if self.test_data is not None:
            content["test_data_version"] = version_of(self.test_data, self.scale)
        return f"{self.model}-s{self.seed}-{_digest(content)}"


@dataclass(frozen=True)
class Ensemble:
    """The mean of the scores of several networks on the same clips (rows EN of Tables 3, 4 and 6).

    Attributes:
        members: Experiments of one seed and one scale that are tested on the same data set.

    Raises:
        ConfigError: There are fewer than two members, or they differ in seed, scale or test data.

    Example:
        >>> frames = [Experiment("ctnet_resnet50", protocol=Protocol(n, size=32)) for n in (8, 16)]
        >>> Ensemble(tuple(frames)).key[:13]
        'ensemble2-s0-'
    """

    members: tuple[Experiment, ...]

    def __post_init__(self):
        if len(set(self.members)) < max(len(self.members), 2):
            raise ConfigError("ensemble: at least two different experiments are needed")
        for name in ("seed", "scale", "tested_on"):
            if len(values := {getattr(e, name) for e in self.members}) > 1:
                raise ConfigError(f"ensemble: the members differ in {name}: {', '.join(map(str, sorted(values)))}")

    @property
    def seed(self) -> int:
        """Seed of every member."""
        return self.members[0].seed

    @property
    def scale(self) -> str:
        """Scale of every member."""
        return self.members[0].scale

    @property
    def tested_on(self) -> str:
        """Name of the data set whose test split is scored."""
        return self.members[0].tested_on

    @cached_property
    def key(self) -> str:
        """Name of the record: `ensemble4-s0-3f2a…`, with a hash of the members' keys."""
        return f"ensemble{len(self.members)}-s{self.seed}-{_digest(sorted(e.key for e in self.members))}"


def _given(pairs: Sequence[tuple[str, object]]) -> dict:
    """The fields that are not None."""
    return {name: value for name, value in pairs if value is not None}


def _tuples(value: object) -> object:
    """Lists of JSON as the tuples of a frozen dataclass."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _digest(content: object) -> str:
    """First twelve hex digits of the SHA-256 of the JSON text."""
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
