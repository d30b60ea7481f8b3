"""Runs one notebook: `python -m ctnet.book.notebook NOTEBOOK OUT --params '{"scale": "smoke"}'`.

The executed copy appears at OUT only when every cell ran; until then, and after a failure, it is OUT's
`.partial.ipynb`. Beside it stands a record (`.json`): parameters, seconds, device, versions, commit, error.
Snakemake, the tests and a GPU box without Snakemake all call this module.
"""

import argparse
import ast
import json
import os
import platform
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ctnet import paths
from ctnet.book import gpus
from ctnet.distributed import end_with_parent
from ctnet.errors import ConfigError, CtnetError, unknown
from ctnet.experiments.provenance import commit, installed

PACKAGES = ("torch", "torchvision", "lightning", "numpy", "pandas", "matplotlib", "papermill")
# Progress bars are noise on a page; CTNET_BOOK tells plots that they will be seen in the built book.
KERNEL_ENVIRONMENT = {"TQDM_DISABLE": "1", "CTNET_BOOK": "1"}


class NotebookError(CtnetError):
    """A notebook that did not run to its end; `record` says what ran and where it stopped."""

    def __init__(self, message: str, record: dict[str, Any]):
        super().__init__(message)
        self.record = record


def partial_path(out: Path) -> Path:
    """Where the executed copy is while it runs, and where it stays after a failure."""
    return out.with_suffix(".partial.ipynb")


def run(
    notebook: str | Path, out: str | Path, params: dict[str, Any] | None = None, timeout: int | None = None
) -> dict[str, Any]:
    """Execute `notebook` with `params` in its own folder, write `out` and its record, return the record.

    `timeout`: seconds allowed for one cell. Raises ConfigError before anything runs when the notebook is
    missing or has no such parameter, NotebookError (which carries the record) when a cell fails or the kernel dies.
    """
    notebook, out, params = Path(notebook).absolute(), Path(out).absolute(), dict(params or {})
    check_params(notebook, params)
    partial, record_path = partial_path(out), out.with_suffix(".json")
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
    _write_json(record_path, record)
    if error is not None:
        _log(f"{name}: failed after {record['seconds']} s")
        raise NotebookError(f"{name} failed in {error['where']}: {error['message']}; kept: {partial}", record)
    _log(f"{name}: ok, {record['seconds']} s")
    return record


def check_params(notebook: Path, params: dict[str, Any]) -> None:
    """Raise ConfigError for a missing notebook, or a parameter that its parameters cell does not set.

    Papermill would only log the unknown name and go on with the default.
    """
    known = parameter_names(notebook)
    for key in params:
        if key not in known:
            raise unknown(f"parameter of {notebook.name}", key, known)


def parameter_names(notebook: Path) -> list[str]:
    """Names that the cell tagged `parameters` sets, in its order."""
    import nbformat

    if not notebook.is_file():
        raise ConfigError(f"notebook {notebook} does not exist")
    try:
        cells = nbformat.read(notebook, as_version=4).cells
        sources = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
        statements = [line for source in sources for line in ast.parse(source).body]
    except Exception as e:  # a damaged file: nbformat, json and ast each have their own errors for it
        raise ConfigError(f"{notebook} is not a notebook that can be read: {_one_line(e)}") from e
    assigned = [
        line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)] for line in statements
    ]
    return [target.id for targets in assigned for target in targets if isinstance(target, ast.Name)]


def _execute(notebook: Path, partial: Path, params: dict[str, Any], timeout: int | None) -> dict[str, Any] | None:
    """Run all cells into `partial`; None, or what went wrong: {where, message, traceback}."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        papermill.execute_notebook(
            str(notebook),
            str(partial),
            params,
            kernel_name="python3",  # whatever the file says: the kernel of this environment
            language="python",
            progress_bar=False,
            cwd=str(notebook.parent),  # as in JupyterLab
            execution_timeout=timeout,
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # else a warning in every run, about local TCP
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
    """The last cell that was begun, from papermill's marks in the saved copy (none of them says failed)."""
    import nbformat

    cells = nbformat.read(partial, as_version=4).cells if partial.exists() else []
    code = [cell for cell in cells if cell.cell_type == "code"]
    begun = [n for n, cell in enumerate(code, start=1) if cell.metadata.get("papermill", {}).get("start_time")]
    return f"In [{begun[-1]}]" if begun else "the start of the kernel"


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {p: v for p in PACKAGES if (v := installed(p))}


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
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


def _write_json(path: Path, record: dict[str, Any]) -> None:
    with paths.atomic(path) as part:
        part.write_text(json.dumps(record, indent=1) + "\n")


def _one_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _log(line: str) -> None:
    print(f"[{datetime.now():%H:%M:%S}] {line}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 ran, 1 a cell failed, 2 a mistake in the call, 143 or 130 ended by a signal."""
    parser = argparse.ArgumentParser(prog="python -m ctnet.book.notebook", description=__doc__.splitlines()[0])
    parser.add_argument("notebook")
    parser.add_argument("out", help="executed copy, e.g. book/runs/cost.ipynb")
    parser.add_argument("--params", default="{}", help="JSON object of the notebook's parameters")
    parser.add_argument("--missing", action="store_true", help="run experiments that have no record")
    parser.add_argument("--fresh", action="store_true", help="run experiments again, whatever is recorded")
    parser.add_argument("--timeout", type=int, help="seconds allowed for one cell")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the calling process is gone")
    options = parser.parse_args(arguments)
    # An exception lets papermill shut its kernel down; the default action would leave the kernel behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.end_with_parent:
        end_with_parent()
    try:
        params = json.loads(options.params)
        if not isinstance(params, dict):
            raise ConfigError(f"--params must be a JSON object, not {options.params}")
        for name in ("missing", "fresh"):
            if getattr(options, name) and name in parameter_names(Path(options.notebook)):  # others have nothing to run
                params[name] = True
        run(options.notebook, options.out, params, options.timeout)
    except json.JSONDecodeError as e:
        print(f"--params is not JSON ({e}): {options.params}", file=sys.stderr)
        return 2
    except NotebookError as e:
        print(e, file=sys.stderr)
        return 1
    except CtnetError as e:
        print(e, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
