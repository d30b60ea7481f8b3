"""Commands about notebooks and pages: run, book."""

import json
import os
import signal
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_notebook

from ctnet.book import notebook, pages
from ctnet.cli.main import main
from ctnet.paths import ROOT
from tests.support.commands import mistake, output
from tests.support.notebooks import endless_cell, outputs, write_notebook


@pytest.fixture
def asked(monkeypatch):
    """The (out, params, timeout) of every notebook that would have been run."""
    calls = []
    monkeypatch.setattr(notebook, "run", lambda notebook, out, params, timeout: calls.append((out, params, timeout)))
    return calls


def test_run_passes_missing_and_fresh_only_to_notebooks_that_have_them(capsys, tmp_path, asked):
    knows, knows_not = write_notebook(tmp_path / "a.ipynb"), tmp_path / "b.ipynb"
    nbformat.write(new_notebook(), knows_not)
    for source in (knows, knows_not):
        for flag in ("--fresh", "--missing"):
            assert output(capsys, "run", source, "--out", "out.ipynb", flag) == "out.ipynb\n"
    assert [params for _, params, _ in asked] == [{"fresh": True}, {"missing": True}, {}, {}]


def test_run_passes_parameters_time_limit_and_output_path(capsys, tmp_path, asked):
    source, out = write_notebook(tmp_path / "toy.ipynb"), ROOT / "book" / "runs" / "toy.ipynb"
    words = ("--params", '{"scale": "smoke"}', "--timeout", 7)
    assert output(capsys, "run", source, *words) == f"{out}\n"
    assert asked == [(out, {"scale": "smoke"}, 7)]


def test_run_reports_a_mistake_in_the_call_in_one_line(capsys, tmp_path):
    good, broken = write_notebook(tmp_path / "toy.ipynb"), tmp_path / "broken.ipynb"
    broken.write_text('{"cells": [')
    for source, params, message in [
        (tmp_path / "none.ipynb", "{}", "none.ipynb does not exist"),
        (good, "{scale", "--params is not JSON"),
        (good, "[1]", "--params must be a JSON object"),
        (good, '{"scal": 1}', "parameter of toy.ipynb 'scal'; did you mean scale"),
        (broken, "{}", "is not a notebook that can be read"),
    ]:
        assert message in mistake(capsys, "run", source, "--out", tmp_path / "out.ipynb", "--params", params)
    assert not (tmp_path / "out.ipynb").exists()


def test_run_ends_with_1_when_a_cell_fails_and_keeps_the_partial_copy(tmp_path, capsys):
    source = write_notebook(
        tmp_path / "toy.ipynb", "print('before')", "raise ValueError('no such clip')", "print('after')"
    )
    out = tmp_path / "toy_out.ipynb"
    out.write_text("an earlier page")
    assert main(["run", str(source), "--out", str(out), "--params", '{"scale": "smoke"}']) == 1
    partial = tmp_path / "toy_out.partial.ipynb"
    assert not out.exists() and partial.exists()
    assert "before" in outputs(partial) and "after" not in outputs(partial)
    record = json.loads((tmp_path / "toy_out.json").read_text())
    assert not record["ok"] and record["error"]["where"] == "In [4]"
    assert record["error"]["message"] == "ValueError: no such clip"
    captured = capsys.readouterr()
    assert captured.out == "" and "ctnet: toy failed in In [4]: ValueError: no such clip; kept: " in captured.err


@pytest.mark.parametrize("how, status", [("SIGTERM", 143), ("SIGINT", 130), ("SIGKILL", -9), ("parent", -9)])
def test_run_leaves_no_kernel_behind(tmp_path, how, status):
    os.mkfifo(pipe := tmp_path / "pipe")
    source, out = write_notebook(tmp_path / "toy.ipynb", endless_cell(pipe)), tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "ctnet", "run", str(source), "--out", str(out)]
    if how == "parent":  # the caller (Snakemake, say) is killed and cannot tell anybody
        relay = "import subprocess, sys; subprocess.run(sys.argv[1:])"
        command = [sys.executable, "-c", relay, *command, "--end-with-parent"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with open(pipe) as kernel:  # waits until the kernel runs the cell
            process.send_signal(signal.SIGKILL if how == "parent" else getattr(signal, how))
            assert process.wait() == status
            assert kernel.read() == ""  # waits until the kernel is gone
    finally:
        process.kill()
    assert not out.exists()


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of two notebooks whose pages are not built."""
    (tmp_path / "_toc.yml").write_text("parts: [{chapters: [{file: runs/one}, {file: runs/two}]}]")
    monkeypatch.setattr(pages, "write_pages", lambda book: (book / "runs").mkdir(exist_ok=True))
    monkeypatch.setattr(pages, "build", lambda book: 0)
    return tmp_path


def test_book_prints_its_first_page_and_the_missing_notebooks(capsys, book):
    index = book / "_build" / "html" / "index.html"
    assert main(["book", "--book", str(book)]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"The book: {index.as_uri()}\n"
    assert captured.err == "not in the book: one: has not been run\nnot in the book: two: has not been run\n"
    for name in ("one", "two"):
        (book / "runs" / f"{name}.ipynb").touch()
    assert output(capsys, "book", "--book", book) == captured.out


def test_book_that_was_not_built_ends_with_1(capsys, book, monkeypatch):
    monkeypatch.setattr(pages, "build", lambda book: 7)
    assert main(["book", "--book", str(book)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("the book is not complete: see the warnings above\n")


def test_book_needs_a_folder_with_a_table_of_contents(capsys, tmp_path):
    assert f"{tmp_path / '_toc.yml'}: no such file" in mistake(capsys, "book", "--book", tmp_path)
