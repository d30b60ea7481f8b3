"""Run a module in several processes, which report lines on one pipe.

These are separate processes, not forks: they do not import torch, the caller's script needs no `__main__` guard, and
they end by themselves, on a broken pipe, when the caller is killed.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from ctnet import paths

_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB")}


def run(module: str, arguments: Sequence[str], count: int, each: Callable[[str], None]) -> list[int]:
    """Run `python -m MODULE ARGUMENTS K COUNT` for K from 0 to COUNT - 1, all at once.

    Args:
        module: Name of the module.
        arguments: Arguments before K and COUNT.
        count: Number of processes.
        each: Called with every line that a process reports, in the order of the pipe. If it raises, all processes are
            terminated.

    Returns:
        The exit codes.
    """
    places = os.pathsep.join(filter(None, (str(paths.ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": places}
    command = [sys.executable, "-m", module, *arguments]
    read, write = os.pipe()
    workers = [subprocess.Popen([*command, str(k), str(count)], stdout=write, env=environment) for k in range(count)]
    os.close(write)
    try:
        with os.fdopen(read, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                each(line)
    except BaseException:
        for worker in workers:
            worker.terminate()
        raise
    finally:
        codes = [worker.wait() for worker in workers]
    return codes


def report(line: str) -> None:
    """Write one line to the shared pipe at once, cut to 2000 bytes so that lines of two processes never mix."""
    os.write(1, line.replace("\n", " ").encode(errors="surrogateescape")[:2000] + b"\n")
