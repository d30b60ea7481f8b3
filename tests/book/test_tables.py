"""Tables: made of the paper's figures and of recorded results alone."""

import csv
from dataclasses import replace

import pandas as pd
import pytest

from ctnet.book import machines, plots, report, tables
from ctnet.experiments import records, scales
from ctnet.experiments.records import Result
from ctnet.paper import claims, costs, evidence, printed


def result(seed, strict, shuffled=6.0, scale="cpu"):
    tiers = dict.fromkeys(tables.TIERS, 50.0) | {"strict": strict}
    return Result(
        f"r{seed}",
        {
            "experiment": {"seed": seed, "scale": scale, "protocol_name": "8x1x1@32"},
            "metrics": {
                "clips": 1056,
                "top1": strict,
                "tiers": tiers,
                "pairs": {"strict": 90.0},
                "shuffled": {"top1": shuffled, "tiers": tiers | {"strict": shuffled}},
            },
            "training": {"seconds": 90.0},
            "predictions": [],
            "labels": [],
            "provenance": {"device": "a chip", "commit": "0123456789", "finished": "2021-05-03 10:00 UTC"},
        },
    )


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CTNET_TABLES", str(tmp_path / "csv"))
    return tmp_path


def test_mean_and_deviation_over_seeds():
    assert tables.mean_sd([80.0, 82.0, 84.0]) == "82.0 ± 2.0"
    assert tables.mean_sd([82.04]) == "82.0"
    assert tables.mean_sd([]) == "–"
    assert tables.mean_sd([5.0, 5.0]) == "5.0 ± 0.0"


def test_costs_of_table_2g_agree_with_the_print_where_they_round_to_it():
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


def test_agreement_is_rounding_and_nothing_is_said_of_what_is_not_printed(monkeypatch):
    row = printed.row("2g/tsn")

    def agrees(printed, ours):
        changed = replace(row, printed={"gflops": printed} if printed else {})
        monkeypatch.setattr(printed, "rows", lambda: (changed,))
        monkeypatch.setattr(costs, "row_cost", lambda _: costs.RowCost(ours, ours, 20.0))
        (line,) = tables.cost_table("2g").to_dict("records")
        return line["gflops agrees"], line["gflops gap"], line["gflops paper"]

    assert agrees("43.0", 43.049) == (True, 0.049, "43.0")
    assert agrees("43.0", 43.051) == (False, 0.051, "43.0")
    assert agrees("43", 43.4) == (True, 0.4, "43")
    assert agrees("-", 43.0) == (None, None, "-")
    assert agrees("", 43.0) == (None, None, "–")


def test_every_row_of_ours_has_a_name_of_its_own_or_another_protocol():
    for name in printed.tables():
        labels = [(tables.label(row), row.protocols) for row in printed.rows() if row.table == name and row.models]
        assert len(set(labels)) == len(labels), name
        assert all(label for label, _ in labels)


def test_several_tables_stand_one_after_the_other():
    assert list(tables.cost_table("2g", "2a")["table"]) == sorted(
        row.table for row in printed.rows() if row.table in ("2a", "2g") and row.models
    )


def test_accuracies_are_means_over_seeds_beside_the_paper():
    found = {"tsn": [result(0, 12.0), result(1, 14.0)], "ct": [result(0, 81.0)], "ct_pw": []}
    frame = tables.accuracy_table("2g", found)
    assert list(frame["row"]) == [tables.label(printed.row(f"2g/{name}")) for name in found]
    assert list(frame["strict"]) == ["13.0 ± 1.4", "81.0", "–"]
    assert list(frame["order gap, strict"]) == ["7.0 ± 1.4", "75.0", "–"]
    assert list(frame["strict, within pairs"]) == ["90.0 ± 0.0", "90.0", "–"]
    assert list(frame["seeds"]) == [2, 1, 0]
    assert list(frame["top-1 paper (Sth V1)"]) == ["16.9", "47.3", "48.0"]
    assert list(frame["GFLOPs paper"]) == ["43.0", "36.3", "37.2"]


def test_sets_without_tiers_are_judged_by_all_clips():
    runs = [result(0, 30.0, shuffled=20.0)]
    del runs[0].metrics["tiers"], runs[0].metrics["shuffled"]["tiers"]
    assert evidence.headline(runs) == "top1" and evidence.headline([result(0, 30.0)]) == "tiers.strict"
    (line,) = tables.accuracy_table("2g", {"ct": runs}).to_dict("records")
    assert (line["top-1"], line["order gap"]) == ("30.0", "10.0") and "strict" not in line


