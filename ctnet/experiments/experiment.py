"""TODO."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256

from ctnet.errors import ConfigError
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe

FORMAT = 1  # of the meaning of an experiment's fields; part of every hash


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
        from ctnet.data.home import version_of

        content = asdict(self, dict_factory=given) | {
            "format": FORMAT,
            "data_version": version_of(self.data, self.scale),
        }
        digest = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.model}-s{self.seed}-{digest}"


def given(pairs: Sequence[tuple[str, object]]) -> dict:
    """The fields that are not None."""
    return {name: value for name, value in pairs if value is not None}
