"""Commands about notebooks and pages: run, book, bench."""

import argparse
import json
import signal
import sys
from importlib import import_module
from pathlib import Path

from ctnet import console, paths
from ctnet.cli.options import add_command, at_least
from ctnet.errors import ConfigError


def add_commands(commands) -> None:
    """Add the commands of this module to what `add_subparsers` returned."""
    _run_options(add_command(commands, "run", _run, "execute a notebook with parameters"))
    text = "build the book from the executed notebooks and the recorded results"
    _book_options(add_command(commands, "book", _book, text))
    # the other prefix lets the benchmarks' own options pass through
    _bench_options(add_command(commands, "bench", _bench, "measure speed on this machine", prefix_chars="+"))


def _run_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("notebook", type=Path, help="a file of notebooks/")
    add("--out", type=Path, help="the executed copy (default: book/runs/NAME.ipynb)")
    text = 'parameters as a JSON object, such as {"scale": "smoke"} (default: %(default)s)'
    add("--params", default="{}", metavar="JSON", help=text)
    add("--timeout", type=at_least(1), metavar="SECONDS", help="time limit for each cell (default: no limit)")
    text = "run experiments that have no record, if the notebook has any (default: show what is recorded)"
    add("--missing", action="store_true", help=text)
    text = "run all its experiments again, if the notebook has any (default: show what is recorded)"
    add("--fresh", action="store_true", help=text)
    text = "end when the process that started this one has ended (default: run on)"
    add("--end-with-parent", action="store_true", help=text)


def _run(options: argparse.Namespace) -> int:
    """Returns 1 when a cell failed; a mistake in the call ends with 2, SIGTERM with 143, Ctrl-C with 130."""
    from ctnet.book import notebook
    from ctnet.distributed import end_with_parent

    # An exception lets papermill stop its kernel; the default action of SIGTERM would leave the kernel behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.end_with_parent:
        end_with_parent()
    params = _params(options.params)
    for name in ("missing", "fresh"):
        if getattr(options, name) and name in notebook.parameter_names(options.notebook):
            params[name] = True
    out = options.out or paths.ROOT / "book" / "runs" / options.notebook.name
    try:
        notebook.run(options.notebook, out, params, options.timeout)
    except notebook.NotebookError as error:
        console.tell(error)
        return 1
    print(out)
    return 0


def _params(text: str) -> dict:
    """The value of --params."""
    try:
        params = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--params is not JSON ({error}): {text}") from error
    if not isinstance(params, dict):
        raise ConfigError(f'--params must be a JSON object, such as \'{{"scale": "smoke"}}\', not {text}')
    return params


def _book_options(parser: argparse.ArgumentParser) -> None:
    text = "folder of the book's sources (default: %(default)s)"
    parser.add_argument("--book", type=Path, default=paths.ROOT / "book", metavar="DIR", help=text)


def _book(options: argparse.Namespace) -> int:
    """Returns 1 when the build failed or a notebook has no executed copy."""
    from ctnet.book import pages, status

    pages.write_pages(options.book)
    failed = pages.build(options.book)
    if failed:
        print("the book is not complete: see the warnings above", file=sys.stderr)
    else:
        print(f"The book: {(options.book / '_build' / 'html' / 'index.html').resolve().as_uri()}")
    missing = status.problems(options.book)
    for line in missing:
        print(f"not in the book: {line}", file=sys.stderr)
    return 1 if failed or missing else 0


def _bench_options(parser: argparse.ArgumentParser) -> None:
    text = "options of the benchmarks: see `ctnet bench --help`"
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help=text)


def _bench(options: argparse.Namespace) -> int:
    """Runs `benchmarks.bench`, which is in the checkout and not in the package."""
    if not (paths.ROOT / "benchmarks" / "bench.py").is_file():
        raise ConfigError("bench: needs a checkout of the repository, because the package does not hold benchmarks/")
    sys.path.insert(0, str(paths.ROOT))
    return import_module("benchmarks.bench").main(options.rest)
