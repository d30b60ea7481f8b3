"""Execute a notebook with parameters, and record how the run went. Used by `python -m ctnet run`."""

import ast
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ctnet import paths
from ctnet.book import gpus
from ctnet.errors import ConfigError, CtnetError, unknown
from ctnet.experiments.provenance import commit, installed

PACKAGES = ("torch", "torchvision", "lightning", "numpy", "pandas", "matplotlib", "papermill")
# Progress bars would fill the page; CTNET_BOOK tells plots that they will be seen in the built book.
KERNEL_ENVIRONMENT = {"TQDM_DISABLE": "1", "CTNET_BOOK": "1"}


class NotebookError(CtnetError):
    """A notebook that did not run to its end.

    Attributes:
        record: What `run` would have returned; `record["error"]` says which cell failed and how.
    """

    def __init__(self, message: str, record: dict[str, Any]):
        super().__init__(message)
        self.record = record


def run(
    notebook: str | Path, out: str | Path, params: dict[str, Any] | None = None, timeout: int | None = None
) -> dict[str, Any]:
    """Execute a notebook in its own folder, with a GPU of its own where there are several.

    The executed copy appears at `out` only if every cell ran. While it runs, and after a failure, it is beside
    `out` with the suffix `.partial.ipynb`. The record is beside it too, with the suffix `.json`.

    Args:
        notebook: The notebook; it is not changed.
        out: Where the executed copy goes.
        params: Values for the variables of the cell tagged `parameters`.
        timeout: Time limit for each cell in seconds; None for no limit.

    Returns:
        The record: notebook, params, ok, error (None, or {where, message, traceback}), seconds, when (UTC), device,
        versions, commit, stderr.

    Raises:
        ConfigError: The notebook is missing or damaged, or has no such parameter. Nothing was run.
        NotebookError: A cell failed or the kernel died.
    """
    notebook, out, params = Path(notebook).absolute(), Path(out).absolute(), dict(params or {})
    _check_params(notebook, params)
    partial, record_path = out.with_suffix(".partial.ipynb"), out.with_suffix(".json")
    out.parent.mkdir(parents=True, exist_ok=True)
    name = notebook.stem
    for stale in (out, partial, record_path):
        stale.unlink(missing_ok=True)
    with gpus.slot(name, log=_log) as gpu:
        _log(f"{name}: start" + (f" on GPU {gpu}" if gpu is not None else ""))
        when, start = datetime.now(UTC), time.monotonic()
        environment = KERNEL_ENVIRONMENT | {"CTNET_TABLES": str(out.parent / "csv")}  # the page links them there
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = str(gpu)
        with _environment(environment):
            error = _execute(notebook, partial, params, timeout)
        record = {
            "notebook": name,
            "params": params,
            "ok": error is None,
            "error": error,
            "seconds": round(time.monotonic() - start, 1),
            "when": when.isoformat(timespec="seconds"),
            "device": gpus.device_name(gpu),
            "versions": _versions(),
            "commit": commit(),
        }
    if error is None:
        from ctnet.book.render import render

        record["stderr"] = render(partial)
        partial.replace(out)
    with paths.atomic(record_path) as part:
        part.write_text(json.dumps(record, indent=1) + "\n")
    if error is not None:
        _log(f"{name}: failed after {record['seconds']} s")
        raise NotebookError(f"{name} failed in {error['where']}: {error['message']}; kept: {partial}", record)
    _log(f"{name}: ok, {record['seconds']} s")
    return record


def parameter_names(notebook: Path) -> list[str]:
    """List the variables that the cell tagged `parameters` sets, in its order.

    Args:
        notebook: The notebook file.

    Raises:
        ConfigError: The file is missing or cannot be read.
    """
    import nbformat

    if not notebook.is_file():
        raise ConfigError(f"notebook {notebook} does not exist")
    try:
        cells = nbformat.read(notebook, as_version=4).cells
        sources = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
        statements = [line for source in sources for line in ast.parse(source).body]
    except Exception as e:  # nbformat, json and ast each have their own errors for a damaged file
        raise ConfigError(f"{notebook} is not a notebook that can be read: {_one_line(e)}") from e
    assigned = [
        line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)] for line in statements
    ]
    return [target.id for targets in assigned for target in targets if isinstance(target, ast.Name)]


def _check_params(notebook: Path, params: dict[str, Any]) -> None:
    """Reject unknown parameters: papermill would only log the name and run with the defaults."""
    known = parameter_names(notebook)
    for key in params:
        if key not in known:
            raise unknown(f"parameter of {notebook.name}", key, known)


def _execute(notebook: Path, partial: Path, params: dict[str, Any], timeout: int | None) -> dict[str, Any] | None:
    """Run all cells into `partial`; returns None, or the error as {where, message, traceback}."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        papermill.execute_notebook(
            str(notebook),
            str(partial),
            params,
            kernel_name="python3",  # the kernel of this environment, whatever the file says
            language="python",
            progress_bar=False,
            cwd=str(notebook.parent),  # as in JupyterLab
            execution_timeout=timeout,
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # no warning about local TCP in every run
        )
    except papermill.PapermillExecutionError as e:
        traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(e.traceback))
        return {"where": f"In [{e.exec_count}]", "message": f"{e.ename}: {e.evalue}", "traceback": traceback}
    except DeadKernelError:
        message = "the kernel died (out of memory, a crash, or ended from outside)"
        return {"where": _last_cell(partial), "message": message, "traceback": ""}
    except CellTimeoutError:
        message = f"no result within {timeout} s; give a longer --timeout"
        return {"where": _last_cell(partial), "message": message, "traceback": ""}
    return None


def _last_cell(partial: Path) -> str:
    """Return the last cell that started, from papermill's metadata in the saved copy; it does not mark failures."""
    import nbformat

    cells = nbformat.read(partial, as_version=4).cells if partial.exists() else []
    code = [cell for cell in cells if cell.cell_type == "code"]
    begun = [n for n, cell in enumerate(code, start=1) if cell.metadata.get("papermill", {}).get("start_time")]
    return f"In [{begun[-1]}]" if begun else "the start of the kernel"


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {p: v for p in PACKAGES if (v := installed(p))}


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the time of the block."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _one_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _log(line: str) -> None:
    print(f"[{datetime.now():%H:%M:%S}] {line}", file=sys.stderr, flush=True)
