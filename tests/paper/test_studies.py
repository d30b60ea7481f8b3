"""Studies: which experiments stand behind each row of each table, and what a new table takes."""

import csv
import json
import shutil
from dataclasses import replace

import nbformat
import pytest

from ctnet import paths
from ctnet.book.reports import report
from ctnet.errors import ConfigError
from ctnet.experiments import records
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.experiments.scales import SCALES
from ctnet.models.zoo import ZOO, signature
from ctnet.paper import claims, evidence, printed, studies
from ctnet.paper.printed import LABELS, OURS
from ctnet.paper.studies import STUDIES, StandIn, Study

OWN = [row for row in printed.rows() if row.models and row.table in STUDIES]
CELLS = [(row, column) for row in OWN for column in STUDIES[row.table].columns]
BLANK = dict.fromkeys(records.NEEDED, {})


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder for records."""
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path))
    return tmp_path


def first(ref: str, scale: str, column: str | None = None) -> Experiment:
    """The experiment of the first seed behind a row."""
    row = printed.row(ref)
    return STUDIES[row.table].experiments(row, scale, column)[0]


# --- every table, every row


def test_every_table_with_accuracies_has_a_study():
    assert sorted(STUDIES) == sorted(set(printed.tables()) - {"1"})


@pytest.mark.parametrize("table", STUDIES)
def test_columns_are_printed_accuracies(table):
    (*_, row) = printed.rows_of(table)
    header = set(printed.read_csv(f"table_{table}.csv")[0])
    for column in STUDIES[table].columns:
        assert column in header - set(LABELS) - set(OURS) and column.endswith("top1"), row.ref


@pytest.mark.parametrize(("row", "column"), CELLS, ids=[f"{row.ref}-{column}" for row, column in CELLS])
def test_experiment_at_the_paper_scale_matches_its_row(row, column):
    """Network, data set, frames, views and size are those of the row."""
    made = STUDIES[row.table].experiments(row, "paper", column)
    members = [e for one in made[:1] for e in (one.members if isinstance(one, Ensemble) else (one,))]
    assert tuple(e.model for e in members) == row.models
    for e, wanted in zip(members, row.protocols, strict=True):
        assert e.data == STUDIES[row.table].columns[column] and e.scale == "paper" and e.overrides == ()
        own = e.protocol
        assert (own.frames, own.crops, own.clips, own.size) == (wanted.frames, wanted.crops, wanted.clips, wanted.size)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("row", OWN, ids=[row.ref for row in OWN])
def test_row_has_an_experiment_for_each_seed_if_it_can_be_built(row, scale):
    study = STUDIES[row.table]
    made, instead = study.experiments(row, scale), study.at.get(scale, StandIn())
    if made:
        assert [e.seed for e in made] == list(instead.seeds or SCALES[scale].seeds) and {e.scale for e in made} == {
            scale
        }
        assert len({e.key for e in made}) == len(made)
    else:
        assert row.table == "4" and scale in ("smoke", "cpu"), "every other row is a network of every scale"


@pytest.mark.parametrize("table", [table for table in STUDIES if table != "4"])
@pytest.mark.parametrize("scale", SCALES)
def test_every_two_rows_of_a_table_differ(table, scale):
    rows = [row for row in printed.rows_of(table) if row.models]
    same = {(a.row, b.row) for i, a in enumerate(rows) for b in rows[:i] if not STUDIES[table].differ(a, b, scale)}
    assert not same, "the same experiment"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("row", OWN, ids=[row.ref for row in OWN])
def test_network_of_every_experiment_can_be_built(row, scale):
    for made in STUDIES[row.table].experiments(row, scale)[:1]:
        for e in getattr(made, "members", [made]):
            signature(e.model, **dict(e.overrides))


def test_other_peoples_rows_have_no_experiment():
    for row in printed.rows():
        if row.table in STUDIES and not row.models:
            assert STUDIES[row.table].experiments(row, "paper") == []


# --- protocols follow the row


def test_small_scales_keep_the_papers_ratio_of_sizes():
    small = {name: first(f"2h/{name}", "cpu") for name in ("train224_test224", "train224_test256", "train256_test256")}
    sizes = {name: (e.recipe.size, e.protocol.size, e.protocol.short_side) for name, e in small.items()}
    assert sizes == {
        "train224_test224": (28, 28, 32),
        "train224_test256": (28, 32, None),
        "train256_test256": (None, 32, None),
    }
    assert small["train224_test224"].training == small["train224_test256"].training, "one training, two tests"
    paper = first("2h/train224_test256", "paper")
    assert (paper.recipe.size, str(paper.protocol)) == (224, "8x1x1@256")
    assert str(first("2h/train224_test224", "paper").protocol) == "8x1x1@224/256"


def test_table_6_trains_four_networks_for_its_fifteen_rows():
    rows = printed.rows_of("6")
    made = [STUDIES["6"].experiments(row, "cpu")[0] for row in rows]
    singles = [e for e in made if isinstance(e, Experiment)]
    members = [e for one in made if isinstance(one, Ensemble) for e in one.members]
    assert len({e.training for e in singles}) == 4 and len({e.key for e in singles}) == 12
    assert {e.training for e in members} == {e.training for e in singles}
    assert {e.protocol.frames for e in singles} == {8, 12, 16, 24}
    assert {(e.protocol.crops, e.protocol.clips) for e in singles} == {(1, 1), (1, 2), (3, 2)}


def test_ensembles_have_the_members_of_the_row():
    both = first("6/ct_8_16", "cpu")
    assert both.members == (first("6/ct_8", "cpu"), first("6/ct_16", "cpu"))
    assert both.key.startswith("ensemble2-s0-")


def test_stand_ins_are_used_below_the_paper_scale_only():
    assert (first("5/ct", "cpu").data, first("5/ct", "cpu").init) == ("grid16", "motionpairs")
    assert first("5/ct", "paper", "hmdb51_top1").data == "hmdb51"
    assert first("7/ct", "gpu").data == "grid16" and first("7/ct", "paper").data == "mini_kinetics"


def test_unknown_scales_columns_and_tables_are_named():
    row = printed.row("2a/ct")
    with pytest.raises(ConfigError, match="unknown scale 'cpuu'; did you mean cpu"):
        STUDIES["2a"].experiments(row, "cpuu")
    with pytest.raises(ConfigError, match="unknown column of accuracies in Table 2a 'v1_top1'"):
        STUDIES["2a"].experiments(row, "cpu", "v1_top1")
    with pytest.raises(ConfigError, match="unknown table with experiments '99'"):
        studies.study_of("99")


# --- which rows differ


@pytest.mark.parametrize(
    ("a", "b", "scale", "differ"),
    [
        ("2a/ct", "2a/csn", "cpu", True),
        ("2c/serial", "2c/parallel", "cpu", True),
        ("2e/blocks12", "2e/blocks7", "cpu", True),
        ("2e/blocks1", "2e/blocks0", "cpu", True),
        ("2d/c2_4", "2d/c2_sqrt", "cpu", True),
        ("2h/train224_test224", "2h/train224_test256", "cpu", True),
        ("6/ct_8x3x2", "6/ct_8", "cpu", True),
        ("6/ct_en", "6/ct_8", "cpu", True),
        ("8/ct_incv3", "8/tsn_incv3", "cpu", True),
        ("8/ct_incv3", "8/tsn_incv3", "gpu", True),
    ],
)
def test_rows_differ_if_their_experiments_differ(a, b, scale, differ):
    one, other = printed.row(a), printed.row(b)
    assert STUDIES[one.table].differ(one, other, scale) is differ


@pytest.mark.parametrize("row", OWN, ids=[row.ref for row in OWN])
def test_no_row_differs_from_itself(row):
    assert not any(STUDIES[row.table].differ(row, row, scale) for scale in SCALES)


def test_claims_are_tested_where_their_rows_differ():
    found = evidence.differences_at("cpu")
    accuracy = [claim for claim in claims.stated() if claim.kind == "accuracy" and not claim.needs]
    for claim in accuracy:
        for comparison in claim.comparisons:
            a, b = printed.row(comparison[0]), printed.row(comparison[1])
            assert (comparison in found) == STUDIES[claim.table].differ(a, b, "cpu", claim.metric)
    tested = {claim.table for claim in accuracy if set(claim.comparisons) <= set(found)}
    assert {"2a", "2b", "2c", "2d", "2e", "2f", "2g", "2h", "6", "8"} <= tested


def test_differences_are_those_of_recorded_seeds(results):
    """The records of 2g/tsn and 2g/ct also stand behind other tables' rows of the same networks."""

    def record(ref, seed, strict):
        (e,) = STUDIES[ref[:2]].experiments(printed.row(ref), "cpu", seeds=[seed])
        metrics = {"top1": strict, "tiers": {"strict": strict}}
        records.write(e.key, "cpu", BLANK | {"experiment": {"seed": seed}, "metrics": metrics})

    for seed, strict in enumerate((10.0, 12.0, 14.0)):
        record("2g/tsn", seed, strict)
    for seed in (1, 2):
        record("2g/ct", seed, 80.0)
    measured = {c: gap.points for c, gap in evidence.differences_at("cpu").items() if gap.points}
    assert measured == {("2g/ct", "2g/tsn", "top1"): (68.0, 66.0)}, "2e has narrower networks of the same names"


