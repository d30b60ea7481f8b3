"""Small notebooks for tests of the runner, and a cell that shows when its kernel starts and ends."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'scale = "cpu"\nmissing = False\nfresh = False'


def write_notebook(path: Path, *cells: str, parameters: str | None = PARAMETERS) -> Path:
    """Write a notebook with a title, a parameters cell unless `parameters` is None, and `cells`."""
    code = [new_code_cell(source) for source in cells]
    if parameters is not None:
        code.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Toy"), *code]), path)  # has no kernelspec on purpose
    return path


def outputs(path: Path) -> str:
    """Return the text that the cells of an executed notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", []))


def endless_cell(pipe: Path) -> str:
    """Return the source of a cell that opens a named pipe (`os.mkfifo`) and never ends.

    A test waits on the pipe instead of a clock: `open` returns when the cell runs, `read` when the kernel has ended.
    """
    return f"import threading\npipe = open({str(pipe)!r}, 'w')\nthreading.Event().wait()"
