"""The records in data/results: each is found under its key, and has the accuracies that the book describes."""

import json

import pytest

from ctnet import paths
from ctnet.data.prepare import DRAWN_SIZES
from ctnet.experiments import records, scales
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.records import recorded

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


def metric_of_seeds(model: str, metric: str) -> list[float]:
    """Return a metric of each recorded seed of a network at the cpu scale."""
    found = recorded(scales.per_seed(model, "cpu"))
    assert len(found) == len(scales.SCALES["cpu"].seeds), f"{model}: not recorded at the cpu scale"
    return [r.metric(metric) for r in found]


def test_tsn_is_at_chance_within_strict_pairs():
    clips = 16 * DRAWN_SIZES["cpu"].test
    for share in metric_of_seeds("tsn_resnet50", "pairs.strict"):
        assert abs(share - 50) <= 3 * 100 * 0.5 / clips**0.5


def test_ctnet_is_above_chance_on_the_strict_tier_and_not_perfect():
    shares = metric_of_seeds("ctnet_resnet50", "tiers.strict")
    assert 80 < min(shares) and max(shares) < 100
