"""The data sets of the paper, and GRID: what they hold, how to prepare them, and what training on them costs."""

import math
from dataclasses import dataclass

import pandas as pd

from ctnet.book import machines
from ctnet.experiments import records, scales
from ctnet.experiments.experiment import Experiment
from ctnet.paper import costs, printed

MODEL = "ctnet_resnet50"
BACKWARD = 2  # the backward pass costs two forward passes: gradients of inputs and of weights


@dataclass(frozen=True)
class RealSet:
    """One line of data/paper/sets.csv, with the counts that the owners publish.

    Attributes:
        name: Name of the set for `data prepare` and `--data`.
        title: Name of the set in tables.
        classes: Number of classes.
        videos: Number of videos in the whole set, which may be more than `train` and `test` together.
        train: Number of videos that are trained on.
        test: Number of videos that are tested on.
        source: Source of the counts.
        disk: Size on disk.
        address: Where to get the set.
    """

    name: str
    title: str
    classes: int
    videos: int
    train: int
    test: int
    source: str
    disk: str
    address: str

    @property
    def scale(self) -> str:
        """The scale whose recipe the set is trained with: `gpu` for GRID, which is not in the paper, else `paper`."""
        return "gpu" if self.name.startswith("grid") else "paper"

    @property
    def experiment(self) -> Experiment:
        """The experiment of CT-Net on this set, with the first seed of the scale."""
        return scales.per_seed(MODEL, self.scale, self.name)[0]

    @property
    def prepare(self) -> str:
        """The command that prepares the set."""
        return f"python -m ctnet data prepare {self.name} --source DIR"

    @property
    def command(self) -> str:
        """The command that trains and tests CT-Net on the set."""
        return f"python -m ctnet train {MODEL} --scale {self.scale} --data {self.name}"

    def pflops(self) -> tuple[float, float]:
        """Count the operations of training and testing, a multiply-add as one, as the paper does.

        Returns:
            The forward and backward passes over all training clips in all epochs, and the forward passes over all views
            of all test videos; both in units of 10^15.
        """
        e = self.experiment
        size, p = e.recipe.size or e.protocol.size, e.protocol
        training = costs.view_cost(MODEL, self.classes, p.frames, size).gflops * self.train * e.recipe.epochs
        testing = costs.view_cost(MODEL, self.classes, p.frames, p.size).gflops * self.test * p.views
        return (1 + BACKWARD) * training / 1e6, testing / 1e6


def sets() -> list[RealSet]:
    """Read data/paper/sets.csv."""
    lines = printed.read_csv("sets.csv")
    counts = ("classes", "videos", "train", "test")
    return [RealSet(**line | {name: int(line[name]) for name in counts}) for line in lines]


def content_table() -> pd.DataFrame:
    """Tabulate what each set holds as its owners published it, and the command that prepares it."""
    columns = {"set": "title", "classes": "classes", "videos": "videos", "trained on": "train", "tested on": "test"}
    columns |= {"on disk": "disk", "command, DIR as its owners unpack it": "prepare"}
    return pd.DataFrame([{name: getattr(s, key) for name, key in columns.items()} for s in sets()])


def source_table() -> pd.DataFrame:
    """Tabulate where to get each set and where its counts are from."""
    return pd.DataFrame([{"set": s.title, "from": s.address, "counts": s.source} for s in sets()])


def recipe_table() -> pd.DataFrame:
    """Tabulate how each set is trained and tested at its scale."""
    lines = []
    for s in sets():
        e = s.experiment
        r, p = e.recipe, e.protocol
        lines.append(
            {"set": s.title, "scale": s.scale, "weights from": e.init, "epochs": r.epochs, "lr for 64 clips": r.lr}
            | {"dropout": r.dropout, "weight decay": r.weight_decay, "mirrored": "half" if r.flip else "none"}
            | {"training frames": r.sampling or p.sampling, "test": str(p), "test frames": p.sampling}
        )
    return pd.DataFrame(lines)


def cost_table() -> pd.DataFrame:
    """Tabulate what each set costs: operations, estimated hours on each device of the page Speed, recorded time.

    The hours are the operations of training at the speed that the device reached in the recipe's precision. The time is
    that of the recorded run, if there is one.
    """
    lines, speeds = [], _speeds()
    for s in sets():
        training, testing = s.pflops()
        hours = {
            f"hours on {letter}": three_digits(training * 1e15 / speed[s.experiment.recipe.precision] / 3600)
            for letter, speed in speeds.items()
        }
        found = records.read(s.experiment.key, s.scale)
        measured = (
            f"{found.record['training']['seconds'] / 3600:.1f} h on {found.record['provenance']['device']}"
            if found
            else ""
        )
        lines.append(
            {"set": s.title, "training (PFLOPs)": three_digits(training), "test (PFLOPs)": three_digits(testing)}
            | {"precision": s.experiment.recipe.precision}
            | hours
            | {"training time": measured or "not yet measured", "command": s.command}
        )
    return pd.DataFrame(lines)


def three_digits(value: float) -> str:
    """Round an estimate to three digits: 2394.6 -> `2390`, 0.01234 -> `0.0123`; a dash for nan."""
    return "–" if math.isnan(value) else f"{float(f'{value:.3g}'):g}"


def _speeds() -> dict[str, dict[str, float]]:
    """Return the forward operations per second of CT-Net, not fused, by device letter and precision."""
    found = {}
    for letter, record in machines.by_letter(records.kept("bench")):
        if part := record.get("throughput"):
            view = costs.view_cost(MODEL, 174, part["frames"], part["size"]).gflops * 1e9
            clips = {
                precision: part["rows"].get(f"ctnet eager {name}", {}).get("clips_per_s", math.nan)
                for precision, name in (("32-true", "fp32"), ("bf16-mixed", "bf16"))
            }
            found[letter] = {precision: speed * view for precision, speed in clips.items()}
    return found
