"""Executing a notebook: its record, its clean page, its failures, and a GPU for each notebook."""

import json
import os
from contextlib import ExitStack

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from ctnet.book import gpus, notebook
from ctnet.book.render import render
from ctnet.errors import ConfigError
from tests.support.notebooks import outputs, write_notebook


def test_run_writes_the_page_and_its_record(tmp_path):
    source = write_notebook(
        tmp_path / "toy.ipynb",
        "import os, sys\nfrom pathlib import Path\nprint(scale, fresh, Path.cwd())",
        "print('to stderr', file=sys.stderr)",
        "print(*(os.environ[name] for name in ('TQDM_DISABLE', 'CTNET_BOOK', 'CTNET_TABLES')))",
    )
    before = source.read_bytes()
    out = tmp_path / "runs" / "toy.ipynb"
    environment = dict(os.environ)
    record = notebook.run(source, out, {"scale": "smoke"})

    assert outputs(out) == f"smoke False {tmp_path}\n1 1 {out.parent / 'csv'}\n"
    assert os.environ == environment
    assert source.read_bytes() == before
    assert sorted(p.name for p in out.parent.iterdir()) == ["toy.ipynb", "toy.json"]
    assert json.loads((out.parent / "toy.json").read_text()) == record
    assert record["ok"] and record["error"] is None and record["params"] == {"scale": "smoke"}
    assert record["notebook"] == "toy" and record["seconds"] > 0 and record["versions"]["torch"]
    assert record["stderr"] == "to stderr\n" and record["device"]
    page = nbformat.read(out, as_version=4)
    folded = [cell for cell in page.cells if "hide-input" in cell.metadata.get("tags", [])]
    assert len(folded) == 2 and 'scale = "smoke"' in folded[1].source
    assert str(tmp_path) not in json.dumps(page.metadata)


@pytest.mark.parametrize("typo, near", [("scal", "scale"), ("frash", "fresh")])
def test_unknown_parameter_runs_nothing(tmp_path, typo, near):
    source, out = write_notebook(tmp_path / "toy.ipynb"), tmp_path / "out.ipynb"
    out.write_text("an earlier page")
    with pytest.raises(ConfigError, match=f"parameter of toy.ipynb '{typo}'; did you mean {near}"):
        notebook.run(source, out, {typo: 1})
    assert out.read_text() == "an earlier page"


def fails(source, out, message, where, timeout=None):
    with pytest.raises(notebook.NotebookError, match=message) as caught:
        notebook.run(source, out, timeout=timeout)
    assert caught.value.record["error"]["where"] == where
    assert not out.exists()


def test_dead_kernel_is_a_failure(tmp_path):
    source = write_notebook(tmp_path / "toy.ipynb", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    fails(source, tmp_path / "out.ipynb", "the kernel died", "In [2]")


def test_cell_over_the_time_limit_is_a_failure(tmp_path):
    # the only cell, because under load a quick cell before it could reach the limit first
    source = write_notebook(tmp_path / "toy.ipynb", "import threading; threading.Event().wait()", parameters=None)
    fails(source, tmp_path / "out.ipynb", "no result within 1 s", "In [1]", timeout=1)


def test_render_is_idempotent_and_keeps_other_outputs(tmp_path):
    cell = new_code_cell("x")
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a"),
        nbformat.v4.new_output("stream", name="stderr", text="warning"),
        nbformat.v4.new_output("stream", name="stdout", text="b"),
        nbformat.v4.new_output("display_data", data={"text/plain": "c"}),
    ]
    cell.metadata["papermill"] = {"duration": 1}
    path = tmp_path / "page.ipynb"
    nbformat.write(new_notebook(cells=[cell]), path)
    assert render(path) == "warning"
    first = path.read_text()
    done = nbformat.read(path, as_version=4).cells[0]
    assert [o.output_type for o in done.outputs] == ["stream", "display_data"] and done.outputs[0].text == "ab"
    assert "papermill" not in done.metadata
    assert render(path) == "" and path.read_text() == first


def test_picture_alt_text_is_its_own_or_that_of_its_plot_function(tmp_path):
    def cell(source, **facts):
        drawn = new_code_cell(source)
        drawn.outputs = [nbformat.v4.new_output("display_data", {"image/png": ""}, metadata=facts)]
        return drawn

    path = tmp_path / "page.ipynb"
    cells = [cell("r.tiers();"), cell("plots.show_clips(c, t)", **{"image/png": {"alt": "two clips"}})]
    nbformat.write(new_notebook(cells=[*cells, cell("axis.plot()")]), path)
    render(path)
    first, second, third = (c.metadata.get("mystnb") for c in nbformat.read(path, as_version=4).cells)
    assert first["image"]["alt"].startswith("Accuracy of each row on each tier") and "\n" not in first["image"]["alt"]
    assert second == {"image": {"alt": "two clips"}} and third is None


def pretend_gpus(monkeypatch, tmp_path, count: int) -> None:
    monkeypatch.setattr(gpus, "count", lambda: count)
    monkeypatch.setenv("CTNET_LOCKS", str(tmp_path))
    for chosen in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(chosen, raising=False)


def test_slots_are_different_gpus_and_a_third_notebook_waits(tmp_path, monkeypatch):
    pretend_gpus(monkeypatch, tmp_path, 2)
    taken, lines, sleeps = ExitStack(), [], []
    assert {taken.enter_context(gpus.slot("a")), taken.enter_context(gpus.slot("b"))} == {0, 1}

    def sleep(_seconds: float) -> None:
        sleeps.append(1)
        if len(sleeps) == 2:
            taken.close()
        assert len(sleeps) < 3, "a free GPU was not taken"

    monkeypatch.setattr(gpus.time, "sleep", sleep)
    with gpus.slot("c", log=lines.append) as third:
        assert third == 0 and len(sleeps) == 2
    assert lines == ["c: waiting for one of 2 GPUs"]


@pytest.mark.parametrize("variable", ["CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"])
def test_slot_keeps_a_choice_made_outside(tmp_path, monkeypatch, variable):
    pretend_gpus(monkeypatch, tmp_path, 2)
    monkeypatch.setenv(variable, "1")
    with gpus.slot("a") as slot:
        assert slot is None
    assert list(tmp_path.iterdir()) == []


def test_slot_reaches_the_kernel(tmp_path, monkeypatch):
    pretend_gpus(monkeypatch, tmp_path, 1)
    source = write_notebook(tmp_path / "toy.ipynb", "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    notebook.run(source, tmp_path / "out.ipynb")
    assert outputs(tmp_path / "out.ipynb") == "0\n"
