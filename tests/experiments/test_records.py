"""Recorded results: written atomically, checked when read, and looked up by the name of a metric."""

import json
import os
import resource
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctnet import paths
from ctnet.errors import ResultError
from ctnet.experiments import provenance, records
from ctnet.experiments.records import Result

RECORD = {
    "experiment": {"seed": 0, "overrides": {"width": 16}},
    "metrics": {
        "top1": 60.0,
        "tiers": {"strict": 80.0, "state change": 55.5},
        "pairs": {"strict": 90.0},
        "shuffled": {"top1": 20.0, "tiers": {"strict": 6.25, "state change": 50.0}},
    },
    "predictions": [0, 1],
    "labels": [0, 2],
    "training": {"seconds": 1.0},
    "provenance": {"commit": "unknown"},
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder for results."""
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path))
    return tmp_path


def test_written_record_is_read_back(place):
    assert records.read("a", "cpu") is None
    written = records.write("a", "cpu", RECORD)
    assert records.read("a", "cpu") == written == Result("a", RECORD)
    assert [p.relative_to(place).as_posix() for p in place.rglob("*.*")] == ["cpu/a.json"]


def test_written_result_equals_the_one_read_back():
    made = records.write("a", "cpu", RECORD | {"experiment": {"depths": (1, 2)}})
    assert made == records.read("a", "cpu") and made.record["experiment"]["depths"] == [1, 2]


def test_existing_result_is_kept_without_replace():
    records.write("a", "cpu", RECORD)
    with pytest.raises(ResultError, match="a.json: a result is recorded already; run it fresh to replace it"):
        records.write("a", "cpu", RECORD | {"labels": []})
    assert records.read("a", "cpu").record == RECORD
    records.write("a", "cpu", RECORD | {"labels": []}, replace=True)
    assert records.read("a", "cpu").record["labels"] == []


def test_kill_before_the_rename_keeps_the_old_result(place, monkeypatch):
    records.write("a", "cpu", RECORD)
    seen = {}

    def killed(source, target):
        seen.update(whole=json.loads(source.read_text()), beside=source.parent == target.parent)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        records.write("a", "cpu", RECORD | {"labels": []}, replace=True)
    assert seen == {"whole": RECORD | {"labels": []}, "beside": True}
    assert records.read("a", "cpu").record == RECORD
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as if from another process
    records.write("a", "cpu", RECORD | {"labels": []}, replace=True)
    assert [p.name for p in (place / "cpu").iterdir()] == ["a.json"]


def test_full_disk_keeps_the_old_result_and_leaves_no_temporary_file(place):
    records.write("a", "cpu", RECORD)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(ResultError, match="a.json: cannot be written .*; make room or set CTNET_RESULTS"):
            records.write("a", "cpu", RECORD | {"labels": [1] * 1000}, replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert records.read("a", "cpu").record == RECORD
    assert [p.name for p in (place / "cpu").iterdir()] == ["a.json"]


def test_metric_is_found_by_its_name():
    r = Result("a", RECORD)
    assert (r.metric("top1"), r.metric("tiers.state change"), r.metric("pairs.strict")) == (60.0, 55.5, 90.0)
    assert r.metric("shuffled.tiers.strict") == 6.25
    assert r.metric("order_gap") == 40.0 and r.metric("order_gap.strict") == 73.75
    for name in ("top2", "tiers.easy", "top1.strict", "order_gap.easy"):
        with pytest.raises(ResultError, match="a: no metric .*; there are top1, tiers, pairs, shuffled"):
            r.metric(name)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), json_values))
def test_json_text_gives_the_record_back(record):
    assert json.loads(records.as_text(record)) == record


def test_json_text_has_a_line_for_each_key():
    lines = records.as_text(RECORD).splitlines()
    assert '  "top1": 60.0,' in lines and ' "predictions": [0, 1],' in lines
    assert '  "seed": 0,' in lines and lines[0] == "{" and lines[-1] == "}"


def test_provenance_has_versions_device_and_time():
    import torch

    found = provenance.provenance()
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"torch", "lightning", "numpy", "av"} <= set(found["versions"])
    assert "threads" in found["device"] or " x " in found["device"]
    assert found["started"].endswith(" UTC") and json.dumps(found)


def git(folder, *words):
    """Run git in a folder."""
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def test_commit_ends_with_plus_if_the_library_was_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() == "unknown"
    (tmp_path / "ctnet").mkdir()
    (tmp_path / "ctnet" / "a.py").write_text("a = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "ctnet")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = provenance.commit()
    assert len(clean) == 10 and not clean.endswith("+")
    (tmp_path / "notes").write_text("not a file of the library")
    assert provenance.commit() == clean
    (tmp_path / "ctnet" / "a.py").write_text("a = 2\n")
    assert provenance.commit() == clean + "+"


def test_last_measurement_of_each_device_is_kept(place):
    assert records.kept("bench") == []
    for device, figure in (("1 x H100 80GB", 1), ("A chip, 2 cores", 2), ("1 x H100 80GB", 3)):
        path = records.keep("bench", {"provenance": {"device": device}, "figure": figure})
    assert path.name == "1-x-h100-80gb.json"
    assert [record["figure"] for record in records.kept("bench")] == [3, 2]