def test_comparisons_are_paired_by_seed():
    found = {
        "tsn": [result(1, 12.0), result(0, 10.0), result(2, 14.0), result(9, 99.0)],
        "ct": [result(0, 11.0), result(1, 14.0), result(2, 17.0)],  # one, two, three points more
        "ct_pw": [result(2, 20.0)],
        "ct_pw_se": [],
    }
    pairs = [("ct", "tsn"), ("ct_pw", "ct"), ("ct_pw_se", "tsn"), ("ct", "ct")]
    first, single, none, same = tables.comparison_table("2g", found, pairs).to_dict("records")
    assert (first["paper"], first["ours"], first["seeds"]) == (30.4, 2.0, 3)
    # 2 ± 4.3027 / sqrt(3); t = 2 sqrt(3) with two degrees of freedom
    assert first["95 % interval"] == "-0.5 to 4.5" and first["p"] == "0.074"
    assert (single["paper"], single["ours"], single["seeds"]) == (0.7, 3.0, 1)
    assert pd.isna(none["ours"]) and none["seeds"] == 0
    assert same["ours"] == 0 and pd.isna(same["p"]), "no spread, no test"


def test_measure_loads_what_is_recorded_and_runs_the_rest_only_when_asked(place, monkeypatch):
    (first, *_) = wanted = scales.experiments("tsn_resnet50", "cpu")
    records.write(first.key, "cpu", result(first.seed, 10.0).record)
    ran = []

    def run(e, fresh=False):
        ran.append((e.model, e.seed, fresh))
        return result(e.seed, 1.0)

    monkeypatch.setattr(run, "run", run)
    found = report.measure("2g", "cpu")
    assert list(found) == [row.row for row in printed.rows() if row.table == "2g"] and ran == []
    assert [r.key for r in found["tsn"]] == [first.key] and found["ct"] == []
    report.measure("2g", "cpu", missing=True)
    assert ran[: len(wanted)] == [("tsn_resnet50", e.seed, False) for e in wanted]
    ran.clear()
    report.measure("2g", "cpu", fresh=True)
    assert {fresh for *_, fresh in ran} == {True}


def test_differences_behind_the_claims(place):
    for e, strict in zip(scales.experiments("tsn_resnet50", "cpu"), (10.0, 12.0, 14.0), strict=True):
        records.write(e.key, "cpu", result(e.seed, strict).record)
    ct = scales.experiments("ct_resnet50", "cpu")[1:]
    for e in ct:
        records.write(e.key, "cpu", result(e.seed, 80.0).record)
    found = evidence.differences_at("cpu")
    assert set(found) == {
        pair
        for claim in claims.claims()
        if claim.kind == "accuracy" and claim.metric == "top1" and claim.table in evidence.TESTABLE["cpu"]
        for pair in claim.pairs
    }
    told = {pair: gaps for pair, gaps in found.items() if gaps}
    for (a, b), gaps in told.items():
        models = (printed.row(a).models[0], printed.row(b).models[0])
        assert models == ("ct_resnet50", "tsn_resnet50") and gaps == [68.0, 66.0]
    assert told
    shown = tables.verdict_table("2g", "cpu")
    assert len(shown) == sum(claim.kind == "accuracy" and claim.table == "2g" for claim in claims.claims())
    assert set(shown["verdict"]) == {claims.SUPPORTED, claims.UNMEASURED}
    (line,) = shown[shown["verdict"] == claims.SUPPORTED].to_dict("records")
    assert "alone" in line["claim"] and line["here (cpu)"] == "+67.0" and line["paper"] == "+30.4"


def test_provenance_of_each_number():
    frame = tables.provenance({"tsn": [result(0, 10.0), result(1, 12.0)], "ct": []})
    assert len(frame) == 2
    line = frame.to_dict("records")[1]
    assert line["seed"] == 1 and line["minutes"] == 1.5 and line["result"] == "cpu/r1.json"
    assert {"device", "commit", "finished", "protocol", "result"} <= set(line)


def test_a_shown_table_is_kept_as_csv(place):
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


def test_where_nothing_is_recorded_a_page_still_shows_its_tables(place):
    nothing = report.measure_on("grid16", ["tsn_resnet50", "ctnet_resnet50"], "gpu")
    pair = [("ctnet_resnet50", "tsn_resnet50")]
    for frame in (tables.data_table(nothing), tables.differences_on(nothing, pair), tables.provenance(nothing)):
        tables.show(frame, "nothing")


