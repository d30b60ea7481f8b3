"""The shared parts of the book's tables: figures as text, costs, labels, and CSV files."""

import csv
from dataclasses import replace

import pandas as pd
import pytest

from ctnet.book import plots, tables
from ctnet.paper import costs, printed
from ctnet.paper.studies import STUDIES
from tests.book.test_reports import on_data


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder for CSV files."""
    monkeypatch.setenv("CTNET_TABLES", str(tmp_path / "csv"))
    return tmp_path


def test_mean_and_deviation_over_seeds():
    assert tables.mean_sd([80.0, 82.0, 84.0]) == "82.0 ± 2.0"
    assert tables.mean_sd([82.04]) == "82.0"
    assert tables.mean_sd([]) == "–"
    assert tables.mean_sd([5.0, 5.0]) == "5.0 ± 0.0"


def test_cost_agrees_if_it_rounds_to_the_printed_figure():
    frame = tables.cost_table("2g")
    rows = [row for row in printed.rows() if row.table == "2g"]
    assert list(frame["gflops paper"]) == [row.printed["gflops"] for row in rows]
    for line, row in zip(frame.to_dict("records"), rows, strict=True):
        ours = costs.row_cost(row).gflops
        assert line["gflops ours"] == round(ours, 3)
        assert line["gflops gap"] == pytest.approx(ours - float(row.printed["gflops"]), abs=1e-3)
        assert line["gflops agrees"] == (f"{ours:.1f}" == row.printed["gflops"])
        assert line["protocol"] == "8x1x1@256"
    assert frame["gflops agrees"].any()


def test_cost_without_a_printed_figure_has_no_agreement(monkeypatch):
    row = printed.row("2g/tsn")

    def agrees(figure, ours):
        changed = replace(row, printed={"gflops": figure} if figure else {})
        monkeypatch.setattr(printed, "rows", lambda: (changed,))
        monkeypatch.setattr(costs, "row_cost", lambda _: costs.RowCost(ours, ours, 20.0))
        (line,) = tables.cost_table("2g").to_dict("records")
        return line["gflops agrees"], line["gflops gap"], line["gflops paper"]

    assert agrees("43.0", 43.049) == (True, 0.049, "43.0")
    assert agrees("43.0", 43.051) == (False, 0.051, "43.0")
    assert agrees("43", 43.4) == (True, 0.4, "43")
    assert agrees("-", 43.0) == (None, None, "-")
    assert agrees("", 43.0) == (None, None, "–")


@pytest.mark.parametrize("name", printed.tables())
def test_row_labels_are_unique_in_a_table(name):
    """Plots and tables name a row by its label; the paper prints the same frames for two ensembles of Table 6."""
    labels = [tables.label(row) for row in printed.rows() if row.table == name]
    assert len(set(labels)) == len(labels) and all(labels)


def test_sub_dimensions_are_those_of_each_block():
    rows = {row.row: STUDIES["2d"].experiments(row, "cpu")[0] for row in printed.rows_of("2d")}
    shown = tables.sub_dimensions(rows).set_index("row")
    assert shown.loc["c2_1"].tolist() == ["32 = 32 x 1", "64 = 64 x 1", "128 = 128 x 1"]
    assert shown.loc["c2_sqrt"].tolist() == ["32 = 8 x 4", "64 = 8 x 8", "128 = 16 x 8"]
    plain = {"tsn": STUDIES["2g"].experiments(printed.row("2g/tsn"), "cpu")[0]}
    assert tables.sub_dimensions(plain).columns.tolist() == ["row"]


def test_cost_table_joins_several_tables():
    assert list(tables.cost_table("2g", "2a")["table"]) == sorted(
        row.table for row in printed.rows() if row.table in ("2a", "2g") and row.models
    )


def test_shown_table_is_saved_as_csv(place):
    frame = pd.DataFrame([{"row": "TSN", "p": None, "top-1": 16.9}, {"row": "CT", "p": 0.01, "top-1": 47.3}])
    shown = tables.show(frame, "table_x")
    with (place / "csv" / "table_x.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"row": "TSN", "p": "", "top-1": "16.9"},
            {"row": "CT", "p": "0.01", "top-1": "47.3"},
        ]
    assert list(shown.index) == ["TSN", "CT"] and shown["p"].tolist() == ["–", "0.01"]
    uneven = pd.DataFrame({"row": ["a", "b", "c"], "x": [42.947, 37.32, 40.0], "n": [1, 2, 3], "y": [1.0, 2.0, None]})
    shown = tables.show(uneven, "table_y")
    assert shown["x"].tolist() == ["42.947", "37.320", "40.000"] and shown["n"].tolist() == [1, 2, 3]
    assert shown["y"].tolist() == ["1", "2", "–"]
    rates = pd.DataFrame({"set": ["a", "b"], "weight decay": [5e-4, 1e-4]})
    assert tables.show(rates, "table_z")["weight decay"].tolist() == ["0.0005", "0.0001"]


def test_confusion_matrix_has_shares_of_each_true_class(place):
    figure = plots.confusion([on_data(0, 0, 0), on_data(1, 0, 0)])
    shares = figure.axes[0].collections[0].get_array().reshape(2, 2)
    assert shares.tolist() == [[50, 50], [0, 100]]
    assert plots.confusion([]).axes[0].texts[0].get_text().startswith("not yet measured")
    figure = plots.in_order_and_shuffled({"a": [on_data(0, 80.0, 30.0)]})
    assert sorted(p.get_height() for p in figure.axes[0].patches if p.get_height()) == [30.0, 80.0]
