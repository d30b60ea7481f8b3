"""The Snakefile on three toy notebooks: which of them run, what is asked of Slurm, and what a kill leaves."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ctnet.paths import ROOT
from tests.support.notebooks import endless_cell, write_notebook

TOC = """
format: jb-book
root: index
parts:
  - chapters:
      - file: runs/one
      - file: page
      - file: runs/two
      - file: runs/three
"""

# Stands in for `python -m ctnet`: logs how it was called, and fails if the notebook says "broken".
STAND_IN = """
import pathlib, sys
command, notebook, *options = sys.argv[1:]
with open("asked.txt", "a") as log:
    print(pathlib.Path(notebook).stem, command, *options, file=log)
if "broken" in pathlib.Path(notebook).read_text():
    sys.exit(f"{notebook} failed")
pathlib.Path(options[options.index("--out") + 1]).write_text("executed")
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with the Snakefile and three notebooks."""
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "book" / "_toc.yml").write_text(TOC)
    for name in ("one", "two", "three"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(f"notebook {name}")
    return tmp_path


@pytest.fixture
def pretended(project) -> Path:
    """The same folder with `STAND_IN` in place of the library."""
    (project / "ctnet").mkdir()
    (project / "ctnet" / "__init__.py").touch()
    (project / "ctnet" / "__main__.py").write_text(STAND_IN)
    return project


def command(target: str, config: str, *options: str) -> list[str]:
    general = ["--cores", "2", "--keep-going", "--rerun-incomplete", "--nolock", "--resources", "gpu=0"]
    return [sys.executable, "-m", "snakemake", *general, *options, "--config", config, "--", target]


def snakemake(project: Path, *options: str, config: str = "scale=smoke") -> tuple[int, str, dict[str, str]]:
    """Run Snakemake; returns (exit status, standard error, notebook -> words of the call, for those that ran)."""
    asked = project / "asked.txt"
    asked.unlink(missing_ok=True)
    done = subprocess.run(
        command("notebooks", config, *options), cwd=project, capture_output=True, text=True, check=False
    )
    lines = asked.read_text().splitlines() if asked.exists() else []
    return done.returncode, done.stderr, {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}


def test_failed_notebook_does_not_stop_others_and_only_changed_ones_run_again(pretended):
    runs, sources = pretended / "book" / "runs", pretended / "notebooks"
    (sources / "two.ipynb").write_text("broken")
    code, printed, ran = snakemake(pretended)
    assert code != 0 and set(ran) == {"one", "two", "three"}
    assert "notebooks/two.ipynb failed" in printed
    assert ran["one"] == 'run --out book/runs/one.ipynb --params {"scale": "smoke"} --end-with-parent'
    assert {path.stem for path in runs.iterdir()} == {"one", "three"}

    (sources / "two.ipynb").write_text("repaired")
    (runs / "three.ipynb").unlink()
    (sources / "one.ipynb").touch()  # a new time, the same content
    code, _, ran = snakemake(pretended)
    assert code == 0 and set(ran) == {"two", "three"}


def test_another_scale_runs_every_notebook_once(pretended):
    assert set(snakemake(pretended)[2]) == {"one", "two", "three"}
    code, _, ran = snakemake(pretended, config="scale=cpu")
    assert code == 0 and set(ran) == {"one", "two", "three"}
    assert snakemake(pretended, config="scale=cpu")[2] == {}


@pytest.mark.parametrize("flag", ["fresh", "missing"])
def test_fresh_and_missing_are_passed_to_every_notebook(pretended, flag):
    code, _, ran = snakemake(pretended, "--forcerun", "notebook", config=f"{flag}=1")
    assert code == 0 and len(ran) == 3
    assert all(words.endswith(f"--end-with-parent --{flag}") for words in ran.values())


def test_slurm_is_asked_for_gpu_cores_memory_and_time(project):
    """The queue accepts nothing; Snakemake prints what it asked for."""
    stub = project / "bin"
    stub.mkdir()
    for name in ("sbatch", "squeue", "sacct", "sacctmgr", "scontrol", "sinfo"):
        (stub / name).write_text("#!/bin/sh\nexit 1\n")
        (stub / name).chmod(0o755)
    options = "--executor slurm --jobs 1 --default-resources slurm_partition=main --slurm-no-account --nolock"
    options += " --slurm-init-seconds-before-status-checks 1"  # else it waits 40 s before it gives up
    config = "--config scale=gpu threads=6 minutes=90 -- book/runs/one.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *options.split(), *config.split()],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": f"{stub}:{os.environ['PATH']}"},
    )
    (call,) = [line for line in done.stderr.splitlines() if line.strip().startswith("sbatch --parsable")]
    for words in ("--gpus=1", "--cpus-per-task=6", "--mem 16000", "-t 90", "-p main"):
        assert f" {words} " in call + " ", call


def test_killed_snakemake_leaves_no_kernel_and_the_next_call_continues(project, tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    source, target = project / "notebooks" / "two.ipynb", "book/runs/two.ipynb"
    write_notebook(source, endless_cell(pipe))
    where = {"cwd": project, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    process = subprocess.Popen(command(target, "scale=smoke"), stderr=subprocess.DEVNULL, **where)
    try:
        with open(pipe) as kernel:  # waits until the kernel runs the cell
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert kernel.read() == ""  # waits until the kernel is gone
    finally:
        process.kill()
    write_notebook(source, "print('quick')")
    again = subprocess.run(command(target, "scale=smoke"), capture_output=True, text=True, check=False, **where)
    assert again.returncode == 0, again.stderr
    assert (project / target).exists() and again.stdout == ""
