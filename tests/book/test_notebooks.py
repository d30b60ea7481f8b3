"""Every notebook, run by papermill at the smoke scale on real video files, as `make book` runs them."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest

import ctnet
from ctnet import paths
from ctnet.book import machines
from ctnet.book.notebook import run
from ctnet.data.prepare import prepare
from ctnet.data.sets import grid
from ctnet.experiments import records
from ctnet.paper import printed
from tests.support.prepared import copy_of_grid
from tests.support.toy import PLAIN

# Those that `make test` runs, one of each kind; `make pages` runs all.
FEW = ("cost", "data", "figure_3", "grid_words", "predict", "reliability", "start", "table_2c", "table_4", "table_5")
NOTEBOOKS = [
    pytest.param(path, id=path.stem, marks=() if path.stem in FEW else pytest.mark.page)
    for path in sorted((paths.ROOT / "notebooks").glob("*.ipynb"))
]
TABLES = ("2a", "2b", "2c", "2d", "2e", "2f", "2g", "2h", "6", "8")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Folders for data, runs, results and tables; what one notebook records is there for the next."""
    folder = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("data", "runs", "results"):
            patch.setenv(f"CTNET_{name.upper()}", str(folder / name))
        prepare("motionpairs", "smoke")
        for name in grid.SUBSETS:
            prepare(name, source=copy_of_grid(folder / "grid"), root=folder / "data")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield folder


@pytest.fixture(scope="module")
def executed(home):
    """A function from the name of a notebook to its executed copy; each notebook runs once."""
    copies = {}

    def get(name: str) -> nbformat.NotebookNode:
        if name not in copies:
            out = home / f"{name}.ipynb"
            run(paths.ROOT / "notebooks" / f"{name}.ipynb", out, {"scale": "smoke"})
            copies[name] = nbformat.read(out, 4)
        return copies[name]

    return get


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_notebook_runs_without_errors(path: Path, executed):
    cells = executed(path.stem).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert "**Cost:**" in cells[0].source
    outputs = [o for c in cells for o in c.get("outputs", ())]
    assert not any(o.output_type == "error" for o in outputs)
    pictures = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", ())]
    assert len(pictures) == len(set(pictures)), "a figure appears twice: end its cell with a semicolon"


@pytest.mark.parametrize(
    "table", [pytest.param(t, marks=() if f"table_{t}" in FEW else pytest.mark.page) for t in TABLES]
)
def test_table_shows_every_row(table, executed, home):
    executed(f"table_{table}")
    shown = pd.read_csv(home / "csv" / f"table_{table}.csv", dtype=str)
    rows = [row for row in printed.rows() if row.table == table]
    assert len(shown) == len(rows)
    of_paper = pd.read_csv(home / "csv" / f"table_{table}_paper.csv", dtype=str)
    assert of_paper["GFLOPs, printed"].tolist() == [row.printed.get("gflops", "–") for row in rows]
    assert not [column for column in shown if "GFLOPs" in column], "the paper's cost stands in a table of its own"
    assert (shown["seeds"] == "1").all() and shown["strict"].astype(float).between(0, 100).all()
    runs = pd.read_csv(home / "csv" / f"table_{table}_runs.csv")
    for name in runs["result"]:
        key = Path(name).stem
        assert records.read(key, "smoke").metrics["clips"] == 4 * 44


@pytest.mark.page
def test_comparisons_show_every_printed_row(executed, home):
    for table in ("3", "4", "5"):
        executed(f"table_{table}")
        shown = pd.read_csv(home / "csv" / f"table_{table}_printed.csv")
        assert shown["row"].tolist() == [row.row for row in printed.rows_of(table)]
    measured = pd.read_csv(home / "csv" / "table_3.csv")
    assert len(measured) == sum(bool(row.models) for row in printed.rows_of("3")) and (measured["seeds"] == 1).all()


