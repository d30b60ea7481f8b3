"""SIGKILL at random moments of drawing a data set, of preparing one of videos, and of training; each is resumed by the
same command.

`python -m tests.soak.kills draw|prepare|train` is what is killed: the command line's `data prepare` of MotionPairs and
of folders of videos, and an experiment. Half of the kills come at a moment drawn over the time that an unbroken run
takes, the import of its libraries included; the other half before a drawn one of its file operations, since what leaves
a file half done is over too soon for a clock to find it. A kill takes the process alone or its whole group.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import psutil

from ctnet import paths
from ctnet.cli.main import main as cli
from ctnet.data import prepare
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.run import run
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe

SCALE = "soak"
SIZE = {SCALE: prepare.DrawnSize(size=32, frames=8, train=1, test=1)}
EXPERIMENT = Experiment(
    "tsn_resnet50",
    recipe=Recipe(epochs=4, batch_size=11, lr=0.1, warmup=1, scales=(1.0, 0.875)),
    protocol=Protocol(4, size=32),
    scale=SCALE,
    overrides=(("width", 16), ("depths", (1, 1, 1))),
)
PATIENCE = 60  # seconds beyond ten times the usual after which a run counts as hung, and a process as an orphan
OPERATION = "CTNET_SOAK_OPERATION"  # the file operation before which a run kills itself
VIDEOS = "CTNET_SOAK_VIDEOS"  # the folder of those that are prepared
ENOUGH = 5  # failures of a task after which it is not tried further
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def draw() -> int:
    return cli(f"data prepare motionpairs --scale {SCALE} --workers 2".split())


def prepare() -> int:
    return cli(["data", "prepare", "videos", "--source", os.environ[VIDEOS], "--workers", "2"])


def train() -> int:
    run(EXPERIMENT, workers=1, progress=False)
    return 0


TASKS = {"draw": draw, "prepare": prepare, "train": train}


def main(task: str) -> int:
    """Runs a task, ends it by SIGKILL before the file operation asked for, and prints how many there were."""
    place, last, done, own = str(paths.runs_root().parent), int(os.environ.get(OPERATION, 0)), 0, os.getpid()

    def watch(event: str, arguments: tuple) -> None:
        nonlocal done
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and str(arguments[0]).startswith(place) and os.getpid() == own:
            done += 1
            if done == last:
                os.kill(own, signal.SIGKILL)

    sys.addaudithook(watch)
    with patch.dict(prepare.DRAWN_SIZES, SIZE):
        status = TASKS[task]()
    if not status:
        print(done)
    return status


def kills(count: int, minutes: float, seed: int) -> dict:
    """The same number of kills for each task, all at once; fewer where the time is over."""
    until = time.monotonic() + 60 * minutes
    with TemporaryDirectory() as folder, ThreadPoolExecutor(len(TASKS)) as pool:
        with patch.dict(prepare.DRAWN_SIZES, SIZE):
            prepare.prepare("motionpairs", SCALE, Path(folder, "data"), workers=2)
        chains = [Chain(Path(folder), task, random.Random(f"{seed} {task}")) for task in TASKS]
        try:
            found = list(pool.map(lambda chain: chain.run(-(-count // len(TASKS)), until), chains))
        except BaseException:  # Ctrl-C
            for chain in chains:
                chain.stop()
            raise
    made = sum(each["kills"] for each in found)
    return {"kills": made, **dict(zip(TASKS, found, strict=True)), "failures": sum((f["failures"] for f in found), [])}


class Chain:
    """One task, killed and resumed until it is through, then again from the start."""

    def __init__(self, folder: Path, task: str, draw: random.Random):
        self.place, self.log, self.task, self.draw = folder / task, folder / f"{task}.log", task, draw
        self.drawn = folder / "data"
        self.data = self.drawn if task == "train" else self.place / "sets"
        self.sessions: list[int] = []
        self.failures: list[str] = []
        self.stopped = False

    def run(self, count: int, until: float) -> dict:
        start = time.monotonic()
        self.attempt(10 * PATIENCE)
        seconds = time.monotonic() - start
        operations = 0 if self.failures else int(self.log.read_text().split()[-1])
        unbroken, runs, landed, when = content(self.place), 0, Counter(), Counter()
        shutil.rmtree(self.place, ignore_errors=True)
        last = not operations
        while not last and not self.stopped and len(self.failures) < ENOUGH:
            last = landed.total() >= count or time.monotonic() > until  # to the end, and not killed
            how, moment = self.moment(seconds, operations) if not last else ("", {})
            before = len(self.failures)
            if self.attempt(10 * seconds + PATIENCE, **moment) and not last:
                landed[stage(self.place)] += 1
                when[how] += 1
                continue
            if len(self.failures) == before:
                self.failures += differences(unbroken, content(self.place))
                runs += 1
            shutil.rmtree(self.place, ignore_errors=True)
        self.failures += self.orphans()
        return {
            "kills": landed.total(),
            "runs_completed": runs,
            "seconds": round(seconds, 1),
            "landed": dict(landed),
            "when": dict(when),
            "failures": [f"{self.task}: {line}" for line in self.failures],
        }

    def moment(self, seconds: float, operations: int) -> tuple[str, dict]:
        if self.draw.random() < 0.5:
            return "by the clock", {"after": self.draw.uniform(0, 1.05 * seconds)}
        return "at a file operation", {"operation": self.draw.randint(1, operations)}

    def stop(self) -> None:
        self.stopped = True
        for process in alive(self.sessions):
            process.kill()

    def attempt(self, patience: float, after: float | None = None, operation: int = 0) -> bool:
        """Runs the command; whether it was killed. What else ends it is a failure."""
        own = {"CTNET_DATA": self.data, "CTNET_RUNS": self.place / "runs", "CTNET_RESULTS": self.place / "results"}
        own |= {"PYTHONPATH": paths.ROOT, "OMP_NUM_THREADS": 1, "TQDM_DISABLE": 1, OPERATION: operation}
        own[VIDEOS] = self.drawn / f"motionpairs-{SCALE}" / "videos"
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.kills", self.task],
                env=os.environ | {name: str(value) for name, value in own.items()},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.sessions.append(process.pid)
        try:
            process.wait(patience if after is None else after)
        except subprocess.TimeoutExpired:
            if after is None:
                self.failures.append(f"hung: not done after {patience:.0f} s")
            if after is None or self.draw.random() < 0.5:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            told = self.log.read_text().strip().splitlines() or [""]
            self.failures.append(f"ended with {process.returncode} after {len(self.sessions) - 1} runs: {told[-1]}")
        return process.returncode == -signal.SIGKILL

    def orphans(self) -> list[str]:
        """What is left of the sessions that ended, after time to end by itself; it is ended here."""
        until = time.monotonic() + PATIENCE
        while (left := alive(self.sessions)) and time.monotonic() < until:
            time.sleep(0.2)
        lines = [f"an orphan: {' '.join(process.cmdline())[:200]}" for process in left]
        for process in left:
            process.kill()
        return lines


def alive(sessions: list[int]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def stage(place: Path) -> str:
    """How far a task had come."""
    for what, pattern in (
        ("recorded", "results/*/[!.]*.json"),
        ("trained", "runs/*/*/weights.safetensors"),
        ("after a checkpoint", "runs/*/*/last.ckpt"),
        ("the set is whole", "sets/[!.]*/dataset.json"),
        ("some videos drawn", "sets/.*/videos/*/*/*.avi"),
        ("some videos counted", "sets/.videos.scan"),
    ):
        if any(place.glob(pattern)):
            return what
    return "before anything was kept"


def content(place: Path) -> dict[str, object]:
    """What a run left, file by file; of logs that are named after the time and the process, nothing."""
    return {
        str(path.relative_to(place)): values(path)
        for path in sorted(place.rglob("*"))
        if path.is_file() and "tfevents" not in path.name
    }


def values(path: Path) -> object:
    """A record without its times, an archive by its arrays, any other file by its bytes."""
    if path.parent.parent.name == "results" and path.suffix == ".json":
        record = json.loads(path.read_text())
        training = {"epochs": record["training"]["epochs"]}
        return {k: v for k, v in record.items() if k != "provenance"} | {"training": training}
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            tensors = {key: sha256(file.get_tensor(key).tobytes()).hexdigest() for key in file.keys()}
            return tensors | file.metadata()
    if path.suffix == ".npz":
        import numpy as np

        with np.load(path) as arrays:
            return {key: sha256(arrays[key].tobytes()).hexdigest() for key in arrays.files}
    return sha256(path.read_bytes()).hexdigest()


def differences(unbroken: dict[str, object], resumed: dict[str, object]) -> list[str]:
    """One line for each file that is lost, left over or not the same as after a run that was never killed."""
    lines = [f"lost: {name}" for name in unbroken.keys() - resumed.keys()]
    lines += [f"left over: {name}" for name in resumed.keys() - unbroken.keys()]
    return sorted(lines + [f"not the same: {n}" for n in unbroken.keys() & resumed.keys() if unbroken[n] != resumed[n]])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
