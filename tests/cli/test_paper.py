"""Commands that print the paper beside our results: rows, claims."""

import json
import re

import pytest

from ctnet.paper import printed
from tests.support.commands import output

ROWS = [
    {
        "table": "2g",
        "row": "tsn",
        "paper": {"gflops": 43.0, "top1": 19.7},
        "ours": {"gflops": 42.99, "gmacs": 32.9, "params_m": 23.9},
        "experiment": "tsn_resnet50-s0-0123456789ab",
        "scale": "cpu",
    },
    {"table": "6", "row": "öther", "paper": {"top1": 50.1}, "ours": None, "experiment": None, "scale": None},
]
CLAIMS = [
    {
        "id": "ct-csn",
        "kind": "accuracy",
        "table": "2a",
        "claim": "CT-Module is more accurate than CSN",
        "verdict": "supported",
        "effect": 4.0,
        "interval": [1.25, 6.75],
        "p": 0.0312,
        "seeds": 8,
        "scale": "cpu",
    },
    {
        "id": "cost",
        "kind": "cost",
        "table": None,
        "claim": "4× fewer GFLOPs",
        "verdict": "not yet measured",
        "effect": None,
        "interval": None,
        "p": None,
        "seeds": None,
        "scale": None,
    },
]


def test_rows_json_prints_one_object_for_each_row(capsys, monkeypatch):
    monkeypatch.setattr("ctnet.paper.studies.rows_json", lambda: ROWS)
    printed = output(capsys, "rows", "--json")
    assert [json.loads(line) for line in printed.splitlines()] == ROWS and "öther" in printed


def test_rows_text_puts_paper_and_ours_side_by_side(capsys, monkeypatch):
    few = tuple(row for row in printed.rows() if row.table in ("1", "2g"))  # other tests count the costs of all
    monkeypatch.setattr(printed, "rows", lambda: few)
    monkeypatch.setattr("ctnet.paper.studies.rows", lambda: few, raising=False)
    lines = output(capsys, "rows").splitlines()
    assert lines[0].split() == ["table", "row", "paper", "ours", "parameters"]
    assert len(lines) == 1 + sum(1 for r in few if r.models)
    assert len({len(line) for line in lines}) == 1, "columns"
    assert any(re.fullmatch(r" *2g tsn +43\.0 +4\d\.\d{3} G +\d\d\.\d\d M", line) for line in lines)


@pytest.fixture
def claims(monkeypatch):
    monkeypatch.setattr("ctnet.paper.evidence.claims_json", lambda: CLAIMS)


def test_claims_json_prints_one_object_for_each_claim(capsys, claims):
    printed = output(capsys, "claims", "--json")
    assert [json.loads(line) for line in printed.splitlines()] == CLAIMS and "4×" in printed


def test_claims_text_is_one_line_for_each_claim(capsys, claims):
    head, measured, unmeasured = output(capsys, "claims").splitlines()
    assert head.split() == ["id", "kind", "table", "verdict", "effect", "interval", "p", "seeds", "scale", "claim"]
    numbers = ["4.00", "[1.25,", "6.75]", "0.031", "8", "cpu"]
    about = [CLAIMS[0]["id"], CLAIMS[0]["kind"], "2a", "supported"]
    assert measured.split() == [*about, *numbers, *CLAIMS[0]["claim"].split()]
    about = [CLAIMS[1]["id"], CLAIMS[1]["kind"], "not", "yet", "measured"]
    assert unmeasured.split() == [*about, "4×", "fewer", "GFLOPs"]
    assert head.index("claim") == measured.index("CT-Module") == unmeasured.index("4×")
