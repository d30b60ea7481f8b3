"""The data sets of the paper and GRID: what they hold, how they are made here, what training on them costs."""

import math
from dataclasses import dataclass

import pandas as pd

from ctnet.book import machines
from ctnet.experiments import records, scales
from ctnet.experiments.experiment import Experiment
from ctnet.paper import costs, printed

MODEL = "ctnet_resnet50"
BACKWARD = 2  # times the forward pass: gradients of what goes in and of the weights


@dataclass(frozen=True)
class RealSet:
    """A line of data/paper/sets.csv: the owners' counts of classes and videos, and of those trained and tested on."""

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
        """The scale whose recipe is meant for it; GRID words are not in the paper."""
        return "gpu" if self.name.startswith("grid") else "paper"

    @property
    def experiment(self) -> Experiment:
        return scales.experiments(MODEL, self.scale, self.name)[0]

    @property
    def prepare(self) -> str:
        return f"python -m ctnet data prepare {self.name} --source DIR"

    @property
    def command(self) -> str:
        return f"python -m ctnet train {MODEL} --scale {self.scale} --data {self.name}"

    def pflops(self) -> tuple[float, float]:
        """(training once, one pass over the test videos) in 1e15 operations, counted as in the paper.

        Forward and backward pass of every training clip in every epoch; all views of every test video.
        """
        e = self.experiment
        size, p = e.recipe.size or e.protocol.size, e.protocol
        training = costs.view_cost(MODEL, self.classes, p.frames, size).gflops * self.train * e.recipe.epochs
        testing = costs.view_cost(MODEL, self.classes, p.frames, p.size).gflops * self.test * p.views
        return (1 + BACKWARD) * training / 1e6, testing / 1e6


def sets() -> list[RealSet]:
    lines = printed.read_csv("sets.csv")
    counts = ("classes", "videos", "train", "test")
    return [RealSet(**line | {name: int(line[name]) for name in counts}) for line in lines]


def content_table() -> pd.DataFrame:
    """What each set holds as its owners published it, and the command that makes it."""
    columns = {"set": "title", "classes": "classes", "videos": "videos", "trained on": "train", "tested on": "test"}
    columns |= {"on disk": "disk", "command, DIR as its owners unpack it": "prepare"}
    return pd.DataFrame([{name: getattr(s, key) for name, key in columns.items()} for s in sets()])


def source_table() -> pd.DataFrame:
    """Where each set can be had, and where its counts are from."""
    return pd.DataFrame([{"set": s.title, "from": s.address, "counts": s.source} for s in sets()])


def recipe_table() -> pd.DataFrame:
    """How each set is trained and tested at its scale."""
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
    """Operations of training and testing, hours that these would take on each device of the page Speed, the time where
    a run is recorded here, and the command that runs it."""
    lines, fast = [], rates()
    for s in sets():
        training, testing = s.pflops()
        hours = {
            f"hours on {letter}": three_digits(training * 1e15 / rate[s.experiment.recipe.precision] / 3600)
            for letter, rate in fast.items()
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
    """2394.6 -> `2390`, 0.01234 -> `0.0123`: as much of an estimate as it is worth; a dash for none (nan)."""
    return "–" if math.isnan(value) else f"{float(f'{value:.3g}'):g}"


def rates() -> dict[str, dict[str, float]]:
    """By the letters of `tables.devices` and the recipe's precision: operations a second of the network as it is
    trained (not fused), forward."""
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
