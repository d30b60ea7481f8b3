"""The Snakefile on three toy notebooks: a failure stops nothing else, and only what changed runs again."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ctnet.paths import ROOT
from tests.book.test_notebook import alive, notebook, wait_until

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

# Stands in for ctnet.runner (whose own tests are elsewhere): it says what it was asked, and fails on "broken".
STAND_IN = """
import pathlib, sys
notebook, out, *options = sys.argv[1:]
with open("asked.txt", "a") as log:
    print(pathlib.Path(notebook).stem, *options, file=log)
if "broken" in pathlib.Path(notebook).read_text():
    sys.exit(f"{notebook} failed")
pathlib.Path(out).write_text("executed")
"""


@pytest.fixture
def project(tmp_path) -> Path:
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "book" / "_toc.yml").write_text(TOC)
    for name in ("one", "two", "three"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(f"notebook {name}")
    return tmp_path


def command(target: str, config: str, *options: str) -> list[str]:
    general = ["--cores", "2", "--keep-going", "--rerun-incomplete", "--nolock", "--resources", "gpu=0"]
    return [sys.executable, "-m", "snakemake", *general, *options, "--config", config, "--", target]


def snakemake(project: Path, *options: str, config: str = "scale=smoke") -> tuple[int, str, dict[str, str]]:
    """Exit code, what was printed, and notebook -> options of the runner, for those that ran."""
    asked = project / "asked.txt"
    asked.unlink(missing_ok=True)
    done = subprocess.run(
        command("notebooks", config, *options), cwd=project, capture_output=True, text=True, check=False
    )
    lines = asked.read_text().splitlines() if asked.exists() else []
    return done.returncode, done.stderr, {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}


def test_only_what_changed_runs_and_a_failure_stops_nothing_else(project):
    (project / "ctnet").mkdir()
    (project / "ctnet" / "__init__.py").touch()
    (project / "ctnet" / "runner.py").write_text(STAND_IN)
    runs, sources = project / "book" / "runs", project / "notebooks"
    (sources / "two.ipynb").write_text("broken")

    code, printed, ran = snakemake(project)
    assert code != 0 and set(ran) == {"one", "two", "three"}
    assert "notebooks/two.ipynb failed" in printed
    assert ran["one"] == '--params {"scale": "smoke"} --end-with-parent'
    assert {path.stem for path in runs.iterdir()} == {"one", "three"}

    (sources / "two.ipynb").write_text("mended")
    (runs / "three.ipynb").unlink()
    (sources / "one.ipynb").touch()  # touched, not changed
    code, _, ran = snakemake(project)
    assert code == 0 and set(ran) == {"two", "three"}

    code, _, ran = snakemake(project, config="scale=cpu")  # another parameter
    assert code == 0 and set(ran) == {"one", "two", "three"}
    assert snakemake(project, config="scale=cpu")[2] == {}

    code, _, ran = snakemake(project, "--forcerun", "notebook", config="fresh=1")
    assert code == 0 and len(ran) == 3 and ran["one"].endswith("--end-with-parent --fresh")
    code, _, ran = snakemake(project, "--forcerun", "notebook", config="missing=1")
    assert code == 0 and len(ran) == 3 and ran["one"].endswith("--end-with-parent --missing")


def test_slurm_is_asked_for_a_gpu_cores_memory_and_time(project):
    """A queue that takes nothing: Snakemake prints what it asked for."""
    stub = project / "bin"
    stub.mkdir()
    for name in ("sbatch", "squeue", "sacct", "sacctmgr", "scontrol", "sinfo"):
        (stub / name).write_text("#!/bin/sh\nexit 1\n")
        (stub / name).chmod(0o755)
    options = [
        "--executor",
        "slurm",
        "--jobs",
        "1",
        "--default-resources",
        "slurm_partition=main",
        "--slurm-no-account",
    ]
    config = ["--config", "scale=gpu", "threads=6", "minutes=90"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *options, "--nolock", *config, "--", "book/runs/one.ipynb"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": f"{stub}:{os.environ['PATH']}"},
    )
    (call,) = [line for line in done.stderr.splitlines() if line.strip().startswith("sbatch --parsable")]
    for words in ("--gpus=1", "--cpus-per-task=6", "--mem 16000", "-t 90", "-p main"):
        assert f" {words} " in call + " ", call


def test_killed_snakemake_leaves_no_kernel_and_the_next_call_goes_on(project, tmp_path):
    pid_file = tmp_path / "kernel.pid"
    say = f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))"
    notebook(project / "notebooks" / "two.ipynb", f"{say}\ntime.sleep(300)")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    where = {"cwd": project, "env": environment}
    process = subprocess.Popen(command("book/runs/two.ipynb", "scale=smoke"), stderr=subprocess.DEVNULL, **where)
    try:
        assert wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
        kernel = int(pid_file.read_text())
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=180)
        assert wait_until(lambda: not alive(kernel)), f"kernel {kernel} outlived Snakemake"
    finally:
        process.kill()
    notebook(project / "notebooks" / "two.ipynb", "print('quick')")
    again = subprocess.run(
        command("book/runs/two.ipynb", "scale=smoke"), capture_output=True, text=True, check=False, **where
    )
    assert again.returncode == 0, again.stderr
    assert (project / "book" / "runs" / "two.ipynb").exists()
