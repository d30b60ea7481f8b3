"""Read damaged files until the time is over, each batch of cases in a process of its own.

A failure is any result that `targets` does not allow, a crash of the process, too much memory, or a file that takes
more than SECONDS. It is reported with the seed that repeats it.
"""

import multiprocessing
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import psutil
import torch

from tests.soak.targets import Target, make_targets

EXAMPLES = 100  # cases of one seed, in one process
SECONDS = 60  # limit for one file, far above what any takes
MEMORY = 4 * 2**30  # bytes that reading one file of some kilobytes may take
ENOUGH = 3  # failures of a kind after which it is not tried further


def run_fuzz(minutes: float, seed: int) -> dict:
    """Read damaged files of every kind in turns until the time is over.

    Args:
        minutes: Time limit.
        seed: The first seed; it grows by one after each round over all kinds.

    Returns:
        The section "fuzz" of the record: number of cases, in all and by kind, and the failures.
    """
    until, cases, failures, failed = time.monotonic() + 60 * minutes, Counter(), [], Counter()
    with TemporaryDirectory() as folder:
        targets = make_targets(Path(folder))
        last = Path(folder, "last")
        while targets and time.monotonic() < until:
            for kind, target in list(targets.items()):
                ran, wrong = find_failure_apart(target, seed, EXAMPLES, last)
                cases[kind] += ran
                if wrong:
                    failures.append(f"{kind}, seed {seed}: {wrong}")
                    failed[kind] += 1
                if failed[kind] == ENOUGH:
                    del targets[kind]
                if time.monotonic() > until:
                    break
            seed += 1
    return {"cases": cases.total(), "kinds": dict(cases), "failures": failures}


def find_failure(
    target: Target, seed: int, examples: int, before: Callable[[object], None] = lambda _: None
) -> str | None:
    """Check cases of a target until one fails.

    Args:
        target: What is damaged.
        seed: Seed that determines the cases.
        examples: Number of cases.
        before: Called with each case before it is checked.

    Returns:
        The first line of the first failure, or None.
    """

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(target.cases())
    def check(case):
        before(case)
        target.check(case)

    try:
        check()
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return None


def find_failure_apart(target: Target, seed: int, examples: int, last: Path) -> tuple[int, str | None]:
    """Run `find_failure` in a process of its own, which dies if it crashes, hangs or takes too much memory.

    Args:
        target: What is damaged; its files are restored afterwards.
        seed: Seed that determines the cases.
        examples: Number of cases.
        last: A file in which the process notes its current case.

    Returns:
        Number of cases that were started, and the failure or None.
    """
    fork = multiprocessing.get_context("fork")
    ran, (receive, send) = fork.Value("i", 0), fork.Pipe(duplex=False)

    def before(case) -> None:
        last.write_text(f"{case[0].name} {case[1][:300]}")
        ran.value += 1
        signal.alarm(SECONDS)

    def work() -> None:
        torch.set_num_threads(1)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        limit = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        send.send(find_failure(target, seed, examples, before))

    whole = {path: path.read_bytes() for path in target.files}
    process = fork.Process(target=work)
    process.start()
    process.join()
    for path, data in whole.items():  # a killed process leaves its last case
        path.write_bytes(data)
    if process.exitcode == 0:
        return ran.value, receive.recv()
    name = signal.Signals(-process.exitcode).name if process.exitcode < 0 else f"status {process.exitcode}"
    why = f"more than {SECONDS} s" if name == "SIGALRM" else f"the process ended with {name}"
    return ran.value, f"{why}: {last.read_text()}"
