"""The pages on real data: the owners' counts are consistent, and costs agree with a computation by hand."""

import math

import pytest

from ctnet.book import real_data
from ctnet.cli.main import parser
from ctnet.data.sets import NAMES
from ctnet.experiments import records
from ctnet.paper import costs, printed

SETS = {s.name: s for s in real_data.sets()}


def test_every_published_set_is_listed_once():
    assert list(SETS) == [name for name in NAMES if not name.endswith(("_2", "_3"))]  # one line for all splits of a set


def test_counts_are_consistent():
    assert all(s.train + s.test <= s.videos and s.classes <= s.test for s in SETS.values())
    for name in ("mini_kinetics", "ucf101", "grid16", "grid10", "grid51"):
        assert SETS[name].train + SETS[name].test == SETS[name].videos
    assert SETS["hmdb51"].train == 70 * SETS["hmdb51"].classes and SETS["hmdb51"].test == 30 * SETS["hmdb51"].classes
    assert SETS["something_v1"].classes == printed.row("3/ct_8").classes
    assert SETS["kinetics400"].classes == printed.row("4/ct_r50").classes
    assert SETS["mini_kinetics"].classes == printed.row("7/ct").classes
    assert SETS["ucf101"].classes == printed.row("5/ct").classes


def test_cost_is_three_forward_passes_per_training_clip_and_one_per_test_view():
    training, testing = SETS["something_v1"].pflops()
    forward = costs.row_cost(printed.row("3/ct_8")).gflops
    assert training == pytest.approx(forward * 3 * 86017 * 45 / 1e6)
    assert testing == pytest.approx(forward * 11522 / 1e6)
    assert SETS["kinetics400"].pflops()[1] == pytest.approx(
        costs.row_cost(printed.row("4/ct_r50")).gflops * 19906 / 1e6
    )


def test_hours_are_operations_over_speed_of_unfused_network(tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path))
    assert not any("hours" in column for column in real_data.cost_table())
    rows = {"ctnet eager fp32": 2.0, "ctnet eager bf16": 5.0, "ctnet compiled bf16": 50.0}
    rows = {what: {"clips_per_s": speed} for what, speed in rows.items()}
    record = {"provenance": {"device": "an abacus"}, "throughput": {"rows": rows, "frames": 8, "size": 224}}
    records.keep("bench", record)
    hours = real_data.cost_table().set_index("set")["hours on A"].astype(float)
    size = (256 / 224) ** 2  # frames of Something-Something are 256 x 256
    assert hours["Something-Something V1"] == pytest.approx(3 * 86017 * 45 * size / 2 / 3600, rel=5e-3)  # in fp32
    small = (112 / 224) ** 2
    assert hours["GRID, 16 words of one talker"] == pytest.approx(3 * 3212 * 30 * small / 5 / 3600, rel=0.06)


@pytest.mark.parametrize(
    "value, shown", [(2394.6, "2390"), (0.01234, "0.0123"), (5.5, "5.5"), (33518.9, "33500"), (math.nan, "–")]
)
def test_estimates_have_three_digits(value, shown):
    assert real_data.three_digits(value) == shown


def test_commands_are_valid():
    for s in SETS.values():
        for line in (s.prepare, s.command):
            words = line.split()
            assert words[:3] == ["python", "-m", "ctnet"]
            parser().parse_args(words[3:])


def test_training_time_is_shown_only_where_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path))
    assert set(real_data.cost_table()["training time"]) == {"not yet measured"}
    e = SETS["hmdb51"].experiment
    record = dict.fromkeys(records.NEEDED) | {"training": {"seconds": 5400.0}, "provenance": {"device": "an abacus"}}
    records.write(e.key, e.scale, record)
    shown = real_data.cost_table().set_index("set")["training time"]
    assert shown["HMDB51, split 1"] == "1.5 h on an abacus" and (shown == "not yet measured").sum() == len(SETS) - 1
