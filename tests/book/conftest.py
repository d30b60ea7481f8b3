"""The book, built once for all tests from the real configuration and pages, with toy runs in place of the notebooks."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ctnet.book import pages, status
from ctnet.book.render import render
from ctnet.paths import ROOT

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RECORD = {
    "ok": True,
    "error": None,
    "params": {"scale": "smoke"},
    "seconds": 1.5,
    "when": "2026-01-02T03:04:05+00:00",
    "device": "CPU, 2 cores (x86_64)",
    "versions": {"python": "3.11.7", "torch": "2.14.1"},
    "commit": "0123456789ab",
}


@pytest.fixture(scope="session")
def built(tmp_path_factory, worker_id) -> Path:
    """Folder of the built book, one for all workers; `cost` failed and `table_2g` was never run."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "toy_book"
    with FileLock(f"{root}.lock"):
        if not (root / "built").exists():
            shutil.rmtree(root, ignore_errors=True)
            assert _build(root) == 0
            (root / "built").touch()
    return root / "book" / "_build" / "html"


def _build(root: Path) -> int:
    """Build the toy book in a new folder; the exit code of the build."""
    source, runs = root / "book", root / "book" / "runs"
    shutil.copytree(ROOT / "book", source, ignore=shutil.ignore_patterns("runs", "_build", "__pycache__"))
    runs.mkdir()
    (root / "notebooks").mkdir()
    for name in status.notebooks(source):
        nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {name}")]), root / "notebooks" / f"{name}.ipynb")
        if name in ("cost", "table_2g"):
            continue
        nbformat.write(_executed(name), runs / f"{name}.ipynb")
        render(runs / f"{name}.ipynb")
        (runs / f"{name}.json").write_text(json.dumps({"notebook": name, **RECORD}))
    error = {
        "where": "In [3]",
        "message": "ValueError: a | b",
        "traceback": "Traceback ...\nValueError: a | b",
    }
    failed = {"notebook": "cost", **RECORD, "ok": False, "error": error}
    (runs / "cost.json").write_text(json.dumps(failed))
    nbformat.write(_executed("cost"), runs / "cost.partial.ipynb")
    pages.write_pages(source)
    return pages.build(source)


def _executed(name: str):
    """An executed notebook with mathematics, an image, a table and an interactive plot."""
    import plotly.graph_objects

    figure = plotly.graph_objects.Figure(plotly.graph_objects.Scatter(x=[1, 2], y=[3, 4]))
    plot = figure.to_html(full_html=False, include_plotlyjs="../_static/plotly.min.js", div_id=f"plot-{name}")
    data = [
        {"image/png": PNG, "text/plain": "a figure"},
        {"text/html": "<table><tr><td>76.5</td></tr></table>", "text/plain": "a table"},
        {"text/html": plot, "text/plain": "a plot"},
    ]
    code = new_code_cell("show()", execution_count=1, outputs=[new_output("display_data", data=d) for d in data])
    return new_notebook(cells=[new_markdown_cell(f"# {name}\n\n$$\nC = C_1 C_2\n$$"), code])
