"""ctnet.runner: parameters, atomic output, records, clean pages, GPU slots, no kernel left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ctnet.book import gpus, notebook
from ctnet.book.render import render
from ctnet.errors import ConfigError
from ctnet.paths import ROOT

PARAMETERS = 'scale = "cpu"\nmissing = False\nfresh = False'


def write_notebook(path: Path, *cells: str) -> Path:
    code = [new_code_cell(source) for source in (PARAMETERS, *cells)]
    code[0].metadata["tags"] = ["parameters"]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Toy"), *code]), path)  # no kernelspec on purpose
    return path


def outputs(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", []))


def test_a_run_writes_the_page_and_its_record(tmp_path):
    source = write_notebook(
        tmp_path / "toy.ipynb",
        "import os, sys\nfrom pathlib import Path\nprint(scale, fresh, Path.cwd())",
        "print('to stderr', file=sys.stderr)",
        "print(*(os.environ[name] for name in ('TQDM_DISABLE', 'CTNET_BOOK', 'CTNET_TABLES')))",
    )
    before = source.read_bytes()
    out = tmp_path / "runs" / "toy.ipynb"
    record = notebook.run(source, out, {"scale": "smoke"})

    assert outputs(out) == f"smoke False {tmp_path}\n1 1 {out.parent / 'csv'}\n"
    assert "TQDM_DISABLE" not in os.environ or os.environ["TQDM_DISABLE"] != "1"
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
def test_an_unknown_parameter_runs_nothing(tmp_path, typo, near):
    source, out = write_notebook(tmp_path / "toy.ipynb"), tmp_path / "out.ipynb"
    out.write_text("an earlier page")
    with pytest.raises(ConfigError, match=f"parameter of toy.ipynb '{typo}'; did you mean {near}"):
        notebook.run(source, out, {typo: 1})
    assert out.read_text() == "an earlier page"


def test_what_is_to_be_run_reaches_the_notebooks_that_know_it(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(notebook, "run", lambda notebook, out, params, timeout: asked.append(params))
    knows, knows_not = write_notebook(tmp_path / "a.ipynb"), tmp_path / "b.ipynb"
    nbformat.write(new_notebook(), knows_not)
    for source in (knows, knows_not):
        for flag in ("--fresh", "--missing"):
            assert notebook.main([str(source), "out.ipynb", flag]) == 0
    assert asked == [{"fresh": True}, {"missing": True}, {}, {}]


def test_mistakes_in_the_call_are_one_line_and_exit_2(tmp_path, capsys):
    good, broken = write_notebook(tmp_path / "toy.ipynb"), tmp_path / "broken.ipynb"
    broken.write_text('{"cells": [')
    for source, params, message in [
        (tmp_path / "none.ipynb", "{}", "none.ipynb does not exist"),
        (good, "{scale", "--params is not JSON"),
        (good, "[1]", "--params must be a JSON object"),
        (broken, "{}", "is not a notebook that can be read"),
    ]:
        assert notebook.main([str(source), str(tmp_path / "out.ipynb"), "--params", params]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out.ipynb").exists()


def test_a_failure_keeps_the_partial_page_and_names_the_cell(tmp_path, capsys):
    source = write_notebook(
        tmp_path / "toy.ipynb", "print('before')", "raise ValueError('no such clip')", "print('after')"
    )
    out = tmp_path / "toy_out.ipynb"
    out.write_text("an earlier page")
    assert notebook.main([str(source), str(out), "--params", '{"scale": "smoke"}']) == 1
    partial = tmp_path / "toy_out.partial.ipynb"
    assert not out.exists() and partial.exists()
    assert "before" in outputs(partial) and "after" not in outputs(partial)
    record = json.loads((tmp_path / "toy_out.json").read_text())
    assert not record["ok"] and record["error"]["where"] == "In [4]"
    assert record["error"]["message"] == "ValueError: no such clip"
    assert "toy failed in In [4]: ValueError: no such clip" in capsys.readouterr().err


@pytest.mark.parametrize(
    "cell, timeout, message",
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", None, "the kernel died"),
        ("import time; time.sleep(60)", 1, "no result within 1 s"),
    ],
)
def test_a_dead_or_slow_kernel_is_a_failure(tmp_path, cell, timeout, message):
    source, out = write_notebook(tmp_path / "toy.ipynb", cell), tmp_path / "out.ipynb"
    with pytest.raises(notebook.NotebookError, match=message) as caught:
        notebook.run(source, out, timeout=timeout)
    assert caught.value.record["error"]["where"] == "In [2]"
    assert not out.exists()


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


def test_pictures_get_the_text_that_they_carry_or_that_of_the_function_that_drew_them(tmp_path):
    def cell(source, **facts):
        drawn = new_code_cell(source)
        drawn.outputs = [nbformat.v4.new_output("display_data", {"image/png": ""}, metadata=facts)]
        return drawn

    path = tmp_path / "page.ipynb"
    cells = [cell('plots.tiers("2a", results);'), cell("plots.show_clips(c, t)", **{"image/png": {"alt": "two clips"}})]
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


def test_two_notebooks_never_hold_the_same_gpu(tmp_path, monkeypatch):
    pretend_gpus(monkeypatch, tmp_path, 2)
    taken, lines, looks = ExitStack(), [], []
    assert {taken.enter_context(gpus.slot("a")), taken.enter_context(gpus.slot("b"))} == {0, 1}

    def sleep(_seconds: float) -> None:
        looks.append(1)
        if len(looks) == 2:
            taken.close()
        assert len(looks) < 3, "not taken although free"

    monkeypatch.setattr(gpus.time, "sleep", sleep)
    with gpus.slot("c", log=lines.append) as third:
        assert third == 0 and len(looks) == 2
    assert lines == ["c: waiting for one of 2 GPUs"]


@pytest.mark.parametrize("variable", ["CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"])
def test_a_choice_made_outside_stands(tmp_path, monkeypatch, variable):
    pretend_gpus(monkeypatch, tmp_path, 2)
    monkeypatch.setenv(variable, "1")
    with gpus.slot("a") as slot:
        assert slot is None
    assert list(tmp_path.iterdir()) == []


def test_the_slot_reaches_the_kernel(tmp_path, monkeypatch):
    pretend_gpus(monkeypatch, tmp_path, 1)
    source = write_notebook(tmp_path / "toy.ipynb", "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    notebook.run(source, tmp_path / "out.ipynb")
    assert outputs(tmp_path / "out.ipynb") == "0\n"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition, seconds: float = 180) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGKILL", "parent"])
def test_no_kernel_is_left_behind(tmp_path, how):
    pid_file = tmp_path / "pid"
    source = write_notebook(
        tmp_path / "toy.ipynb",
        f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))",
        "import time; time.sleep(300)",
    )
    command = [sys.executable, "-m", "ctnet.runner", str(source), str(tmp_path / "out.ipynb")]
    if how == "parent":  # the caller (Snakemake, say) is killed without a chance to tell
        relay = "import subprocess, sys; subprocess.run(sys.argv[1:])"
        command = [sys.executable, "-c", relay, *command, "--end-with-parent"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # a shell's background job starts with Ctrl-C ignored, and so does all that it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
        kernel = int(pid_file.read_text())
        assert alive(kernel)
        process.send_signal(signal.SIGKILL if how == "parent" else getattr(signal, how))
        process.wait(timeout=180)
        assert wait_until(lambda: not alive(kernel)), f"kernel {kernel} outlived the runner"
    finally:
        process.kill()
    assert not (tmp_path / "out.ipynb").exists()
