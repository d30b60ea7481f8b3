"""TODO."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from ctnet.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from ctnet.console import ERROR, NOTE, tell


def launch(words: Sequence[str], devices: int, nodes: int = 1, rendezvous: str | None = None) -> None:
    """`python -m WORDS` in `devices` processes on each of `nodes` machines, through torchrun; prints what they print,
    where they print it.

    On several machines each calls this; rendezvous: `HOST:PORT` of one of them, the same on all. ConfigError for
    numbers that do not fit, TrainingError with the first error of any process, which ends all of them.
    """
    import torch

    gpus = torch.cuda.device_count()
    if devices < 1 or nodes < 1:
        raise ConfigError(f"devices and nodes must be at least 1, not {devices} and {nodes}")
    if gpus and devices > gpus:
        raise ConfigError(f"{nodes} x {devices} processes: each needs a GPU of its own, and {gpus} are visible here")
    if nodes > 1 and not rendezvous:
        raise ConfigError(f"{nodes} machines find each other at one of them: --rendezvous HOST:PORT, the same on all")
    meet = ["--nnodes", str(nodes), "--rdzv-backend", "c10d", "--rdzv-endpoint", rendezvous]
    command = [sys.executable, "-u", "-m", "ctnet.training.launch", *(meet if nodes > 1 else ["--standalone"])]
    command += ["--nproc-per-node", str(devices), "-m", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, start_new_session=True) as job, ThreadPoolExecutor(1) as pool:
        given_up = threading.Event()
        try:
            told = pool.submit(follow, job.stderr, given_up)
            told.add_done_callback(lambda done: done.exception() and job.terminate())
            pass_on(job.stdout)
            errors = told.result()
        except BaseException:  # Ctrl-C, or nobody reads on
            given_up.set()
            job.terminate()
            raise
    if job.returncode:
        raise TrainingError(errors[0] if errors else f"torchrun ended with exit status {job.returncode}")
    for line in errors:  # the job went well: they were none
        tell(line)


def lines_of(output: IO[bytes]) -> Iterator[str]:
    """Lines as they come, those of progress bars too: \\r ends a line and is kept."""
    yield from io.TextIOWrapper(output, encoding="utf-8", errors="replace", newline="")


def pass_on(output: IO[bytes]) -> None:
    """Prints the lines of a job's standard output."""
    for line in lines_of(output):
        sys.stdout.write(line)
        sys.stdout.flush()


def follow(output: IO[bytes], given_up: threading.Event | None = None) -> list[str]:
    """Prints the lines of a job's standard error there; returns, and does not print, those that tell an error.

    given_up: set when the job was ended on purpose: then nobody wants its last words.
    """
    errors = []
    for line in lines_of(output):
        before, mark, error = line.partition(ERROR)
        if mark and not error.startswith(NOTE):
            errors.append(error.strip())
            line = before
        if not (given_up and given_up.is_set()):
            sys.stderr.write(line)
            sys.stderr.flush()
    return errors


def first_failure(failed: "ChildFailedError") -> tuple[int, "ProcessFailure"]:
    """(rank, failure) of the process that failed by itself: torchrun ends the others by SIGTERM.

    Exit codes of signals are negative.
    """

    def others_last(item):
        return item[1].exitcode == -signal.SIGTERM, item[1].exitcode, item[1].timestamp

    return min(failed.failures.items(), key=others_last)


def main(words: list[str]) -> int:
    """torchrun that says in one line how the first process failed, and ends with the process that started it."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    from ctnet.distributed import end_with_parent

    end_with_parent()
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does, which says so among what the command prints
    try:
        run.main(words)
    except ChildFailedError as failed:
        number, failure = first_failure(failed)
        how = failure.signal_name() if failure.exitcode < 0 else f"exit status {failure.exitcode}"
        tell(f"process {number} ended with {how}, and so the job; give the same command again")
        return 1
    except SignalException:
        return 143
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
