"""A call that is killed at a counted step of its progress bar: on a clock that moment would be another every time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from ctnet import paths

COUNTS = """
import os, signal, sys, tqdm

def update(self, n=1, heard=[], real=tqdm.tqdm.update):
    heard.append(n)
    if len(heard) == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, n)

tqdm.tqdm.update = update
"""


def killed(step: int, code: str, *arguments: Path, site: Path | None = None) -> None:
    """Runs Python code with arguments until its bar is moved for the step-th time, and what it started to its end.

    site: a folder whose sitecustomize.py each program runs first.
    """
    places = os.pathsep.join(map(str, filter(None, (paths.ROOT, site))))
    done = subprocess.run(
        [sys.executable, "-c", COUNTS.format(step=step) + code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": places},
        stderr=subprocess.PIPE,  # which the programs that it started have too: it ends with the last of them
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
