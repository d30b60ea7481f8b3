"""The tasks that `kills` interrupts, as a program: `python -m tests.soak.kill_tasks draw|prepare|train`.

The program counts the file operations below the task's own folder. It can kill itself right before a given one.
"""

import os
import signal
import sys
from unittest.mock import patch

from ctnet import paths
from ctnet.cli.main import main as ctnet_main
from ctnet.data.prepare import DRAWN_SIZES, DrawnSize
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.runner import run
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe

SCALE = "soak"
EXPERIMENT = Experiment(
    "tsn_resnet50",
    recipe=Recipe(epochs=4, batch_size=11, lr=0.1, warmup=1, scales=(1.0, 0.875)),
    protocol=Protocol(4, size=32),
    scale=SCALE,
    overrides=(("width", 16), ("depths", (1, 1, 1))),
)
OPERATION = "CTNET_SOAK_OPERATION"  # variable: number of the file operation before which the program kills itself
VIDEOS = "CTNET_SOAK_VIDEOS"  # variable: class folders of videos, from which "prepare" makes a set
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}  # audit events that change files, beside "open"


def known_scale():
    """Make `SCALE` known as a scale of MotionPairs: one training and one test clip per class."""
    return patch.dict(DRAWN_SIZES, {SCALE: DrawnSize(size=32, frames=8, train=1, test=1)})


def draw() -> int:
    """Draw MotionPairs with the command line; returns the exit code."""
    return ctnet_main(f"data prepare motionpairs --scale {SCALE} --workers 2".split())


def prepare() -> int:
    """Prepare a set from class folders of videos with the command line; returns the exit code."""
    return ctnet_main(["data", "prepare", "videos", "--source", os.environ[VIDEOS], "--workers", "2"])


def train() -> int:
    """Run an experiment: train, evaluate, record."""
    run(EXPERIMENT, workers=1, progress=False)
    return 0


TASKS = {"draw": draw, "prepare": prepare, "train": train}


def main(task: str) -> int:
    """Run a task and print the number of its file operations; die by SIGKILL before operation number `OPERATION`.

    Args:
        task: A name of `TASKS`.

    Returns:
        The exit code of the task.
    """
    place, last, done, own = str(paths.runs_root().parent), int(os.environ.get(OPERATION, 0)), 0, os.getpid()

    def watch(event: str, arguments: tuple) -> None:
        nonlocal done
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and str(arguments[0]).startswith(place) and os.getpid() == own:
            done += 1
            if done == last:
                os.kill(own, signal.SIGKILL)

    sys.addaudithook(watch)
    with known_scale():
        status = TASKS[task]()
    if not status:
        print(done)
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
