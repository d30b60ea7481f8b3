"""Runs code that is killed at a counted step of its progress bar, so that the moment is the same every time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from ctnet import paths

COUNTS = """
import os, signal, sys, tqdm

def update(self, n=1, updates=[], real=tqdm.tqdm.update):
    updates.append(n)
    if len(updates) == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, n)

tqdm.tqdm.update = update
"""


def killed(step: int, code: str, *arguments: Path, site: Path | None = None) -> None:
    """Run Python code until its progress bar has moved `step` times, then kill it; wait for the processes it started.

    Args:
        step: number of the update of the bar at which the code is killed.
        code: Python code.
        arguments: its `sys.argv[1:]`.
        site: a folder whose `sitecustomize.py` each Python process runs first.
    """
    places = os.pathsep.join(map(str, filter(None, (paths.ROOT, site))))
    done = subprocess.run(
        [sys.executable, "-c", COUNTS.format(step=step) + code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": places},
        stderr=subprocess.PIPE,  # the pipe closes when the last process that holds it has ended
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
