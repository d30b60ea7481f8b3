"""Kill code at a given update of its progress bar, which is the same moment every time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from ctnet import paths

COUNT_UPDATES = """
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
        step: Number of the update of the bar at which the code is killed.
        code: Python code.
        *arguments: Its `sys.argv[1:]`.
        site: A folder whose `sitecustomize.py` each Python process runs first.
    """
    places = os.pathsep.join(map(str, filter(None, (paths.ROOT, site))))
    done = subprocess.run(
        [sys.executable, "-c", COUNT_UPDATES.format(step=step) + code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": places},
        stderr=subprocess.PIPE,  # this pipe closes when the last process has ended, so `run` waits for all
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
