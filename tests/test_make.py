"""What the targets of the Makefile and the rules of the Snakefile ask for."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from benchmarks import bench
from ctnet.errors import DataError
from ctnet.paths import ROOT

TOC = "parts:\n  - chapters:\n      - file: runs/one\n"


def asked(*words: str) -> list[str]:
    """The commands of ctnet that `make` would run, `data prepare` and the like."""
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return re.findall(r"-m ctnet (.*)", done.stdout)


def test_every_pattern_of_the_snakefile_matches_a_file():
    patterns = re.findall(r'glob\("([^"]+)"\)', (ROOT / "Snakefile").read_text())
    assert len(patterns) > 5
    assert [p for p in patterns if not any(ROOT.glob(p))] == []


@pytest.mark.parametrize("gpus", [0, 1])
def test_no_job_asks_for_a_gpu_that_is_not_there(gpus, tmp_path):
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


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_make_prepares_a_set_that_there_is():
    for scale, drawn in (("paper", "cpu"), ("smoke", "smoke"), ("gpu", "gpu")):
        assert asked("data", f"SCALE={scale}")[-1] == f"data prepare motionpairs --scale {drawn}"
    assert asked("bench", "SCALE=gpu")[-2:] == ["data prepare motionpairs --scale cpu", "bench"]


def test_a_benchmark_that_is_cut_keeps_the_sections_it_had(tmp_path, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "SECTIONS", {"inference": lambda _: {"rows": 1}, "copies": stop})
    with pytest.raises(KeyboardInterrupt):
        bench.main(["--only", "inference", "copies", "--out", str(tmp_path / "bench.json")])
    assert json.loads((tmp_path / "bench.json").read_text())["inference"] == {"rows": 1}


def test_a_missing_set_is_told_before_the_first_section(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    monkeypatch.setattr(bench, "SECTIONS", {"inference": ran.append, "training": bench.training})
    with pytest.raises(DataError, match="data prepare motionpairs --scale cpu"):
        bench.main(["--out", str(tmp_path / "bench.json"), "--only", "inference", "training"])
    assert ran == [] and os.listdir(tmp_path) == []
