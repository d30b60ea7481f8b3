"""A job under torchrun, as its user sees it: output, failures, interrupts, and nothing left running."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch

from ctnet import paths
from ctnet.errors import ConfigError, TrainingError
from ctnet.training import launch

HANGS = 500  # seconds after which a job counts as hung, far more than a loaded machine needs

ROLE = """
import os, signal, sys, time
from ctnet import distributed
role, rank = os.environ["ROLE"], os.environ["RANK"]
os.write(1, f"rank {rank} on stdout\\n".encode())  # in one call, so that lines of ranks do not mix
os.write(2, f"rank {rank} on stderr\\n".encode())
if role == "prints":
    raise SystemExit
if role == "dies" and rank == "1":
    os.kill(os.getpid(), signal.SIGKILL)
if role == "orphan":  # torchrun is killed before its ranks watch it
    torchrun = int(os.environ[distributed.PARENT])
    if rank == "1":
        os.kill(torchrun, signal.SIGKILL)
    while os.getppid() == torchrun:
        time.sleep(0.01)
    distributed.join()
while role == "talks":
    os.write(1, b"still here\\n")
time.sleep(100_000)
"""
CALL = "from ctnet.training import launch; launch.launch(['role'], 2)"
KILL_PARENT_FIRST = """
import os, signal, sys, time
if "ctnet.training.launch" in sys.orig_argv:
    caller = os.getppid()
    os.kill(caller, signal.SIGKILL)
    while os.getppid() == caller:
        time.sleep(0.01)
"""


@pytest.fixture
def role(tmp_path, monkeypatch):
    """Sets what the ranks of the module `role` do: all print their rank, and most then sleep for long."""
    (tmp_path / "role.py").write_text(ROLE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(paths.ROOT)]))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return lambda name: monkeypatch.setenv("ROLE", name)


@contextmanager
def call():
    """A process that launches two ranks; its standard output closes when the last of its processes has ended."""
    with subprocess.Popen([sys.executable, "-c", CALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process


def wait_for_ranks(process) -> None:
    """Read until both ranks have printed their first line."""
    missing = {b"rank 0 on stdout\n", b"rank 1 on stdout\n"}
    while missing and (line := process.stdout.readline()):
        missing.discard(line)
    assert not missing


def test_output_of_all_ranks_reaches_our_output(role, capfd):
    role("prints")
    launch.launch(["role"], 2)
    out, err = capfd.readouterr()
    assert sorted(out.splitlines()) == ["rank 0 on stdout", "rank 1 on stdout"]
    assert {"rank 0 on stderr", "rank 1 on stderr"} <= set(err.splitlines())


def test_killed_rank_ends_the_job_with_one_clear_line(role):
    role("dies")
    with call() as process:
        out, err = process.communicate(timeout=HANGS)  # returns when nothing is left running
    *torchrun, last = err.decode().splitlines()
    assert process.returncode != 0
    assert last == (
        "ctnet.errors.TrainingError: the job ended with exit status 1; the output above names the rank that failed; "
        "the same command resumes"
    )
    root_cause = "\n".join(torchrun).partition("Root Cause")[2]
    assert "rank      : 1 " in root_cause and "SIGKILL" in root_cause


def test_failed_job_raises_a_training_error(role):
    role("dies")
    with pytest.raises(TrainingError, match="^the job ended with exit status 1; the output above names the rank"):
        launch.launch(["role"], 2)


def test_nothing_is_left_running_when_the_caller_is_killed(role):
    role("sleeps")
    with call() as process:
        wait_for_ranks(process)
        process.kill()
        process.communicate(timeout=HANGS)


def test_nothing_is_left_running_when_the_caller_is_killed_before_torchrun_starts(role, tmp_path):
    role("sleeps")
    (tmp_path / "sitecustomize.py").write_text(KILL_PARENT_FIRST)  # runs before the job's own first line
    with call() as process:
        process.communicate(timeout=HANGS)
    assert process.returncode == -signal.SIGKILL


def test_nothing_is_left_running_when_torchrun_is_killed_before_its_ranks_join(role):
    role("orphan")
    with call() as process:
        _, err = process.communicate(timeout=HANGS)
    assert b"the job ended with exit status -9" in err


def test_interrupt_ends_the_job(role):
    role("sleeps")
    with call() as process:
        wait_for_ranks(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANGS)
    assert process.returncode == -signal.SIGINT and err.splitlines()[-1] == b"KeyboardInterrupt"


def test_job_ends_when_its_output_pipe_closes(role):
    role("talks")
    with call() as process:
        wait_for_ranks(process)
        process.stdout.close()
        process.stderr.read()
        assert process.wait(timeout=HANGS) == 1


def test_numbers_of_processes_that_do_not_fit_are_refused(monkeypatch):
    with pytest.raises(ConfigError, match="2 machines need --rendezvous HOST:PORT"):
        launch.launch(["role"], 1, nodes=2)
    with pytest.raises(ConfigError, match="must be at least 1, not 0 and 1"):
        launch.launch(["role"], 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(ConfigError, match="1 x 8 processes: each needs a GPU of its own, and 4 are visible here"):
        launch.launch(["role"], 8)
