"""The records in data/results: each is found under its key, and has the accuracies that the book describes."""

import json

import pytest

from ctnet import paths
from ctnet.data.motionpairs.draw import DRAWN_SIZES
from ctnet.errors import ConfigError
from ctnet.experiments import records
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.records import recorded
from ctnet.models import weights
from ctnet.paper import evidence

ROOT = paths.ROOT / "data" / "results"
OTHERS = (*records.MEASURED, *records.RETIRED)  # folders without records of today's experiments
FILES = sorted(path for path in ROOT.glob("*/[!.]*.json") if path.parent.name not in OTHERS)


def test_results_folder_holds_only_records_and_known_files():
    others = [p for p in ROOT.rglob("*") if p.is_file() and p not in FILES]
    assert len(FILES) >= 60
    assert all(p.parent.name in OTHERS or p.name.startswith("probes-") for p in others)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_record_is_found_under_the_key_of_its_experiment(path):
    record = json.loads(path.read_text())
    if members := record["experiment"].get("members"):
        assert all((path.parent / f"{key}.json").exists() for key in members)
    else:
        e = Experiment.from_dict(record["experiment"])
        assert e.key == path.stem and e.scale == path.parent.name
        (found,) = recorded([e])
        assert found.record == record
    right = [p == k for p, k in zip(record["predictions"], record["labels"], strict=True)]
    assert 100 * sum(right) / len(right) == pytest.approx(record["metrics"]["top1"], abs=1e-3)


def on_motionpairs(model: str) -> list[dict]:
    """The records of a network at the cpu scale on MotionPairs, on any split."""
    found = [r.record for r in records.every("cpu")]
    return [r for r in found if r["experiment"].get("model") == model and r["experiment"]["data"] == "motionpairs"]


def test_tsn_is_at_chance_within_strict_pairs():
    twins = 8 * DRAWN_SIZES["cpu"].test  # independent answers, as one of two twins is wrong if the other is right
    for record in on_motionpairs("tsn_resnet50"):
        assert abs(record["metrics"]["pairs"]["strict"] - 50) <= 3 * 100 * 0.5 / twins**0.5


@pytest.mark.parametrize("model", ["ct_resnet50", "ctnet_resnet50"])
def test_ct_networks_have_room_above_and_below(model):
    shares = [record["metrics"]["tiers"]["strict"] for record in on_motionpairs(model)]
    assert shares and 60 < min(shares) and max(shares) < 90


def test_records_of_motionpairs_are_of_todays_version():
    for model in ("ct_resnet50", "ctnet_resnet50", "csn_resnet50", "r2plus1d_resnet50"):
        assert {r["data"]["version"] for r in on_motionpairs(model)} == {2}
    old = [json.loads(path.read_text()) for name in records.RETIRED for path in (ROOT / name).glob("*.json")]
    assert len(old) == 30
    for record in old:
        assert recorded([Experiment.from_dict(record["experiment"])]) == [], "shown as a result of today's version"


SHIPPED = sorted(paths.weights_root().glob("*.safetensors"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_weights_are_those_of_a_recorded_training(path):
    network = weights.load(path)
    assert network.name == path.stem and weights.shipped(path.stem) == path
    made = weights.read(path)[1]["course"]["experiment"]
    tests = [json.loads(file.read_text()) for file in FILES if file.stem.startswith(f"{path.stem}-s0-")]
    trained = {Experiment.from_dict(record["experiment"]).training.key for record in tests}
    assert made in trained, "its accuracy is recorded"


def test_shipped_weights_are_small_and_those_that_figure_3_shows():
    assert sum(path.stat().st_size for path in SHIPPED) <= 6e6
    assert {path.stem for path in SHIPPED} >= set(evidence.SALIENCY.values())
    with pytest.raises(ConfigError, match="unknown network with weights in data/weights 'ctnet_resnet5'; did you mean"):
        weights.shipped("ctnet_resnet5")
