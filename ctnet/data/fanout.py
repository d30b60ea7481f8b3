"""Work shared out among programs of this package, which report line by line on one pipe.

Separate programs, not forks: they need no torch, no guard in the caller's script, and end by themselves (a broken
pipe) when the caller is killed.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from ctnet import paths

SINGLE = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB")}


def run(module: str, arguments: Sequence[str], count: int, each: Callable[[str], None]) -> list[int]:
    """Runs `python -m MODULE ARGUMENTS K COUNT` for K from 0 to COUNT - 1; returns their exit codes.

    `each` gets every line that they report, in the order of the pipe; what it raises ends them all.
    """
    places = os.pathsep.join(filter(None, (str(paths.ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, **SINGLE, "PYTHONPATH": places}
    command = [sys.executable, "-m", module, *arguments]
    read, write = os.pipe()
    programs = [subprocess.Popen([*command, str(k), str(count)], stdout=write, env=environment) for k in range(count)]
    os.close(write)
    try:
        with os.fdopen(read, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                each(line)
    except BaseException:
        for program in programs:
            program.terminate()
        raise
    finally:
        codes = [program.wait() for program in programs]
    return codes


def report(line: str) -> None:
    """One whole line on the shared pipe, at once: short enough that lines of two programs never mix."""
    os.write(1, line.replace("\n", " ").encode(errors="surrogateescape")[:2000] + b"\n")
