"""Several processes on one job: torchrun starts them, rank 0 decides and writes, the other ranks receive its answer."""

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from ctnet.errors import CtnetError

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
E = TypeVar("E", bound=CtnetError)
PARENT = "CTNET_PARENT"  # environment variable: the pid of the process that starts this one
_messages = None  # a gloo group for Python objects; its timeout is long, as rank 0 may wait for a file lock


def started() -> bool:
    """Return whether torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def join() -> None:
    """Join the process group of this job, with NCCL on GPUs and gloo on CPUs.

    Does nothing in a single process, or if this process has joined already.
    """
    global _messages
    if not started() or _messages:
        return
    import torch
    from torch import distributed

    end_with_parent()  # a rank would outlive a torchrun that is killed with -9
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    _messages = distributed.new_group(backend="gloo", timeout=timedelta(days=30))


def leave() -> None:
    """Leave the process group at the end of a job that succeeded."""
    global _messages
    if _messages:
        from torch import distributed

        distributed.destroy_process_group()
        _messages = None


def world_size() -> int:
    """Return the number of ranks of this job, 1 for a single process."""
    return int(os.environ["WORLD_SIZE"]) if _messages else 1


def rank() -> int:
    """Return the rank of this process, 0 for a single process."""
    return int(os.environ["RANK"]) if _messages else 0


def local_world_size() -> int:
    """Return the number of ranks on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if started() else 1


def from_rank_0(ask: Callable[[], T]) -> T:
    """Call a function on rank 0 and return its result on every rank.

    Args:
        ask: Called on rank 0 only; its result must be picklable.

    Returns:
        What `ask` returned on rank 0.

    Raises:
        CtnetError: On every rank, if `ask` raised it on rank 0; `console.tell` prints it once.
    """
    if world_size() == 1:
        return ask()
    from torch import distributed

    answer: list = [None, None]
    if rank() == 0:
        try:
            answer[0] = ask()
        except CtnetError as error:
            answer[1] = on_all_ranks(error)
    distributed.broadcast_object_list(answer, 0, group=_messages)
    if answer[1]:
        raise answer[1]
    return answer[0]


def on_all_ranks(error: E) -> E:
    """Mark an error that every rank raises at the same point, so that `console.tell` prints it once."""
    error.on_all_ranks = True
    return error


def all_gather(mine: T) -> list[T]:
    """Return the values of all ranks, in the order of ranks, on every rank.

    Args:
        mine: The value of this rank; it must be picklable.
    """
    if world_size() == 1:
        return [mine]
    from torch import distributed

    values: list = [None] * world_size()
    distributed.all_gather_object(values, mine, group=_messages)
    return values


def all_sum(*mine: int) -> list[int]:
    """Return the sum over all ranks of each of the given numbers."""
    if world_size() == 1:
        return list(mine)
    import torch
    from torch import distributed

    sums = torch.tensor(mine)
    distributed.all_reduce(sums, group=_messages)
    return sums.tolist()


def share_state(module: "nn.Module") -> None:
    """Copy rank 0's parameters and buffers to all ranks, whose batch statistics differ.

    Args:
        module: A module on the CPU, of the same shapes on every rank; changed in place.
    """
    if world_size() > 1:
        from torch import distributed

        for value in module.state_dict().values():
            distributed.broadcast(value, 0, group=_messages)


def end_with_parent(poll: float = 1.0, grace: float = 60.0) -> None:
    """End this process when its parent is gone, for instance killed with -9.

    A daemon thread watches the parent's pid. A parent that wants to be watched from its first moment on puts its pid
    into the environment variable CTNET_PARENT of the child: it may be gone before the child calls this function.

    Args:
        poll: Seconds between two looks.
        grace: Seconds from SIGTERM, which lets this process end its own children, to SIGKILL.
    """
    parent = int(os.environ.pop(PARENT, os.getppid()))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
