"""GPUs of this machine: how many, their name, and one for each notebook.

The driver is asked, through nvidia-smi: torch would take a second to import and memory on the GPU.
"""

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def _nvidia_smi(*arguments: str) -> list[str]:
    """The lines it prints; none where there is no driver."""
    try:
        answer = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def count() -> int:
    """GPUs that the driver lists, 0 without a driver."""
    return sum(line.startswith("GPU ") for line in _nvidia_smi("-L"))


def device_name(gpu: int | None = None) -> str:
    """'NVIDIA H100 80GB HBM3', or 'CPU, 2 cores (x86_64)' where no GPU is to be used.

    `gpu`: its index; without one, the first that CUDA_VISIBLE_DEVICES leaves.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] if gpu is None else str(gpu)
    if visible not in ("", "-1"):
        for name in _nvidia_smi("--query-gpu=name", "--format=csv,noheader", "-i", visible):
            return name.strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU, {cores} cores ({platform.machine()})"


@contextmanager
def slot(name: str, log: Callable[[str], None] = print, poll: float = 2.0) -> Iterator[int | None]:
    """Hold one GPU of this machine for `name`; yields its index, or None where there is nothing to choose.

    One lock file for each GPU, free again however its holder ends. Where CUDA_VISIBLE_DEVICES or Slurm has
    chosen, that choice stands. `poll`: seconds between two looks while all are taken.
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
