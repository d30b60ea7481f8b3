"""One job of several processes: torchrun starts them, rank 0 decides and writes, the others hear of it."""

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from ctnet.errors import CtnetError

T = TypeVar("T")
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

    from ctnet.distributed import end_with_parent

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


def end_with_parent(poll: float = 1.0) -> None:
    """End this process, and with it the kernel, when the process that started it is gone (killed -9, say)."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