# --- records of rows


def test_row_finds_its_record_of_the_largest_scale(results):
    row = printed.row("2a/ct")
    assert studies.recorded_for(row) is None
    for scale in ("cpu", "gpu"):
        (e,) = STUDIES["2a"].experiments(row, scale, seeds=[1])
        records.write(e.key, scale, BLANK)
        assert studies.recorded_for(row) == (e.key, scale)
    assert studies.recorded_for(replace(row, models=(), protocols=())) is None


def test_record_of_another_protocol_or_data_set_is_not_used_for_a_row(results):
    """One run of CT-Net, 8 frames of MotionPairs, is behind 2g, and not behind rows of other frames, views or data."""
    e = first("2g/ct_pw_te", "cpu")
    records.write(e.key, "cpu", BLANK)
    named = {f"{line['table']}/{line['row']}" for line in studies.rows_json() if line["experiment"]}
    assert named == {"2g/ct_pw_te", "2h/train256_test256", "3/ct_8", "6/ct_8", "8/ct_r50"}
    for ref in named:
        assert first(ref, "cpu").key == e.key, "the same network, data set and protocol at this scale"


def test_rows_json_names_an_experiment_and_its_scale_or_null(results):
    objects = studies.rows_json()
    keys = {"table", "row", "paper", "ours", "experiment", "scale"}
    assert [set(o) for o in objects] == [keys] * len(printed.rows())
    assert json.loads(json.dumps(objects, allow_nan=False)) == objects
    assert {(o["experiment"], o["scale"]) for o in objects} == {(None, None)}
    by_ref = {f"{o['table']}/{o['row']}": o for o in objects}
    assert by_ref["2a/ct"]["paper"] == {"gflops": 36.3, "top1": 47.3, "top5": 76.2}
    assert set(by_ref["2a/ct"]["ours"]) == {"gflops", "gmacs", "params_m"}
    assert {ref for ref, o in by_ref.items() if o["ours"]} == {row.ref for row in printed.rows() if row.models}


