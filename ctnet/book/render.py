"""Clean an executed notebook for the book, so that it builds without warnings and shows no path of this machine."""

import ast
import re
from functools import cache
from pathlib import Path

DRAWING = [Path(__file__).with_name(f"{name}.py") for name in ("plots", "pictures")]
# tag of a folded cell -> the text to click on
FOLDED = {"parameters": "Parameters and their defaults", "injected-parameters": "Parameters of this run"}


def render(path: Path) -> str:
    """Clean an executed notebook in place; a second call changes nothing.

    Parameter cells are folded. Output on stderr is removed, and neighbouring pieces of stdout are joined.
    Papermill's timings and paths are removed. Pictures get an alternative text.

    Args:
        path: The executed notebook.

    Returns:
        The last 4000 characters of what its cells wrote to stderr.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    stderr: list[str] = []
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        for tag in tags & FOLDED.keys():
            cell.metadata["tags"] = sorted(tags | {"hide-input"})
            cell.metadata["mystnb"] = {"code_prompt_show": FOLDED[tag], "code_prompt_hide": FOLDED[tag]}
        for key in ("papermill", "execution", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            stderr += [o.text for o in cell.outputs if _is_stream(o, "stderr")]
            cell.outputs = _merge_stdout([o for o in cell.outputs if not _is_stream(o, "stderr")])
            if text := _alt_text(cell):
                cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | {"image": {"alt": text}}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"name": "python", "pygments_lexer": "ipython3"}  # Sphinx warns if it is missing
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": language})
    nbformat.write(notebook, path)
    return "".join(stderr)[-4000:]


def _alt_text(cell) -> str:
    """The text that a cell's picture carries, else the docstring of the function that drew it."""
    for output in cell.outputs:
        for kind, facts in output.get("metadata", {}).items():
            if kind.startswith("image/") and facts.get("alt"):
                return facts["alt"]
    drawn = [name for name in re.findall(r"\b(?:plots|pictures|r)\.(\w+)\(", cell.source) if name in _docstrings()]
    return _docstrings()[drawn[-1]] if drawn else ""  # the methods of a report have the names of plots


@cache
def _docstrings() -> dict[str, str]:
    """Function that draws -> first paragraph of its docstring on one line; parsed, so that matplotlib is not loaded."""
    body = [node for path in DRAWING for node in ast.parse(path.read_text()).body]
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    return {f.name: " ".join((ast.get_docstring(f) or "").partition("\n\n")[0].split()) for f in functions}


def _is_stream(output, name: str) -> bool:
    return output.output_type == "stream" and output.name == name


def _merge_stdout(outputs: list) -> list:
    merged: list = []
    for output in outputs:
        if merged and _is_stream(output, "stdout") and _is_stream(merged[-1], "stdout"):
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged
