"""Records: one JSON file for each experiment, written whole or not at all."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctnet import paths
from ctnet.errors import ResultError
from ctnet.experiments.experiment import Ensemble, Experiment

MEASURED = ("bench", "soak")  # folders with measurements of machines, beside one folder for each scale
RETIRED = ("motionpairs-1",)  # records of an earlier version of a data set, kept to compare the versions
NEEDED = ("experiment", "metrics", "predictions", "labels", "training", "provenance")


@dataclass(frozen=True)
class Result:
    """The result of an experiment.

    Attributes:
        key: Name of the record.
        record: What its file holds: experiment, data, metrics, training, predictions, labels, provenance.

    Example:
        >>> (result,) = recorded([Experiment("tsn_resnet50", scale="smoke")])
        >>> result.metric("tiers.strict")
    """

    key: str
    record: dict

    @property
    def metrics(self) -> dict:
        """Accuracies in per cent, as `inference.metrics` gives them, and those on shuffled frames."""
        return self.record["metrics"]

    @property
    def seed(self) -> int:
        """Seed of the experiment."""
        return self.record["experiment"]["seed"]

    @property
    def num_classes(self) -> int:
        """Number of classes of the data set; earlier records of MotionPairs hold only the labels of its clips."""
        return len(self.record["data"].get("classes", ())) or 1 + max(self.record["labels"])

    def metric(self, name: str) -> float:
        """One accuracy by its name.

        Args:
            name: `top1`, `pairs.strict`, `shuffled.tiers.strict`; `order_gap` or `order_gap.strict` is the accuracy in
                order minus that on shuffled frames.

        Returns:
            Per cent, or points for a gap.

        Raises:
            ResultError: The record has no such metric.
        """
        if name.startswith("order_gap"):
            where = name.replace("order_gap", "tiers", 1) if "." in name else "top1"
            return self.metric(where) - self.metric(f"shuffled.{where}")
        value = self.metrics
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise ResultError(f"{self.key}: no metric '{name}'; there are {', '.join(self.metrics)}")
            value = value[part]
        return value


@dataclass(frozen=True)
class Entry:
    """The place of one record while its experiment runs.

    Attributes:
        key: Name of the record.
        scale: Folder of the record.
        since: Time (`time.time()`) before which a record is too old to use. None: a record of any age is used.
    """

    key: str
    scale: str
    since: float | None = None

    def find(self) -> Result | None:
        """The record, if there is one that counts; ResultError if its file is damaged."""
        path = path_of(self.key, self.scale)
        if self.since is not None and not (path.exists() and path.stat().st_mtime > self.since):
            return None
        return read(self.key, self.scale)

    def prepare(self) -> None:
        """Raise ResultError if no record could be written, before hours of work are lost."""
        folder = paths.results_root() / self.scale
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultError(f"{folder}: cannot be made ({error.strerror}); fix that or set CTNET_RESULTS") from error
        if not os.access(folder, os.W_OK):
            raise ResultError(f"{folder}: cannot be written; make it writable or set CTNET_RESULTS")

    def keep(self, record: dict) -> Result:
        """Write the record; with `since`, replace an existing one."""
        return write(self.key, self.scale, record, replace=self.since is not None)


def path_of(key: str, scale: str) -> Path:
    """File of a record (CTNET_RESULTS moves its folder)."""
    return paths.results_root() / scale / f"{key}.json"


def read(key: str, scale: str) -> Result | None:
    """Read a record.

    Args:
        key: Name of the record.
        scale: Folder of the record.

    Returns:
        The record; None if it does not exist.

    Raises:
        ResultError: The file is damaged. It is never overwritten, so that you can look at it.
    """
    path = path_of(key, scale)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ResultError(f"{path}: damaged ({error}); restore it from git or delete it") from error
    if missing := [k for k in NEEDED if not isinstance(record, dict) or k not in record]:
        raise ResultError(f"{path}: lacks {', '.join(missing)}; restore it from git or delete it")
    return Result(key, record)


def recorded(wanted: Sequence[Experiment | Ensemble]) -> list[Result]:
    """Read the records of several experiments.

    Args:
        wanted: Experiments and ensembles.

    Returns:
        Records of those that have one, in this order.

    Example:
        >>> [result.seed for result in recorded(per_seed("tsn_resnet50", "cpu"))]
        [0, 1, 2]
    """
    return [found for e in wanted if (found := read(e.key, e.scale))]


def every(scale: str) -> list[Result]:
    """All records of a scale, in the order of their names."""
    files = sorted((paths.results_root() / scale).glob("[!.]*.json"))
    return [found for path in files if (found := read(path.stem, scale))]


def write(key: str, scale: str, record: dict, replace: bool = False) -> Result:
    """Write a record to a temporary file and move it into place.

    Args:
        key: Name of the record.
        scale: Folder of the record.
        record: What it holds.
        replace: Replace an existing record.

    Returns:
        The record as it will be read.

    Raises:
        ResultError: A record exists already, or the file cannot be written.
    """
    path = path_of(key, scale)
    if path.exists() and not replace:
        raise ResultError(f"{path}: a result is recorded already; run it fresh to replace it")
    text = as_text(record)
    save(path, text)
    return Result(key, json.loads(text))  # lists, no tuples: as it will be read


def save(path: Path, text: str) -> None:
    """Write a text to a temporary file and move it into place; ResultError if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with paths.atomic(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ResultError(
            f"{path}: cannot be written ({error.strerror or error}); make room or set CTNET_RESULTS"
        ) from error


def keep(kind: str, record: dict) -> Path:
    """Keep a measurement of this machine in place of its last one.

    Args:
        kind: One of `MEASURED`.
        record: The measurement; its `provenance` names the device, which names the file.

    Returns:
        The file.
    """
    device = re.sub(r"[^a-z0-9]+", "-", record["provenance"]["device"].lower()).strip("-")
    path = paths.results_root() / kind / f"{device}.json"
    save(path, json.dumps(record, indent=1) + "\n")
    return path


def kept(kind: str) -> list[dict]:
    """The measurements of a kind (one of `MEASURED`), one for each device."""
    files = sorted((paths.results_root() / kind).glob("[!.]*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def as_text(record: dict) -> str:
    """JSON with a line for each key of the first two levels, so that a diff names what changed."""

    def level(value: object, depth: int) -> str:
        if isinstance(value, dict) and depth:
            lines = [f"{' ' * (3 - depth)}{json.dumps(k)}: {level(v, depth - 1)}" for k, v in value.items()]
            return "{\n" + ",\n".join(lines) + "\n" + " " * (2 - depth) + "}"
        return json.dumps(value)

    return level(record, 2) + "\n"


def validated(result: Result) -> list[tuple[int, dict[str, float]]]:
    """How soon a network learnt.

    Args:
        result: A record.

    Returns:
        For each epoch (training clips seen, what `inference.scores.learnt` found on the validation split); empty where
        there was no validation.
    """
    epochs, clips = result.record["training"]["epochs"], result.record["data"]["splits"].get("train", 0)
    return [(n * clips, e["validation"]) for n, e in enumerate(epochs, start=1) if "validation" in e]
