"""Recorded results: one JSON file for each experiment, written once and atomically, with its provenance."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctnet import paths
from ctnet.errors import ResultError
from ctnet.experiments import records
from ctnet.experiments.experiment import Experiment

MEASURED = ("bench", "soak")  # folders of measurements of machines, beside the scales' folders of experiments
NEEDED = ("experiment", "metrics", "predictions", "labels", "training", "provenance")


@dataclass(frozen=True)
class Result:
    """What an experiment gave: its metrics, the predicted class of each test clip, the course of training."""

    key: str
    record: dict

    @property
    def metrics(self) -> dict:
        return self.record["metrics"]

    def metric(self, name: str) -> float:
        """`top1`, `pairs.strict`, `shuffled.tiers.strict`, `order_gap.strict`, ... ResultError if it is not there."""
        if name.startswith("order_gap"):
            where = name.replace("order_gap", "tiers", 1) if "." in name else "top1"
            return self.metric(where) - self.metric(f"shuffled.{where}")
        value = self.metrics
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise ResultError(f"{self.key}: no metric '{name}'; there are {', '.join(self.metrics)}")
            value = value[part]
        return value


def path_of(key: str, scale: str) -> Path:
    return paths.results_root() / scale / f"{key}.json"


def read(key: str, scale: str) -> Result | None:
    """The recorded result, or None. ResultError for a damaged file: it is for a person to look at, not to overwrite."""
    path = path_of(key, scale)
    try:
        record = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ResultError(f"{path}: damaged ({error}); restore it from git or delete it") from error
    if missing := [k for k in NEEDED if not isinstance(record, dict) or k not in record]:
        raise ResultError(f"{path}: lacks {', '.join(missing)}; restore it from git or delete it")
    return Result(key, record)


def write(key: str, scale: str, record: dict, replace: bool = False) -> Result:
    """Writes beside the place and moves there. ResultError if a result is there already, unless `replace`."""
    path = path_of(key, scale)
    if path.exists() and not replace:
        raise ResultError(f"{path}: there is a result already; it is replaced only when asked (fresh)")
    text = dumps(record)
    save(path, text)
    return Result(key, json.loads(text))  # as it will be read: lists, no tuples


def check(scale: str) -> None:
    """ResultError where no record of this scale could be written: before hours of work, not after."""
    folder = paths.results_root() / scale
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{folder}: cannot be made ({error.strerror}); mend that or set CTNET_RESULTS") from error
    if not os.access(folder, os.W_OK):
        raise ResultError(f"{folder}: cannot be written; make it writable or set CTNET_RESULTS")


def save(path: Path, text: str):
    """Writes beside the place and moves there; ResultError where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with paths.atomic(path) as part:
            part.write_text(text)
    except OSError as error:
        raise ResultError(
            f"{path}: cannot be written ({error.strerror or error}); make room or set CTNET_RESULTS"
        ) from error


def keep(kind: str, record: dict) -> Path:
    """A measurement of this machine as <results>/<kind>/<device>.json, in place of the last one; kind: of MEASURED."""
    device = re.sub(r"[^a-z0-9]+", "-", record["provenance"]["device"].lower()).strip("-")
    path = paths.results_root() / kind / f"{device}.json"
    save(path, json.dumps(record, indent=1) + "\n")
    return path


def kept(kind: str) -> list[dict]:
    """The measurements of a kind, one for each device that has one."""
    return [json.loads(path.read_text()) for path in sorted((paths.results_root() / kind).glob("[!.]*.json"))]


def dumps(record: dict) -> str:
    """JSON with a line for each key of the first two levels: a diff names what changed."""

    def level(value, depth):
        if isinstance(value, dict) and depth:
            lines = [f"{' ' * (3 - depth)}{json.dumps(k)}: {level(v, depth - 1)}" for k, v in value.items()]
            return "{\n" + ",\n".join(lines) + "\n" + " " * (2 - depth) + "}"
        return json.dumps(value)

    return level(record, 2) + "\n"


def recorded(wanted: Sequence[Experiment]) -> list[Result]:
    """Those of the experiments that have a result."""
    return [r for e in wanted if (r := records.read(e.key, e.scale))]