def test_recorded_rows_of_the_repository_name_their_own_record():
    for line in studies.rows_json():
        if line["experiment"]:
            row = printed.row(f"{line['table']}/{line['row']}")
            study = STUDIES[row.table]
            keys = {e.key for column in study.columns for e in study.experiments(row, line["scale"], column)}
            assert line["experiment"] in keys


# --- How to add a table (README)


def test_new_table_needs_a_study_a_csv_file_and_a_notebook(tmp_path, monkeypatch):
    """The steps of README, How to add a table, for a Table 9 of two rows."""
    shutil.copytree(paths.paper_root(), tmp_path / "paper")
    monkeypatch.setattr(paths, "paper_root", lambda: tmp_path / "paper")
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CTNET_TABLES", str(tmp_path / "csv"))
    monkeypatch.setitem(STUDIES, "9", Study("9", {"top1": "something_v1"}))
    with (tmp_path / "paper" / "table_9.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["row", "method", "backbone", "gflops", "top1", *OURS])
        rows.writerow(["tsn", "TSN", "2D R50", "43.0", "16.9", "tsn_resnet50", 174, 8, 1, 1, 256])
        rows.writerow(["tsm", "TSM", "2D R50", "43.0", "45.6", "tsm_resnet50", 174, 8, 1, 1, 256])
    for cached in (printed.rows, printed._by_ref):
        cached.cache_clear()
    try:
        assert printed.tables()[-1] == "9"
        r = report("9", "cpu")
        assert list(r.accuracies().index) == ["TSN", "TSM"] and list(r.paper()["top1, printed (%)"]) == ["16.9", "45.6"]
        assert list(r.differences([("tsm", "tsn")])["paper"]) == ["28.7"]
        assert {e.model for made in r.wanted.values() for e in made} == {"tsn_resnet50", "tsm_resnet50"}
        assert {o["row"] for o in studies.rows_json() if o["table"] == "9"} == {"tsn", "tsm"}
        notebook = nbformat.read(paths.ROOT / "notebooks" / "table_2a.ipynb", as_version=4)
        names: dict = {}
        for cell in notebook.cells:
            if cell.cell_type == "code":
                exec(cell.source.replace('"2a"', '"9"'), names)
        assert names["r"].study.table == "9"
        shown = {path.name for path in (tmp_path / "csv").iterdir()}
        assert {"table_9.csv", *(f"table_9_{part}.csv" for part in ("paper", "tests", "claims", "runs"))} <= shown
    finally:
        for cached in (printed.rows, printed._by_ref):
            cached.cache_clear()


def test_zoo_has_every_network_of_the_tables():
    assert {model for row in OWN for model in row.models} <= set(ZOO)
