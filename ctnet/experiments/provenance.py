"""Provenance of a result: device, versions, commit, time."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ctnet import paths

PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy", "decord", "av")


def provenance() -> dict:
    """Describe how a result is made, for its record.

    Returns:
        The device and its threads, the versions of Python and of the packages that results depend on, the commit of the
        library, and the time in UTC.
    """
    import torch

    if torch.cuda.is_available():
        device = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    else:
        device = f"{cpu_name()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return {
        "device": device,
        "python": platform.python_version(),
        "versions": {p: v for p in PACKAGES if (v := installed(p))},
        "commit": commit(),
        "started": now(),
    }


def now() -> str:
    """The time, such as `2026-01-31 12:00 UTC`."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def installed(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Model name of the processor, or its architecture if the system does not name it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the library, with a `+` if files of the library differ from it; `unknown` outside git."""

    def git(*words: str | Path) -> str:
        return subprocess.run(["git", "-C", paths.ROOT, *words], capture_output=True, text=True, check=True).stdout

    try:
        head = git("rev-parse", "--short=10", "HEAD").strip()
        return head + ("+" if git("status", "--porcelain", "--", "ctnet").strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
