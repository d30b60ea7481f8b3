"""TODO."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ctnet import paths


def provenance() -> dict:
    """Where and with what a result was made: device, threads, versions, commit, time."""
    import torch

    if torch.cuda.is_available():
        device = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    else:
        device = f"{cpu_name()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    packages = ("torch", "torchvision", "lightning", "torchmetrics", "numpy", "decord", "av")
    return {
        "device": device,
        "python": platform.python_version(),
        "versions": {p: v for p in packages if (v := installed(p))},
        "commit": commit(),
        "started": now(),
    }


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the library, with "+" if the library differs from it; "unknown" outside git."""

    def git(*words):
        return subprocess.run(["git", "-C", paths.ROOT, *words], capture_output=True, text=True, check=True).stdout

    try:
        head = git("rev-parse", "--short=10", "HEAD").strip()
        return head + ("+" if git("status", "--porcelain", "--", "ctnet").strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
