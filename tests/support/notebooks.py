"""Small notebooks for tests of the runner, and a cell that shows when its kernel starts and ends."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'scale = "cpu"\nmissing = False\nfresh = False'


def write_notebook(path: Path, *cells: str, parameters: str | None = PARAMETERS) -> Path:
    """Write a notebook of a title, a parameters cell (none if `parameters` is None) and `cells`; returns `path`."""
    code = [new_code_cell(source) for source in cells]
    if parameters is not None:
        code.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Toy"), *code]), path)  # without kernelspec on purpose
    return path


def outputs(path: Path) -> str:
    """Return the text that the cells of an executed notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", []))


def endless_cell(pipe: Path) -> str:
    """Return the source of a cell that opens a named pipe (`os.mkfifo`) and never ends.

    A reader needs no clock: its `open` returns when the cell runs, its `read` when the kernel is gone.
    """
    return f"import threading\npipe = open({str(pipe)!r}, 'w')\nthreading.Event().wait()"
