"""Killed and resumed tasks end like unbroken ones; the harness notices lost files, failed runs and orphans."""

import json
import math
import random
import subprocess
import sys

import pytest

from tests.soak import kills


@pytest.mark.soak
def test_hundreds_of_kills(soak):
    soak.add("kills", kills.run_kills(soak.kills, soak.minutes, soak.seed))


def test_killed_and_resumed_preparation_ends_like_an_unbroken_one():
    found = kills.run_kills(2, math.inf, seed=1, tasks=["draw", "prepare"], by_clock=False)
    assert found["failures"] == [] and found["kills"] == 2
    for task in ("draw", "prepare"):
        check_one_kill(found[task])


@pytest.fixture(scope="module")
def training(tmp_path_factory) -> kills.Chain:
    """A chain of training runs whose unbroken run is done."""
    folder = tmp_path_factory.mktemp("kills")
    kills.draw_set(folder)
    chain = kills.Chain(folder, "train", random.Random(1), by_clock=False)
    chain.measure()
    return chain


def test_killed_and_resumed_training_ends_like_an_unbroken_one(training):
    found = training.run(1, math.inf)
    assert found["failures"] == []
    check_one_kill(found)


def check_one_kill(part: dict) -> None:
    """Check the record of a task that was killed once."""
    assert part["kills"] == 1 and part["runs_completed"] >= 1
    assert sum(part["landed"].values()) == 1 and part["when"] == {"at a file operation": 1}


def test_kills_come_by_the_clock_and_at_file_operations(tmp_path):
    chain = kills.Chain(tmp_path, "draw", random.Random(0))
    chain.seconds, chain.operations = 20, 8
    moments = [chain.choose_moment() for _ in range(100)]
    assert {how for how, _ in moments} == {"by the clock", "at a file operation"}
    assert {m["operation"] for _, m in moments if "operation" in m} == set(range(1, 9))
    assert all(0 <= m["after"] <= 21 for _, m in moments if "after" in m)


def test_run_killed_by_the_clock_counts_as_killed(tmp_path):
    chain = kills.Chain(tmp_path, "draw", random.Random(0))
    assert chain.attempt(600, after=0) and chain.failures == []
    assert chain.end_orphans() == []


def test_lost_and_changed_files_are_reported(tmp_path):
    for place, seconds, extra in (("unbroken", 1.0, "a"), ("resumed", 2.0, "a"), ("wrong", 1.0, "b")):
        home = tmp_path / place / "results" / "soak"
        home.mkdir(parents=True)
        record = {"metrics": 1, "training": {"epochs": [0.5], "seconds": seconds}, "provenance": {"started": place}}
        (home / "key.json").write_text(json.dumps(record | ({"metrics": 2} if extra == "b" else {})))
        (home / extra).touch()
    unbroken, resumed, wrong = (kills.content(tmp_path / place) for place in ("unbroken", "resumed", "wrong"))
    assert kills.differences(unbroken, resumed) == [], "times may differ"
    lines = ["left over: results/soak/b", "lost: results/soak/a", "not the same: results/soak/key.json"]
    assert kills.differences(unbroken, wrong) == lines


def test_failed_run_and_orphan_are_reported(tmp_path, monkeypatch):
    (tmp_path / "draw").touch()  # a file where the run needs a folder
    chain = kills.Chain(tmp_path, "draw", random.Random(0))
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(6000)"], start_new_session=True)
    chain.sessions.append(sleeper.pid)
    monkeypatch.setattr(kills, "ORPHAN", 1)
    chain.measure()
    failures = chain.run(1, math.inf)["failures"]
    assert sleeper.wait(60) < 0
    assert failures[0].startswith("draw: ended with 2 after") and "cannot be written" in failures[0]
    assert failures[1].startswith("draw: orphan process: ") and "sleep(6000)" in failures[1]
