"""Makes an executed notebook fit for the book: no warning when it is built, no path of the machine that ran it."""

import ast
import re
from functools import cache
from pathlib import Path

PLOTS = Path(__file__).with_name("plots.py")
# tag of a folded cell -> what the page says where it can be unfolded
FOLDED = {"parameters": "Parameters and their defaults", "injected-parameters": "Parameters of this run"}


def render(path: Path) -> str:
    """Rewrite the executed notebook at `path` in place; returns the end of what it wrote to stderr.

    Parameter cells are folded, stderr is taken out, neighbouring pieces of stdout become one, papermill's
    timings and paths go; pictures get a text for those who do not see them.
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
            if text := _described(cell):
                cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | {"image": {"alt": text}}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"name": "python", "pygments_lexer": "ipython3"}  # without it, Sphinx warns
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": language})
    nbformat.write(notebook, path)
    return "".join(stderr)[-4000:]


def _described(cell) -> str:
    """What a cell's picture shows: its own text, else what the function of `plots` says that it draws."""
    for output in cell.outputs:
        for kind, facts in output.get("metadata", {}).items():
            if kind.startswith("image/") and facts.get("alt"):
                return facts["alt"]
    drawn = re.findall(r"\bplots\.(\w+)\(", cell.source)
    return _docstrings().get(drawn[-1], "") if drawn else ""


@cache
def _docstrings() -> dict[str, str]:
    """Function of `plots` -> the first paragraph of its docstring, on one line; without an import of matplotlib."""
    functions = [node for node in ast.parse(PLOTS.read_text()).body if isinstance(node, ast.FunctionDef)]
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
