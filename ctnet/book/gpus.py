"""The GPUs of this machine: how many there are, their name, and one for each running notebook.

All of it comes from nvidia-smi: importing torch would take a second, and memory on the GPU.
"""

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def count() -> int:
    """Return the number of GPUs that the driver lists, 0 without a driver."""
    return sum(line.startswith("GPU ") for line in _nvidia_smi("-L"))


def device_name(gpu: int | None = None) -> str:
    """Name the device that a notebook runs on.

    Args:
        gpu: Index of a GPU; None for the first in CUDA_VISIBLE_DEVICES.

    Returns:
        `NVIDIA H100 80GB HBM3`, or `CPU, 2 cores (x86_64)` where no GPU is visible.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] if gpu is None else str(gpu)
    if visible not in ("", "-1"):
        for name in _nvidia_smi("--query-gpu=name", "--format=csv,noheader", "-i", visible):
            return name.strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU, {cores} cores ({platform.machine()})"


@contextmanager
def slot(name: str, log: Callable[[str], None] = print, poll: float = 2.0) -> Iterator[int | None]:
    """Hold one GPU of this machine, and wait for one while all are taken.

    Each GPU has a lock file, which the operating system releases when its holder ends in any way. If
    CUDA_VISIBLE_DEVICES or Slurm has already chosen a GPU, that choice is kept.

    Args:
        name: Name of the notebook, for the message that it is waiting.
        log: Called with that message.
        poll: Seconds between two attempts to take a GPU.

    Yields:
        The index of the GPU; None without a GPU, or if the choice was made outside.
    """
    from filelock import FileLock, Timeout

    chosen = "CUDA_VISIBLE_DEVICES" in os.environ or "SLURM_JOB_ID" in os.environ
    gpus = 0 if chosen else count()
    if not gpus:
        yield None
        return
    folder = Path(os.environ.get("CTNET_LOCKS") or tempfile.gettempdir())
    locks = [FileLock(folder / f"ctnet-{os.getuid()}-gpu{i}.lock") for i in range(gpus)]
    waiting = False
    while True:
        for index, lock in enumerate(locks):
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            try:
                yield index
            finally:
                lock.release()
            return
        if not waiting:
            log(f"{name}: waiting for one of {gpus} GPUs")
        waiting = True
        time.sleep(poll)


def _nvidia_smi(*arguments: str) -> list[str]:
    """Return the lines that nvidia-smi prints; an empty list without a driver."""
    try:
        answer = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.splitlines() if answer.returncode == 0 else []
