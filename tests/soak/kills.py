"""Kill drawing, preparing and training by SIGKILL, resume each with the same command, and compare what is left.

A kill comes before a random file operation of the run, because files are half written too briefly for a clock to hit
that moment; in a long soak, every second kill comes at a random time instead. A kill ends the process alone or its
whole process group.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from ctnet import paths
from ctnet.data.prepare import prepare
from tests.soak.kill_tasks import OPERATION, SCALE, TASKS, VIDEOS, known_scale

FIRST = 600  # seconds after which the first, unbroken run counts as hung
PATIENCE = 60  # seconds beyond ten times the unbroken run after which a run counts as hung
ORPHAN = 60  # seconds after which a process that its run left behind counts as an orphan
ENOUGH = 5  # failures of a task after which it is not run again


def run_kills(
    count: int, minutes: float, seed: int, tasks: Sequence[str] = tuple(TASKS), by_clock: bool = True
) -> dict:
    """Kill and resume each task equally often; the tasks run at the same time.

    Args:
        count: Number of kills over all tasks, rounded up to a multiple of the number of tasks.
        minutes: Time limit; the kills made by then are reported.
        seed: Seed of the moments of the kills.
        tasks: Names of `TASKS`.
        by_clock: Whether about half of the kills come at a random time, not at a random file operation.

    Returns:
        The section "kills" of the record: the number of kills, the failures, and a part for each task.
    """
    until = time.monotonic() + 60 * minutes
    with TemporaryDirectory() as folder, ThreadPoolExecutor(len(tasks)) as pool:
        draw_set(Path(folder))
        chains = [Chain(Path(folder), task, random.Random(f"{seed} {task}"), by_clock) for task in tasks]
        try:
            parts = list(pool.map(lambda chain: chain.measure_and_run(-(-count // len(tasks)), until), chains))
        except BaseException:  # Ctrl-C
            for chain in chains:
                chain.stop()
            raise
    failures = [line for part in parts for line in part["failures"]]
    return {"kills": sum(part["kills"] for part in parts), **dict(zip(tasks, parts, strict=True)), "failures": failures}


def draw_set(folder: Path) -> None:
    """Draw the set that `prepare` and `train` read."""
    with known_scale():
        prepare("motionpairs", SCALE, folder / "data", workers=2)


class Chain:
    """Runs of one task: each is killed and resumed until it completes, then the next one starts from nothing.

    Args:
        folder: Where the runs keep their files; "prepare" and "train" need `draw_set(folder)` before.
        task: A name of `TASKS`.
        rng: What draws the moments of the kills.
        by_clock: Whether about half of the kills come at a random time.
    """

    def __init__(self, folder: Path, task: str, rng: random.Random, by_clock: bool = True):
        self.place, self.log, self.task = folder / task, folder / f"{task}.log", task
        self.rng, self.by_clock = rng, by_clock
        self.drawn = folder / "data"
        self.data = self.drawn if task == "train" else self.place / "sets"
        self.sessions: list[int] = []  # session ids of all processes that were started
        self.failures: list[str] = []
        self.stopped = False
        self.seconds, self.operations, self.unbroken = 0.0, 0, {}

    def measure_and_run(self, count: int, until: float) -> dict:
        """Do `measure`, then `run`."""
        self.measure()
        return self.run(count, until)

    def measure(self) -> None:
        """Run the task once without a kill: note its time, its number of file operations and what it leaves."""
        start = time.monotonic()
        self.attempt(FIRST)
        self.seconds = time.monotonic() - start
        self.operations = 0 if self.failures else int(self.log.read_text().split()[-1])
        self.unbroken = content(self.place)
        shutil.rmtree(self.place, ignore_errors=True)

    def run(self, count: int, until: float) -> dict:
        """Kill and resume the task, and complete the last run; `measure` comes first.

        Args:
            count: Number of kills.
            until: Value of `time.monotonic()` after which no further kill is made.

        Returns:
            Number of kills, completed runs, seconds of the unbroken run, how many kills landed at which stage, how
            many came by the clock and at a file operation, and the failures.
        """
        runs, landed, when = 0, Counter(), Counter()
        last = not self.operations
        while not last and not self.stopped and len(self.failures) < ENOUGH:
            last = landed.total() >= count or time.monotonic() > until  # the last attempt is not killed
            how, moment = self.choose_moment() if not last else ("", {})
            before = len(self.failures)
            if self.attempt(10 * self.seconds + PATIENCE, **moment) and not last:
                landed[stage(self.place)] += 1
                when[how] += 1
                continue
            if len(self.failures) == before:
                self.failures += differences(self.unbroken, content(self.place))
                runs += 1
            shutil.rmtree(self.place, ignore_errors=True)
        self.failures += self.end_orphans()
        return {
            "kills": landed.total(),
            "runs_completed": runs,
            "seconds": round(self.seconds, 1),
            "landed": dict(landed),
            "when": dict(when),
            "failures": [f"{self.task}: {line}" for line in self.failures],
        }

    def choose_moment(self) -> tuple[str, dict]:
        """Draw when the next run is killed: the words of the record, and the argument of `attempt`."""
        if self.by_clock and self.rng.random() < 0.5:
            return "by the clock", {"after": self.rng.uniform(0, 1.05 * self.seconds)}
        return "at a file operation", {"operation": self.rng.randint(1, self.operations)}

    def stop(self) -> None:
        """Kill what runs now, and start no further run."""
        self.stopped = True
        for process in alive(self.sessions):
            process.kill()

    def attempt(self, patience: float, after: float | None = None, operation: int = 0) -> bool:
        """Run the task once in a process of its own; any end but exit code 0 or SIGKILL is noted as a failure.

        Args:
            patience: Seconds after which the run counts as hung.
            after: Seconds after which it is killed.
            operation: Number of the file operation before which it kills itself; 0 for none.

        Returns:
            Whether it was killed.
        """
        own = {"CTNET_DATA": self.data, "CTNET_RUNS": self.place / "runs", "CTNET_RESULTS": self.place / "results"}
        own |= {"PYTHONPATH": paths.ROOT, "OMP_NUM_THREADS": 1, "TQDM_DISABLE": 1, OPERATION: operation}
        own[VIDEOS] = self.drawn / f"motionpairs-{SCALE}" / "videos"
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.kill_tasks", self.task],
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
            if after is None or self.rng.random() < 0.5:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            lines = self.log.read_text().strip().splitlines() or [""]
            before = len(self.sessions) - 1
            self.failures.append(f"ended with {process.returncode} after {before} runs: {lines[-1]}")
        return process.returncode == -signal.SIGKILL

    def end_orphans(self) -> list[str]:
        """Wait for processes that runs left behind; kill those that stay, and return one line for each."""
        until = time.monotonic() + ORPHAN
        while (left := alive(self.sessions)) and time.monotonic() < until:
            time.sleep(0.2)
        lines = [f"orphan process: {' '.join(process.cmdline())[:200]}" for process in left]
        for process in left:
            process.kill()
        return lines


def alive(sessions: list[int]) -> list[psutil.Process]:
    """Return the running processes of these sessions."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def stage(place: Path) -> str:
    """Return how far a task has come, judged by its files."""
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
    """Return the comparable content of each file below a folder, without logs named after the time and the process."""
    return {
        str(path.relative_to(place)): comparable(path)
        for path in sorted(place.rglob("*"))
        if path.is_file() and "tfevents" not in path.name
    }


