"""The commands of the Makefile's targets, and the files and GPUs of the Snakefile's rules."""

import re
import shutil
import subprocess
import sys

import pytest

from ctnet.paths import ROOT

TOC = "parts:\n  - chapters:\n      - file: runs/one\n"
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def commands(*words: str) -> list[str]:
    """Return the Python commands that `make` would run, without `python -m`."""
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return re.findall(r"-m ((?:ctnet|pytest) .*)", done.stdout)


def test_every_snakefile_pattern_matches_a_file():
    patterns = re.findall(r'glob\("([^"]+)"\)', (ROOT / "Snakefile").read_text())
    assert len(patterns) > 5
    assert [p for p in patterns if not any(ROOT.glob(p))] == []


@pytest.mark.parametrize("gpus", [0, 1])
def test_notebook_jobs_request_only_existing_gpus(gpus, tmp_path):
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "book" / "_toc.yml").write_text(TOC)
    (tmp_path / "notebooks" / "one.ipynb").write_text("a notebook")
    words = ["-n", "--cores", "1", "--resources", f"gpu={gpus}", "--config", "scale=gpu", "--", "notebooks"]
    command = [sys.executable, "-m", "snakemake", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"resources: .*gpu=(\d)", done.stdout + done.stderr) == [str(gpus)]


@needs_make
def test_make_data_draws_at_an_existing_scale():
    for scale, drawn in (("paper", "cpu"), ("smoke", "smoke"), ("gpu", "gpu")):
        assert commands("data", f"SCALE={scale}")[-1] == f"ctnet data prepare motionpairs --scale {drawn}"
    assert commands("bench", "SCALE=gpu")[-2:] == ["ctnet data prepare motionpairs --scale cpu", "ctnet bench"]


@needs_make
def test_make_soak_runs_the_long_tests():
    assert commands("soak")[-1].split()[:3] == ["pytest", "tests/soak", "--soak"]
    assert commands("soak", "MINUTES=2")[-1].endswith("--minutes 2")