def test_transfer_and_its_control_have_the_same_seeds(executed, home):
    executed("table_5")
    runs = pd.read_csv(home / "csv" / "table_5_runs.csv")
    both = {row: part for row, part in runs.groupby("row")}
    assert {row: part["seed"].tolist() for row, part in both.items()} == dict.fromkeys(both, [0])
    assert list(both) == ["from motionpairs", "from scratch"] and runs["result"].is_unique


@pytest.mark.page
def test_best_trade_off_depends_on_the_number_of_views(executed, home):
    executed("figure_5")
    shown = pd.read_csv(home / "csv" / "figure_5.csv")
    best = {views: shown[f"best trade-off, {views}"] == "yes" for views in ("one view", "all views")}
    ours = shown["method"].eq("CT-Net") & shown["backbone"].eq("2D R50")
    assert not best["one view"][ours].any() and best["all views"][ours].all()
    assert all(chosen[shown["method"] == "CT-Net_EN"].all() for chosen in best.values())


def test_start_shows_that_tsn_is_blind_to_order(executed, home):
    executed("start")
    shown = pd.read_csv(home / "csv" / "start_six.csv").set_index("network")
    assert shown.loc["tsn_resnet50", "within pairs (%)"] == 50.0


def test_cost_page_counts_all_our_rows(executed, home):
    executed("cost")
    shown = [pd.read_csv(home / "csv" / f"cost_{part}.csv", dtype=str) for part in ("ablations", "comparisons")]
    ours = [row for row in printed.rows() if row.models and row.table != "5"]
    assert sum(map(len, shown)) == len(ours)


def test_data_shows_that_twins_are_mirrors(executed):
    text = "".join(o.get("text", "") for c in executed("data").cells for o in c.get("outputs", ()))
    assert "largest difference 0 of 255" in text


def test_grid_words_trains_every_network(executed, home):
    executed("grid_words")
    for name, clips in (("grid16", 8), ("grid10", 4), ("grid51", 16), ("grid16_from_motionpairs", 8)):
        shown = pd.read_csv(home / "csv" / f"{name}.csv")
        assert (shown["seeds"] == 1).all() and (shown["test clips"] == clips).all() and len(shown) in (2, 5)
    assert shown["network"].tolist() == ["tsn_resnet50", "ctnet_resnet50"]
    from_scratch = pd.read_csv(home / "csv" / "grid_runs.csv").set_index("row")["result"]
    assert from_scratch["16 words, ctnet_resnet50"] != from_scratch["16 words from MotionPairs, ctnet_resnet50"]


def test_predict_names_classes_and_shows_frames(executed):
    outputs = [o for c in executed("predict").cells for o in c.get("outputs", ())]
    text = "".join(o.get("text", "") for o in outputs)
    assert ".avi is push from left to right\n" in text and text.count("%  ") == 5
    assert sum("image/jpeg" in o.get("data", {}) for o in outputs) == 1


def test_predict_takes_another_video_and_weights(home, tmp_path):
    network = ctnet.create_model("tsn_resnet50", num_classes=2, num_frames=4, **PLAIN)
    ctnet.save(network, tmp_path / "own.safetensors", classes=("up", "down"), protocol={"frames": 4, "size": 64})
    video = tmp_path / "my film.avi"
    video.write_bytes(next(home.glob("data/motionpairs-smoke/videos/test/*/*.avi")).read_bytes())
    given = {"video": str(video), "weights": str(tmp_path / "own.safetensors")}
    run(paths.ROOT / "notebooks" / "predict.ipynb", tmp_path / "own.ipynb", given)
    outputs = [o for c in nbformat.read(tmp_path / "own.ipynb", 4).cells for o in c.get("outputs", ())]
    text = "".join(o.get("text", "") for o in outputs)
    assert "4x1x1@64, 2 named classes" in text and text.count("%  ") == 2 and "up\n" in text and "down\n" in text
    assert sum("image/jpeg" in o.get("data", {}) for o in outputs) == 1


def test_reliability_says_what_is_not_yet_measured(executed, home):
    executed("reliability")
    shown = pd.read_csv(home / "csv" / "reliability.csv")
    assert len(shown) == 2 + len(machines.KILLED) and (shown["failures"] == "not yet measured").all()
