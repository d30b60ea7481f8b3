"""The record of a soak is written after each section and can be kept for the book; options are checked."""

import json
import subprocess
import sys

import pytest

from ctnet import paths
from ctnet.book import machines
from ctnet.experiments import records
from tests.soak.session import SoakSession

SAMPLES = [{"read": k, "memory": 5e5, "handles": 7, "threads": 2} for k in (0, 15, 30)]
TASK = {"kills": 3, "runs_completed": 1, "landed": {"recorded": 1, "trained": 2}, "failures": []}
FAILED = TASK | {"failures": ["train: lost: a"]}
SECTIONS = {
    "reads": {"reads": 30, "growth_kib": 1.0, "bound_kib": 2.0, "samples": SAMPLES, "failures": []},
    "kills": {"kills": 9, "draw": TASK, "prepare": TASK, "train": FAILED, "failures": FAILED["failures"]},
    "fuzz": {"cases": 70, "kinds": {"manifest": 70}, "failures": []},
}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def run_sections(session: SoakSession, *names: str, planned: int) -> None:
    """Add sections as the long tests do, and finish the session."""
    for name in names:
        if SECTIONS[name]["failures"]:
            with pytest.raises(pytest.fail.Exception, match="kills: 9 kills, 1 failures\n  train: lost: a"):
                session.add(name, SECTIONS[name])
        else:
            session.add(name, SECTIONS[name])
    session.finish(planned)


def test_record_is_written_after_each_section(tmp_path, results):
    session = SoakSession(out=tmp_path / "soak" / "soak.json", keep=True)
    for names in (["reads"], ["reads", "kills"]):
        run_sections(session, names[-1], planned=3)
        assert list(json.loads(session.out.read_text())) == ["provenance", *names]
    assert records.kept("soak") == [], "a run that was cut replaces no record"


def test_record_is_kept_only_when_asked(tmp_path, results):
    run_sections(SoakSession(out=tmp_path / "soak.json"), *SECTIONS, planned=3)
    assert records.kept("soak") == []
    session = SoakSession(out=tmp_path / "soak.json", keep=True)
    run_sections(session, *SECTIONS, planned=3)
    (kept,) = records.kept("soak")
    assert json.loads(session.out.read_text()) == kept and session.place.parent == results / "soak"


def test_summary_shows_device_totals_failures_and_place(tmp_path, results):
    session = SoakSession(out=tmp_path / "soak.json")
    assert session.summary() == "no section was finished"
    run_sections(session, *SECTIONS, planned=3)
    first, *lines = session.summary().splitlines()
    assert session.record["provenance"]["device"] in first
    assert lines[:3] == ["reads: 30 reads, 0 failures", "kills: 9 kills, 1 failures", "  train: lost: a"]
    assert lines[3:] == ["fuzz: 70 cases, 0 failures", f"record: {session.out}"]


def test_book_tables_show_a_kept_record(tmp_path, results):
    assert machines.attempts([])["failures"].tolist() == [machines.NONE] * 5
    run_sections(SoakSession(out=tmp_path / "soak.json", keep=True), *SECTIONS, planned=3)
    (kept,) = records.kept("soak")
    assert machines.attempts([kept])["times"].tolist() == [30, 3, 3, 3, 70]
    assert machines.attempts([kept])["failures"].tolist() == [0, 0, 0, 1, 0]
    assert machines.failures([kept])["failure"].tolist() == ["train: lost: a"]
    assert machines.memory([kept])["reads"].tolist() == [0, 15, 30]
    assert machines.kill_stages([kept])["kills"].sum() == 9
    assert machines.damaged_files([kept])["cases"].tolist() == [70]
    assert machines.devices([kept])["device"][0] == kept["provenance"]["device"]


def test_book_tables_show_what_was_not_measured(tmp_path, results):
    run_sections(SoakSession(out=tmp_path / "soak.json", keep=True), *SECTIONS, planned=3)
    (kept,) = records.kept("soak")
    kept["kills"]["train"] |= {"kills": 0, "failures": []}  # its time was over before the first kill
    assert machines.attempts([kept])["failures"].tolist() == [0, 0, 0, machines.NONE, 0]
    kept["kills"]["train"]["kills"] = 3
    kept.pop("fuzz")
    assert machines.attempts([kept])["times"].tolist() == [30, 3, 3, 3, machines.NONE]
    assert machines.damaged_files([kept]).empty


def test_long_reads_run_with_the_option_soak(tmp_path):
    words = [sys.executable, "-m", "pytest", "tests/soak/test_reads.py", "--soak", "-q", "-p", "no:cacheprovider"]
    words += ["--reads", "2", "--out", str(tmp_path / "soak.json")]
    done = subprocess.run(words, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "soak.json").read_text())["reads"]["reads"] == 2
    assert "reads: 2 reads, 0 failures" in done.stdout and f"record: {tmp_path / 'soak.json'}" in done.stdout


@pytest.mark.parametrize("option", ["minutes", "reads", "kills"])
def test_impossible_numbers_are_an_error(option):
    with pytest.raises(pytest.UsageError, match="--minutes must be above 0, --reads at least 2, --kills at least 1"):
        SoakSession(**{option: 0})
