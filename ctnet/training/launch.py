"""Starts a job of several processes with torchrun: `launch` from Python, `python -m ctnet.training.launch` below it."""

import os
import subprocess
import sys
from collections.abc import Sequence

from ctnet import distributed
from ctnet.errors import ConfigError, TrainingError


def launch(words: Sequence[str], devices: int, nodes: int = 1, rendezvous: str | None = None) -> None:
    """Run `python -m WORDS` in several processes through torchrun and wait for them.

    The processes write to this one's standard output and standard error. They end when this
    process ends, for whatever reason.

    Args:
        words: A module and its arguments.
        devices: Processes on each machine, one per GPU; any number on a machine without GPUs.
        nodes: Machines. Each of them makes the same call.
        rendezvous: `HOST:PORT` of one of the machines, the same on all of them; needed if there are several.

    Raises:
        ConfigError: If the numbers do not fit this machine or each other.
        TrainingError: If a process failed, which ends all of them.
    """
    import torch

    gpus = torch.cuda.device_count()
    if devices < 1 or nodes < 1:
        raise ConfigError(f"devices and nodes must be at least 1, not {devices} and {nodes}")
    if gpus and devices > gpus:
        raise ConfigError(f"{nodes} x {devices} processes: each needs a GPU of its own, and {gpus} are visible here")
    if nodes > 1 and not rendezvous:
        raise ConfigError(f"{nodes} machines need --rendezvous HOST:PORT: a free port on one of them, the same on all")
    meet = ["--nnodes", str(nodes), "--rdzv-backend", "c10d", "--rdzv-endpoint", rendezvous]
    command = [sys.executable, "-m", "ctnet.training.launch", *(meet if nodes > 1 else ["--standalone"])]
    command += ["--nproc-per-node", str(devices), "-m", *words]
    # one thread is torchrun's own default, which it would announce
    environment = {"OMP_NUM_THREADS": "1", **os.environ, distributed.PARENT: str(os.getpid())}
    # in a session of its own, Ctrl-C reaches this process only, which then ends the job
    job = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        status = job.wait()
    except BaseException:
        job.terminate()
        job.wait()
        raise
    if status:
        raise TrainingError(
            f"the job ended with exit status {status}; the output above names the rank that failed; "
            "the same command resumes"
        )


if __name__ == "__main__":
    distributed.end_with_parent()
    os.environ[distributed.PARENT] = str(os.getpid())  # the ranks end with this process
    from torch.distributed import run

    sys.tracebacklimit = 0  # torchrun's report of the failed ranks is enough
    run.main(sys.argv[1:])
