"""The report of a table: made of the paper's figures and of records alone."""

from dataclasses import asdict

import pandas as pd
import pytest

from ctnet.book import collect, plots, reports, tables
from ctnet.book.networks import networks_compared, networks_on, networks_table
from ctnet.book.reports import Report, report
from ctnet.errors import ConfigError
from ctnet.experiments import records, runner, scales
from ctnet.experiments.records import Result
from ctnet.paper import claims, printed
from ctnet.paper.studies import STUDIES


def result(seed, strict, shuffled=6.0, scale="cpu"):
    """A record of MotionPairs with made-up accuracies."""
    tiers = dict.fromkeys(reports.TIERS, 50.0) | {"strict": strict}
    return Result(
        f"r{seed}",
        {
            "experiment": {"seed": seed, "scale": scale, "protocol_name": "8x1x1@32"},
            "data": {"classes": [f"class {k}" for k in range(44)]},
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


def report_of(table, results, scale="cpu"):
    """A report of given records."""
    study = STUDIES[table]
    wanted = {name: study.experiments(printed.row(f"{table}/{name}"), scale) for name in results}
    return Report(study, scale, next(iter(study.columns)), wanted, results)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Empty folders for records and CSV files."""
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CTNET_TABLES", str(tmp_path / "csv"))
    return tmp_path


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """The scales of MotionPairs that were asked for; none is drawn."""
    scales_asked = []
    monkeypatch.setattr(collect, "prepare", lambda name, scale: scales_asked.append(scale))
    return scales_asked


@pytest.fixture
def ran(monkeypatch):
    """Every call of `run` that the report makes: (model, seed, fresh, since)."""
    calls = []

    def made(e, fresh=False, since=None):
        calls.append((e.model, e.seed, fresh, since))
        return result(e.seed, 1.0)

    monkeypatch.setattr(runner, "run", made)
    return calls


def frame_of(shown: pd.DataFrame) -> list[dict]:
    """Lines of a shown table, its first column included."""
    return shown.reset_index(names=shown.columns.name).to_dict("records")


def test_accuracies_are_means_over_seeds():
    found = {"tsn": [result(0, 12.0), result(1, 14.0)], "ct": [result(0, 81.0)], "ct_pw": []}
    frame = report_of("2g", found).accuracies()
    assert list(frame.index) == [tables.label(printed.row(f"2g/{name}")) for name in found]
    frame = frame.replace("\xa0", " ", regex=True)  # figures do not break over two lines
    assert list(frame["strict"]) == ["13.0 ± 1.4", "81.0", "–"]
    assert list(frame["order gap, strict"]) == ["7.0 ± 1.4", "75.0", "–"]
    assert list(frame["strict, within pairs"]) == ["90.0 ± 0.0", "90.0", "–"]
    assert list(frame["seeds"]) == [2, 1, 0]


def test_ensemble_has_no_order_gap():
    (one,) = ensembles = [result(0, 12.0)]
    del one.metrics["shuffled"]
    shown = report_of("6", {"ct_8_16": ensembles, "ct_8": [result(0, 10.0)]}).accuracies()
    assert shown["order gap, strict"].tolist() == ["–", "4.0"] and shown["strict"].tolist() == ["12.0", "10.0"]


def test_accuracies_table_shows_the_size_of_the_small_network():
    frame = report_of("2g", {"tsn": [result(0, 12.0)], "ct": [result(0, 81.0)]}).accuracies()
    assert not [column for column in frame if "GFLOPs" in column]
    assert (
        list(frame["width"]) == [16, 16] and list(frame["depth"]) == ["2-2-2"] * 2 and list(frame["pixels"]) == [32, 32]
    )
    own = [float(value) for value in frame["MFLOPs"]]
    assert all(0 < value < 100 for value in own) and own[1] < own[0], "CT-Net needs fewer operations than TSN"
    assert all(float(value) < 1 for value in frame["parameters (M)"])


@pytest.mark.parametrize("table", ["2a", "2g"])
def test_recorded_tables_of_the_repository_can_be_shown(table, monkeypatch):
    monkeypatch.delenv("CTNET_RESULTS")
    made = report(table, "cpu")
    assert all(len(runs) <= 8 for runs in made.records.values())
    frame = made.accuracies()
    measured = [bool(runs) for runs in made.records.values()]
    assert list(frame["strict"] != "–") == measured and list(frame["seeds"] > 0) == measured


def test_size_at_the_paper_scale_equals_that_of_the_paper():
    found = {"ct_pw_te": [result(0, 50.0, scale="paper")]}
    found["ct_pw_te"][0].record["data"]["classes"] = ["a"] * 174
    size = report_of("2g", found, "paper").sizes["ct_pw_te"]
    assert (size.width, size.depths, size.pixels) == (64, "3-4-6-3", 256)
    assert size.mflops == pytest.approx(37320, abs=1) and size.params_m == pytest.approx(20.96, abs=0.01)


def test_paper_table_has_printed_and_counted_figures():
    frame = report_of("2g", {"tsn": [], "ct": [], "ct_pw": []}).paper()
    assert list(frame["GFLOPs, printed"]) == ["43.0", "36.3", "37.2"]
    assert list(frame["top1, printed (%)"]) == ["16.9", "47.3", "48.0"]
    assert list(frame["GFLOPs, counted"]) == ["42.9", "36.3", "37.2"]


def test_data_without_tiers_is_judged_by_top1():
    runs = [result(0, 30.0, shuffled=20.0)]
    del runs[0].metrics["tiers"], runs[0].metrics["shuffled"]["tiers"]
    (line,) = frame_of(report_of("2g", {"ct": runs}).accuracies())
    assert (line["top-1"], line["order gap"]) == ("30.0", "10.0") and "strict" not in line


def test_differences_are_paired_by_seed():
    found = {
        "tsn": [result(1, 12.0), result(0, 10.0), result(2, 14.0), result(9, 99.0)],
        "ct": [result(0, 11.0), result(1, 14.0), result(2, 17.0)],  # one, two, three points more
        "ct_pw": [result(2, 20.0)],
        "ct_pw_se": [],
    }
    pairs = [("ct", "tsn"), ("ct_pw", "ct"), ("ct_pw_se", "tsn"), ("ct", "ct")]
    first, single, none, same = frame_of(report_of("2g", found).differences(pairs))
    assert (first["paper"], first["ours"], first["seeds"]) == ("30.4", "2", 3)
    # 2 ± 4.3027 / sqrt(3); t = 2 sqrt(3) with two degrees of freedom
    assert first["95 % interval"] == "-0.5 to 4.5" and first["p"] == "0.074"
    assert (single["paper"], single["ours"], single["seeds"]) == ("0.7", "3", 1)
    assert none["ours"] == "–" and none["seeds"] == 0
    assert same["ours"] == "0" and same["p"] == "–", "no spread, no test"


def test_differences_show_the_pairs_that_the_claims_compare():
    rows = ("tsn", "ct", "ct_pw", "ct_pw_te", "ct_pw_se")
    shown = frame_of(report_of("2g", {name: [] for name in rows}).differences())
    wanted = [("ct", "tsn"), ("ct_pw", "ct"), ("ct_pw_te", "ct_pw"), ("ct_pw_te", "ct_pw_se")]
    labels = {name: tables.label(printed.row(f"2g/{name}")) for name in rows}
    assert [(line["row"], line["minus"]) for line in shown] == [(labels[a], labels[b]) for a, b in wanted]


def test_report_reads_records_and_runs_the_rest_only_when_asked(ran):
    (first, *_) = wanted = scales.per_seed("tsn_resnet50", "cpu")
    records.write(first.key, "cpu", result(first.seed, 10.0).record)
    found = report("2g", "cpu").records
    assert list(found) == [row.row for row in printed.rows() if row.table == "2g"] and ran == []
    assert [r.key for r in found["tsn"]] == [first.key] and found["ct"] == []
    report("2g", "cpu", missing=True)
    assert [call[:3] for call in ran[: len(wanted)]] == [("tsn_resnet50", e.seed, False) for e in wanted]
    ran.clear()
    report("2g", "cpu", fresh=True)
    assert {fresh for _, _, fresh, _ in ran} == {True}
    assert len({since for *_, since in ran}) == 1, "rows that share a training train it once"


def test_smoke_runs_what_is_missing_on_a_set_that_is_drawn_first(ran, drawn):
    report("2a", "smoke", rows=["ct"])
    assert [call[:3] for call in ran] == [("ct_resnet50", 0, False)] and drawn == ["smoke"]
    report("2a", "cpu", rows=["ct"])
    assert drawn == ["smoke"], "nothing is drawn where nothing is run"


def test_rows_of_an_absent_data_set_are_not_run(ran, monkeypatch, place, capsys):
    monkeypatch.setenv("CTNET_DATA", str(place / "data"))
    for scale in ("smoke", "cpu"):
        assert not any(report("7", scale, missing=True).records.values()) and ran == []
        assert "the videos of grid16 are absent" in capsys.readouterr().out
    report("7", "cpu")
    assert capsys.readouterr().out == "", "nothing is said where nothing is to be run"
    (place / "data" / "grid16").mkdir(parents=True)
    report("7", "smoke", rows=["ct"], seeds=[3])
    assert [call[:2] for call in ran] == [("ct_resnet50", 3)] and capsys.readouterr().out == ""


def test_rows_seeds_and_epochs_choose_what_runs(ran):
    report("2g", "cpu", rows=["ct"], seeds=[5], epochs=3, missing=True)
    assert [call[:2] for call in ran] == [("ct_resnet50", 5)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": "2z"}, "unknown table with experiments '2z'"),
        ({"scale": "cpuu"}, "unknown scale 'cpuu'; did you mean cpu"),
        ({"rows": ["ctt"]}, "unknown row of Table 2g 'ctt'; did you mean ct"),
        ({"column": "top2"}, "unknown column of accuracies in Table 2g 'top2'; did you mean top1"),
    ],
)
def test_unknown_name_error_lists_similar_names(arguments, message, ran):
    with pytest.raises(ConfigError, match=message):
        report(**{"table": "2g", "scale": "cpu"} | arguments)
    assert ran == []


def test_table_without_experiments_says_so():
    made = report("4", "cpu")
    (line,) = frame_of(made.results())
    assert made.records == {} and line["row"] == "not measured at this scale"


def test_claims_of_a_table_have_verdicts():
    for e, strict in zip(scales.per_seed("tsn_resnet50", "cpu", seeds=range(3)), (10.0, 12.0, 14.0), strict=True):
        records.write(e.key, "cpu", result(e.seed, strict).record)
    for e in scales.per_seed("ct_resnet50", "cpu", seeds=(1, 2)):
        records.write(e.key, "cpu", result(e.seed, 80.0).record)
    shown = report("2g", "cpu").claims()
    assert len(shown) == sum(claim.kind == "accuracy" and claim.table == "2g" for claim in claims.stated())
    assert set(shown["verdict"]) == {claims.SUPPORTED, claims.UNMEASURED}
    (line,) = [line for line in frame_of(shown) if line["verdict"] == claims.SUPPORTED]
    assert "alone" in line["claim"] and line["here (cpu)"] == "+67.0" and line["paper"] == "+30.4"


def test_runs_name_the_record_of_each_number():
    found = {"tsn": [result(0, 10.0), result(1, 12.0)], "ct": []}
    frame = report_of("2g", found).runs()
    assert len(frame) == 2
    line = frame_of(frame)[1]
    assert line["seed"] == 1 and line["minutes"] == "1.5" and line["result"] == "cpu/r1.json"
    assert {"device", "commit", "finished", "protocol", "result"} <= set(line)


@pytest.mark.parametrize("scale", ["cpu", "gpu"])  # of the first there are records for some tables
@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table in STUDIES for column in STUDIES[table].columns]
)
def test_report_shows_all_parts(table, column, scale, monkeypatch):
    monkeypatch.delenv("CTNET_RESULTS")
    made = report(table, scale, column=column)
    for part in (made.accuracies, made.paper, made.differences, made.claims, made.runs):
        part()
    for draw in (made.tiers, made.tradeoff, made.history):
        plots.plt.close(draw())


def test_figures_show_every_seed(place):
    made = report_of("2g", {"tsn": [result(0, 12.0), result(1, 14.0)], "ct": [result(0, 81.0)]})
    left, right = made.tradeoff().axes
    assert [list(points.get_offsets()[0]) for points in left.collections] == [
        [pytest.approx(42.943, abs=0.001), 16.9],
        [pytest.approx(36.285, abs=0.001), 47.3],
    ]
    mflops = made.sizes["tsn"].mflops
    assert [list(point) for point in right.collections[0].get_offsets()] == [[mflops, 12.0], [mflops, 14.0]]
    assert "MFLOPs" in right.get_xlabel() and "cpu" in right.get_title()


def test_some_rows_of_a_table_are_drawn():
    made = report_of("2g", {"tsn": [result(0, 12.0)], "ct": [result(0, 81.0)], "ct_pw": [result(0, 80.0)]})
    _, legend = made.tiers(["ct", "tsn", "no such row"]).axes[0].get_legend_handles_labels()
    assert legend == [tables.label(printed.row(f"2g/{name}")) for name in ("tsn", "ct")]


def test_tables_are_kept_as_csv(place):
    report_of("2g", {"tsn": [result(0, 12.0)]}).accuracies()
    report_of("2g", {"tsn": [result(0, 12.0)]}).accuracies(csv="start_all")
    assert sorted(path.name for path in (place / "csv").iterdir()) == ["start_all.csv", "table_2g.csv"]


def on_data(seed, top1, shuffled):
    """A record of a data set without tiers."""
    (e,) = scales.per_seed("tsn_resnet50", "cpu", "grid16", seeds=[seed])
    made = result(seed, 0.0)
    made.record["experiment"] = asdict(e) | {"protocol_name": str(e.protocol)}
    made.record["metrics"] = {"clips": 4, "top1": top1, "shuffled": {"top1": shuffled}}
    made.record.update({"data": {"classes": ["bin", "red"]}, "labels": [0, 0, 1, 1], "predictions": [0, 1, 1, 1]})
    return made


def test_networks_on_a_set_without_tiers():
    runs = {"a": [on_data(0, 80.0, 30.0), on_data(1, 90.0, 20.0)], "b": [on_data(1, 70.0, 70.0)], "c": []}
    shown = networks_table(runs).set_index("network")
    accuracies = ["in order", "shuffled", "order gap", "seeds", "test clips"]
    assert shown.loc["a", accuracies].tolist() == ["85.0 ± 7.1", "25.0 ± 7.1", "60.0 ± 14.1", 2, 4]
    assert shown.loc["b", "order gap"] == "0.0" and shown.loc["c", accuracies].tolist() == ["–", "–", "–", 0, "–"]
    size = ["width", "depth", "pixels"]
    assert shown.loc["a", size].tolist() == [16, "2-2-2", 32] and float(shown.loc["a", "MFLOPs"]) > 0
    assert shown.loc["c", size].tolist() == ["–"] * 3
    for r in (r for results in runs.values() for r in results):
        r.record.update({"labels": [], "predictions": []})  # the made-up accuracies count, as there are no clips
    gaps = networks_compared(runs, [("a", "b"), ("a", "c"), ("c", "a")])
    assert gaps["ours"][0] == 20.0 and gaps["seeds"].tolist() == [1, 0, 0] and gaps["ours"][1:].isna().all()


def test_networks_without_records_still_give_tables():
    nothing = networks_on("grid16", ["tsn_resnet50", "ctnet_resnet50"], "gpu")
    pair = [("ctnet_resnet50", "tsn_resnet50")]
    for frame in (networks_table(nothing), networks_compared(nothing, pair), tables.provenance(nothing)):
        tables.show(frame, "nothing")


def test_networks_are_run_only_when_asked(monkeypatch):
    made = []
    monkeypatch.setattr(runner, "run", lambda e, fresh, since: made.append(e) or on_data(e.seed, 1.0, 1.0))
    assert networks_on("grid16", ["tsn_resnet50"], "cpu") == {"tsn_resnet50": []} and not made
    found = networks_on("grid16", ["tsn_resnet50"], "cpu", missing=True, init="motionpairs", epochs=3)
    assert {(e.data, e.init, e.recipe.epochs) for e in made} == {("grid16", "motionpairs", 3)}
    assert len(found["tsn_resnet50"]) == len(scales.settings("cpu", "grid16").seeds)
    networks_on("grid16", ["tsn_resnet50"], "cpu", missing=True, seeds=[7, 5])
    assert [e.seed for e in made[-2:]] == [7, 5]