def on_data(seed, top1, shuffled):
    made = result(seed, 0.0)
    made.record["metrics"] = {"clips": 4, "top1": top1, "shuffled": {"top1": shuffled}}
    made.record.update({"data": {"classes": ["bin", "red"]}, "labels": [0, 0, 1, 1], "predictions": [0, 1, 1, 1]})
    return made


def test_networks_on_a_set_without_tiers(place):
    runs = {"a": [on_data(0, 80.0, 30.0), on_data(1, 90.0, 20.0)], "b": [on_data(1, 70.0, 70.0)], "c": []}
    shown = tables.data_table(runs).set_index("network")
    assert shown.loc["a"].tolist() == ["85.0 ± 7.1", "25.0 ± 7.1", "60.0 ± 14.1", 2, 4]
    assert shown.loc["b", "order gap"] == "0.0" and shown.loc["c"].tolist() == ["–", "–", "–", 0, "–"]
    gaps = tables.differences_on(runs, [("a", "b"), ("a", "c"), ("c", "a")])
    assert gaps["ours"][0] == 20.0 and gaps["seeds"].tolist() == [1, 0, 0] and gaps["ours"][1:].isna().all()


def test_only_what_is_recorded_is_measured_unless_asked(place, monkeypatch):
    run = []
    monkeypatch.setattr(run, "run", lambda e, fresh: run.append((e, fresh)) or result(e.seed, 1.0))
    assert report.measure_on("grid16", ["tsn_resnet50"], "cpu") == {"tsn_resnet50": []} and not run
    found = report.measure_on("grid16", ["tsn_resnet50"], "cpu", missing=True, init="motionpairs", epochs=3)
    assert {e.recipe.epochs for e, _ in run} == {3}
    assert len(found["tsn_resnet50"]) == 3
    assert {(e.data, e.init, fresh) for e, fresh in run} == {("grid16", "motionpairs", False)}


def test_the_confusion_of_two_words(place):
    figure = plots.confusion([on_data(0, 0, 0), on_data(1, 0, 0)])
    shares = figure.axes[0].collections[0].get_array().reshape(2, 2)
    assert shares.tolist() == [[50, 50], [0, 100]]
    assert plots.confusion([]).axes[0].texts[0].get_text().startswith("not yet measured")
    figure = plots.in_order_and_shuffled({"a": [on_data(0, 80.0, 30.0)]})
    assert sorted(p.get_height() for p in figure.axes[0].patches if p.get_height()) == [30.0, 80.0]


def test_speeds_of_every_device_beside_what_they_were_measured_on():
    row = {"seconds": 0.5, "clips_per_s": 2.0, "times": 1.0, "times_low": 1.0, "times_high": 1.5}
    made = {"device": "a chip", "versions": {"torch": "2.14.1"}, "commit": "0123", "started": "2021-05-03 10:00 UTC"}
    record = {"provenance": made, "inference": {"rows": {"plain fp32": row, "fused fp32": row | {"times": 2.0}}}}
    assert machines.devices([record, record])[""].tolist() == ["A", "B"]
    shown = machines.speeds([record, record], "inference")
    assert shown["on"].tolist() == ["A", "A", "B", "B"] and shown["times the first"].tolist() == ["1.00", "2.00"] * 2
    assert shown["ms a call"][0] == "500.0" and shown["quartiles"][0] == "1.00 to 1.50"
    assert machines.speeds([record], "training").empty and machines.devices([]).empty


def test_the_price_of_operations_is_a_ratio_of_times_within_rounds():
    def row(gmacs, seconds):
        return {"gmacs_per_s": gmacs / seconds, "seconds": seconds}

    rows = {"plain fp32": row(30, 0.6), "ctnet compiled fp32": row(30, 0.2), "tsn compiled fp32": row(40, 0.25)}
    seconds = {"plain fp32": [0.6] * 3, "ctnet compiled fp32": [0.2, 0.4, 0.1], "tsn compiled fp32": [0.25, 0.4, 0.25]}
    record = {"throughput": {"rows": rows, "seconds": seconds, "dense": {"fp32": 200.0}}, "inference": {"rows": rows}}
    (line,) = machines.prices([record]).to_dict("records")
    assert (line["on"], line["call"], line["precision"]) == ("A", "four clips", "fp32")
    assert (line["operations"], line["time"], line["quartiles"]) == ("0.75", "0.80", "0.60 to 0.90")
    assert [line[name] for name in machines.PRICE[-3:]] == ["75%", "80%", "25%"]
    assert machines.prices([]).empty
