"""What is measured so far, counted from records."""

import re

import pytest

from ctnet.book.progress import progress_table, trainings
from ctnet.experiments import records
from ctnet.paper import printed
from ctnet.paper.studies import STUDIES


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path))


def keep(e, hours):
    """Record an experiment whose training took some hours."""
    record = dict.fromkeys(records.NEEDED, {}) | {"training": {"seconds": 3600 * hours}}
    records.write(e.key, e.scale, record)


def line_of(text, table):
    return next(line for line in text.splitlines() if f"`{table} <" in line)


def test_nothing_recorded_is_said_for_every_table():
    text = progress_table("cpu")
    for table in STUDIES:
        assert (
            "not measured at this scale" in line_of(text, table) if table == "4" else " 0 of " in line_of(text, table)
        )
    assert "of which 0 are recorded" in text and "FRESH" not in text


def test_trainings_that_tables_share_count_once():
    wanted = STUDIES["2g"].experiments(printed.row("2g/ct"), "cpu")
    for e in wanted:
        keep(e, 0.5)
    text = progress_table("cpu")
    assert "| 1 of 5 | 8 of 40 | 4.0 |" in line_of(text, "2g")
    assert "| 1 of 4 | 8 of 32 | 4.0 |" in line_of(text, "2a") and "| 1 of 4 | 5 of 20 | 2.5 |" in line_of(text, "2b")
    total, known = map(int, re.search(r"need (\d+), of which (\d+) are recorded", text).groups())
    assert known == 8 and f"takes about {total * 0.5:.0f} core-hours" in text


def test_tests_of_one_training_count_once():
    rows = ("ct_8", "ct_8x1x2", "ct_8x3x2", "ct_8_16")
    wanted = [STUDIES["6"].experiments(printed.row(f"6/{row}"), "cpu", seeds=[0])[0] for row in rows]
    keep(wanted[1], 2.0)
    found = trainings(wanted)
    assert len(found) == 2 and sorted(found.values(), key=str) == [2.0, None]
