"""The soak in miniature: it finds nothing here, and what there might be it would find."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ctnet.book import machines
from ctnet.data.video import write_video
from ctnet.errors import ConfigError, DataError
from ctnet.experiments import records
from tests.soak import fuzz, kills, reads, soak
from tests.soak.fuzz import Target
from tests.soak.reads import Sample

KINDS = ("frames", "h264.mp4", "mjpeg.avi", "mpeg4.avi", "vp9.webm", "something_v1", "something_v2", "kinetics400")
KINDS += ("mini_kinetics", "ucf101", "hmdb51", "grid51", "words.csv", "path frames label", "manifest")


@pytest.fixture(scope="module")
def read():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reads, "WARM", 10)
        return reads.reads(30, minutes=5, seed=0)


def test_random_reads_give_the_right_frames_and_leave_nothing_open(read):
    assert [line for line in read["failures"] if not line.startswith("memory")] == []  # so few say nothing of memory
    assert read["reads"] == 30 and {"frames", "h264.mp4", "mjpeg.avi", "vp9.webm"} <= set(read["files"])
    assert read["samples"][0]["memory"] > 0 and read["samples"][0]["handles"] > 0


def samples(memory=lambda k: 5e5, handles=lambda k: 7, threads=lambda k: 2) -> list[Sample]:
    return [Sample(k, memory(k), handles(k), threads(k)) for k in range(0, 2001, 20)]


def test_a_leak_is_noticed_and_a_spike_is_none():
    assert reads.grown(samples()) == []
    assert reads.grown(samples(memory=lambda k: 5e5 + 9000 * (k == 1500) + k % 7)) == []
    assert reads.grown(samples(memory=lambda k: 5e5 + 4 * min(k, 900))) == [], "set up late, then flat"
    (line,) = reads.grown(samples(memory=lambda k: 5e5 + 3 * k))
    assert line.startswith("memory: 3.0 KiB more with each read")
    assert reads.grown(samples(handles=lambda k: 7 + (k > 1990))) == ["handles: 7 at the start, 8 after 2000 reads"]
    assert reads.grown(samples(threads=lambda k: 2 + k // 1000)) == ["threads: 2 at the start, 4 after 2000 reads"]


def test_a_wrong_frame_is_noticed(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (reads.FRAMES, 16, 16, 3), np.uint8)
    write_video(tmp_path / "a.avi", frames)
    right = reads.decode_all(tmp_path / "a.avi")
    assert reads.read(tmp_path / "a.avi", [3, 0], right) is None
    assert reads.read(tmp_path / "a.avi", [3, 0], right[::-1]) == "other frames than a player shows"
    assert "no such file" in reads.read(tmp_path / "b.avi", [3, 0], right)
    assert reads.read(tmp_path / "a.avi", [reads.FRAMES], right) is None, "an error is right"


def test_killed_and_resumed_runs_end_as_unbroken_ones():
    found = kills.kills(3, minutes=8, seed=1)
    assert found["failures"] == [] and found["kills"] == 3
    for task in kills.TASKS:
        one = found[task]
        assert one["runs_completed"] >= 1 and sum(one["landed"].values()) == sum(one["when"].values()) == 1


def test_a_lost_or_doubled_file_is_noticed(tmp_path):
    for place, seconds, extra in (("unbroken", 1.0, "a"), ("resumed", 2.0, "a"), ("wrong", 1.0, "b")):
        home = tmp_path / place / "results" / "soak"
        home.mkdir(parents=True)
        record = {"metrics": 1, "training": {"epochs": [0.5], "seconds": seconds}, "provenance": {"started": place}}
        (home / "key.json").write_text(json.dumps(record | ({"metrics": 2} if extra == "b" else {})))
        (home / extra).touch()
    unbroken, resumed, wrong = (kills.content(tmp_path / place) for place in ("unbroken", "resumed", "wrong"))
    assert kills.differences(unbroken, resumed) == [], "times are another run's"
    lines = ["left over: results/soak/b", "lost: results/soak/a", "not the same: results/soak/key.json"]
    assert kills.differences(unbroken, wrong) == lines


def test_a_run_that_fails_and_an_orphan_are_noticed(tmp_path, monkeypatch):
    (tmp_path / "draw").touch()
    chain = kills.Chain(tmp_path, "draw", None)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    chain.sessions.append(sleeper.pid)
    monkeypatch.setattr(kills, "PATIENCE", 6)
    failures = chain.run(1, time.monotonic() + 60)["failures"]
    assert sleeper.wait(60) < 0
    assert failures[0].startswith("draw: ended with 2 after") and "cannot be written" in failures[0]
    assert failures[1].startswith("draw: an orphan: ") and "sleep(600)" in failures[1]


@pytest.fixture(scope="module")
def targets(tmp_path_factory) -> dict[str, Target]:
    return fuzz.targets(tmp_path_factory.mktemp("fuzz"))


def test_every_kind_is_damaged(targets):
    assert set(KINDS) >= set(targets) >= set(KINDS) - set(reads.PREDICTED)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_gives_a_clean_error_or_a_right_result(kind, targets):
    if kind not in targets:
        pytest.skip(f"{kind}: cannot be encoded here")
    assert fuzz.hunt(targets[kind], seed=0, examples=20) is None


def raising(error: Exception):
    def read():
        raise error

    return read


def test_what_is_no_clean_error_is_noticed(tmp_path, monkeypatch):
    file = tmp_path / "list.txt"
    file.write_text("a right file")
    told = {
        "KeyError: 'a'": raising(KeyError("a")),
        "AssertionError: a right file gives an error": raising(DataError(f"{tmp_path}: wrong")),
        "AssertionError: an error that names no file": lambda: (
            file.read_text() == "a right file" or raising(DataError("x"))()
        ),
    }
    for line, read in told.items():
        assert fuzz.hunt(Target((file,), read), 0, 20).startswith(line)
        assert file.read_text() == "a right file"
    monkeypatch.setattr(fuzz, "SECONDS", 60)
    ran, wrong = fuzz.apart(Target((file,), lambda: os.kill(os.getpid(), signal.SIGKILL)), 0, 20, tmp_path / "last")
    assert ran == 1 and wrong.startswith("the process ended with SIGKILL: list.txt ")
    assert file.read_text() == "a right file"
    assert fuzz.apart(Target((file,), lambda: None), 0, 20, tmp_path / "last") == (20, None)
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    ran, wrong = fuzz.apart(Target((file,), lambda: time.sleep(600)), 0, 20, tmp_path / "last")
    assert ran == 1 and wrong.startswith("more than 1 s: list.txt ")
    assert file.read_text() == "a right file"


def test_a_soak_is_kept_and_shown(read, tmp_path, monkeypatch, capsys):
    task = {"kills": 3, "runs_completed": 1, "landed": {"recorded": 1, "trained": 2}, "failures": []}
    made = {
        "reads": read | {"failures": []},
        "kills": {
            "kills": 9,
            "draw": task,
            "prepare": task,
            "train": task | {"failures": ["train: lost: a"]},
            "failures": ["train: lost: a"],
        },
        "fuzz": {"cases": 70, "kinds": {"manifest": 70}, "failures": []},
    }
    monkeypatch.setattr(soak, "SECTIONS", {name: lambda o, name=name: made[name] for name in made})
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    out = tmp_path / "soak.json"
    assert soak.main(["--out", str(out), "--only", "reads"]) == 0 and records.kept("soak") == []
    assert machines.tried([])["failures"].tolist() == [machines.NONE] * 5
    assert soak.main(["--out", str(out), "--record", "--only", *made]) == 1
    assert "kills: 9 kills, 1 failures\n  train: lost: a" in capsys.readouterr().out
    (kept,) = records.kept("soak")
    assert json.loads(out.read_text()) == kept and Path(tmp_path, "results", "soak").is_dir()
    assert machines.tried([kept])["times"].tolist() == [30, 3, 3, 3, 70]
    assert machines.tried([kept])["failures"].tolist() == [0, 0, 0, 1, 0]
    assert machines.failures([kept])["failure"].tolist() == ["train: lost: a"]
    assert machines.memory([kept])["reads"].tolist()[::2] == [0, 30]
    assert machines.landed([kept])["kills"].sum() == 9 and machines.damaged([kept])["cases"].tolist() == [70]
    kept["kills"]["train"] |= {"kills": 0, "failures": []}  # its time was over before the first
    assert machines.tried([kept])["failures"].tolist() == [0, 0, 0, machines.NONE, 0]
    kept["kills"]["train"]["kills"] = 3
    kept.pop("fuzz")
    assert machines.tried([kept])["times"].tolist() == [30, 3, 3, 3, machines.NONE]
    assert machines.damaged([kept]).empty and machines.devices([kept])["device"][0] == kept["provenance"]["device"]


def test_numbers_that_make_no_soak():
    for option in ("--minutes", "--reads", "--kills"):
        with pytest.raises(ConfigError, match="--minutes must be above 0, --reads at least 2, --kills at least 1"):
            soak.main([option, "0"])