def comparable(path: Path) -> object:
    """Return a record or weights without times, the hashes of an archive's arrays, or the hash of any other file."""
    if path.parent.parent.name == "results" and path.suffix == ".json":
        record = json.loads(path.read_text())
        training = {"epochs": record["training"]["epochs"]}
        return {k: v for k, v in record.items() if k != "provenance"} | {"training": training}
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            tensors = {key: sha256(file.get_tensor(key).tobytes()).hexdigest() for key in file.keys()}
            facts = json.loads(file.metadata()["ctnet"])
            facts["course"] = {name: facts["course"][name] for name in ("epochs", "experiment", "content")}
            return tensors | facts  # the course without its times and rates
    if path.suffix == ".npz":
        import numpy as np

        with np.load(path) as arrays:
            return {key: sha256(arrays[key].tobytes()).hexdigest() for key in arrays.files}
    return sha256(path.read_bytes()).hexdigest()


def differences(unbroken: dict[str, object], resumed: dict[str, object]) -> list[str]:
    """Return one line for each file that a resumed run lost, left over or wrote differently.

    Args:
        unbroken: `content` after a run that was never killed.
        resumed: `content` after a run that was killed and resumed.
    """
    lines = [f"lost: {name}" for name in unbroken.keys() - resumed.keys()]
    lines += [f"left over: {name}" for name in resumed.keys() - unbroken.keys()]
    return sorted(lines + [f"not the same: {n}" for n in unbroken.keys() & resumed.keys() if unbroken[n] != resumed[n]])
