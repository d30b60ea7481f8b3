"""The results shipped in data/results: each belongs to the experiment that it names, and says what the book says."""

import json

import pytest

from ctnet import paths
from ctnet.data.prepare import DRAWN_SIZES
from ctnet.experiments import records, scales
from ctnet.experiments.experiment import Experiment
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe

FOLDERS = [f for f in (paths.ROOT / "data" / "results").iterdir() if f.name not in records.MEASURED]
FILES = sorted(path for folder in FOLDERS for path in folder.glob("[!.]*.json"))


def tuples(value):
    return tuple(map(tuples, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_record_bears_the_hash_of_its_experiment(path):
    record = json.loads(path.read_text())
    e = dict(record["experiment"])
    e.pop("protocol_name")
    e["recipe"] = Recipe(**{k: tuples(v) for k, v in e["recipe"].items()})
    e["protocol"] = Protocol(**e["protocol"])
    e["overrides"] = tuple((k, tuples(v)) for k, v in e["overrides"].items())
    assert Experiment(**e).key == path.stem
    assert e["scale"] == path.parent.name
    right = [p == k for p, k in zip(record["predictions"], record["labels"], strict=True)]
    assert 100 * sum(right) / len(right) == pytest.approx(record["metrics"]["top1"], abs=1e-3)


def strict(model: str, metric: str) -> list[float]:
    found = records.recorded(scales.experiments(model, "cpu"))
    assert len(found) == len(scales.SCALES["cpu"].seeds), f"{model}: not recorded at the cpu scale"
    return [r.metric(metric) for r in found]


def test_tsn_is_at_chance_within_strict_pairs():
    clips = 16 * DRAWN_SIZES["cpu"].test
    for share in strict("tsn_resnet50", "pairs.strict"):
        assert abs(share - 50) <= 3 * 100 * 0.5 / clips**0.5


def test_ctnet_leaves_chance_on_the_strict_tier_and_is_not_perfect():
    shares = strict("ctnet_resnet50", "tiers.strict")
    assert 80 < min(shares) and max(shares) < 100
