"""One job of several processes: torchrun starts them, rank 0 decides and writes, the others hear of it."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import IO, TYPE_CHECKING, TypeVar

from ctnet.errors import ConfigError, CtnetError, TrainingError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

T = TypeVar("T")
ERROR = "ctnet: "  # how the command line marks an error
NOTE = "note: "  # and, behind that, what is none
messages = None  # the group that Python objects travel in: on the CPU, and patient with a rank 0 that waits for a lock


def started() -> bool:
    """Whether torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def join() -> None:
    """Joins the processes of this job; nothing where it is the only one, or when it has joined."""
    global messages
    if not started() or messages:
        return
    import torch
    from torch import distributed

    from ctnet.runner import end_with_parent

    end_with_parent()  # torchrun killed with -9 would leave us behind
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    messages = distributed.new_group(backend="gloo", timeout=timedelta(days=30))


def leave() -> None:
    """The end of a job that went well."""
    global messages
    if messages:
        from torch import distributed

        distributed.destroy_process_group()
        messages = None


def world_size() -> int:
    """How many processes work on this job."""
    return int(os.environ["WORLD_SIZE"]) if messages else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return int(os.environ["RANK"]) if messages else 0


def local_world_size() -> int:
    """How many of them are on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if started() else 1


def from_rank_0(ask: Callable[[], T]) -> T:
    """What rank 0 gets when it asks, in every process; where that is an error, the error."""
    if world_size() == 1:
        return ask()
    from torch import distributed

    told: list = [None, None]
    if rank() == 0:
        try:
            told[0] = ask()
        except CtnetError as error:
            told[1] = error
    distributed.broadcast_object_list(told, 0, group=messages)
    if told[1]:
        raise told[1]
    return told[0]


def all_gather(mine: T) -> list[T]:
    """What each process has, in the order of ranks, in every process."""
    if world_size() == 1:
        return [mine]
    from torch import distributed

    all_of_them: list = [None] * world_size()
    distributed.all_gather_object(all_of_them, mine, group=messages)
    return all_of_them


def all_sum(*mine: int) -> list[int]:
    """Sums over the processes."""
    if world_size() == 1:
        return list(mine)
    import torch
    from torch import distributed

    sums = torch.tensor(mine)
    distributed.all_reduce(sums, group=messages)
    return sums.tolist()


def share_state(module) -> None:
    """Rank 0's parameters and buffers (on the CPU), for all: batch statistics differ from process to process."""
    if world_size() > 1:
        from torch import distributed

        for value in module.state_dict().values():
            distributed.broadcast(value, 0, group=messages)


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
    command = [sys.executable, "-u", "-m", __name__, *(meet if nodes > 1 else ["--standalone"])]
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


def tell(error: object) -> None:
    """An error's line on standard error, in one piece: processes of a job write to the same place."""
    sys.stderr.write(f"{ERROR}{error}\n")


def note(text: object) -> None:
    """A line on standard error of what a user should know and is no error; in a job rank 0 says it."""
    if rank() == 0:
        tell(f"{NOTE}{text}")


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

    from ctnet.runner import end_with_parent

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
