"""Damaged files give a clean error or a right result; the harness notices all else, crashes and hangs included."""

import itertools
import os
import signal
import time
from types import SimpleNamespace

import pytest

from ctnet.errors import DataError
from tests.soak import fuzz
from tests.soak.reads import PREDICTED
from tests.soak.targets import Target, make_targets

KINDS = ("frames", "h264.mp4", "mjpeg.avi", "mpeg4.avi", "vp9.webm", "something_v1", "something_v2", "kinetics400")
KINDS += ("mini_kinetics", "ucf101", "hmdb51", "grid51", "words.csv", "path frames label", "manifest")
INTACT = "an intact file"


@pytest.mark.soak
def test_damaged_files_until_time_is_over(soak):
    soak.add("fuzz", fuzz.run_fuzz(soak.minutes, soak.seed))


@pytest.fixture(scope="module")
def targets(tmp_path_factory) -> dict[str, Target]:
    return make_targets(tmp_path_factory.mktemp("fuzz"))


def test_every_kind_has_a_target(targets):
    assert set(KINDS) >= set(targets) >= set(KINDS) - set(PREDICTED)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file_gives_clean_error_or_right_result(kind, targets):
    if kind not in targets:
        pytest.skip(f"{kind}: PyAV has no encoder for it here")
    assert fuzz.find_failure(targets[kind], seed=0, examples=20) is None


def test_fuzz_counts_cases_and_drops_kinds_that_keep_failing(monkeypatch, intact):
    clock = itertools.count()  # one second per look
    good, bad = Target((intact,), lambda: None), Target((intact,), _raise(KeyError("a")))
    monkeypatch.setattr(fuzz, "make_targets", lambda folder: {"good": good, "bad": bad})
    monkeypatch.setattr(fuzz, "EXAMPLES", 5)
    monkeypatch.setattr(fuzz, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    found = fuzz.run_fuzz(minutes=0.25, seed=3)
    assert found["kinds"]["good"] == 30 and found["cases"] == sum(found["kinds"].values())
    assert found["failures"] == [f"bad, seed {seed}: KeyError: 'a'" for seed in (3, 4, 5)]


@pytest.fixture
def intact(tmp_path):
    """A file with the content `INTACT`, which must be the same after the test."""
    file = tmp_path / "list.txt"
    file.write_text(INTACT)
    yield file
    assert file.read_text() == INTACT


def _raise(error: Exception):
    def read():
        raise error

    return read


def test_unexpected_error_is_reported(intact):
    failure = fuzz.find_failure(Target((intact,), _raise(KeyError("a"))), 0, 20)
    assert failure.startswith("KeyError: 'a'") and intact.read_text() == INTACT


def test_error_for_an_intact_file_is_reported(intact):
    failure = fuzz.find_failure(Target((intact,), _raise(DataError(f"{intact}: wrong"))), 0, 20)
    assert failure.startswith("AssertionError: an intact file gives an error")


def test_error_without_place_is_reported(intact):
    def read():
        if intact.read_bytes() != INTACT.encode():
            raise DataError("wrong")

    assert fuzz.find_failure(Target((intact,), read), 0, 20).startswith("AssertionError: an error without the file's")


def test_error_of_several_lines_is_reported(intact):
    def read():
        if intact.read_bytes() != INTACT.encode():
            raise DataError(f"{intact}:\nwrong")

    assert fuzz.find_failure(Target((intact,), read), 0, 20).startswith("AssertionError: an error of several lines")


def test_process_without_failure_checks_all_cases(intact, tmp_path):
    assert fuzz.find_failure_apart(Target((intact,), lambda: None), 0, 20, tmp_path / "last") == (20, None)


def test_crash_is_reported_and_file_restored(intact, tmp_path):
    target = Target((intact,), lambda: os.kill(os.getpid(), signal.SIGKILL))
    ran, failure = fuzz.find_failure_apart(target, 0, 20, tmp_path / "last")
    assert ran == 1 and failure.startswith("the process ended with SIGKILL: list.txt ")


def test_hang_is_reported_and_file_restored(intact, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    ran, failure = fuzz.find_failure_apart(Target((intact,), lambda: time.sleep(6000)), 0, 20, tmp_path / "last")
    assert ran == 1 and failure.startswith("more than 1 s: list.txt ")
