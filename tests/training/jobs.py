"""Jobs of two gloo ranks: `python -m tests.training.jobs FOLDER` runs all of `JOBS`.

Each job leaves FOLDER/NAME.pt: `{rank: what its function returned}`, or a text that says how it failed. torchrun's
own agent starts the ranks, but forks them from this process, which has imported all that they need.
"""

import io
import os
import signal
import sys
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import ctnet
from ctnet import console, distributed
from ctnet.errors import ConfigError, TrainingError
from ctnet.experiments import runner
from ctnet.experiments.experiment import Experiment
from ctnet.inference import evaluate
from ctnet.protocol import Protocol
from ctnet.training import classifier, train
from ctnet.training.callbacks import Rates
from tests.support.toy import PLAIN, RECIPE, network, training_set

# 13 clips in batches of 4: the last step has one clip, so rank 1 has none
SAME = replace(RECIPE, epochs=2, batch_size=4, lr=0.02, dropout=0.0, max_skipped=0.1)
PROTOCOL = Protocol(4, crops=3, size=32)


def without_batch_norm() -> nn.Module:
    """Return a small TSN with the same weights each time and no batch statistics.

    What it computes for a clip does not depend on other clips. It works in double precision, where a different order
    of sums changes far less than a wrongly counted clip.
    """
    torch.manual_seed(7)
    net = ctnet.create_model("tsn_resnet50", num_classes=2, num_frames=4, dropout=0.0, **PLAIN)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                setattr(module, name, nn.GroupNorm(4, child.num_features))
    net.register_forward_pre_hook(lambda _, clips: (clips[0].double(),))
    return net.double()


def fit(sets: Path, folder: Path, name: str = "clips", net: nn.Module | None = None, recipe=SAME) -> dict:
    """Train on the clips of `sets/name`; return the record and the weights."""
    net = net or without_batch_norm()
    record = train(net, training_set(sets / name), recipe, folder, accelerator="cpu", progress=False)
    return {"record": record, "weights": net.state_dict()}


def score(net: nn.Module, sets: Path) -> dict[str, torch.Tensor]:
    """Return the logits of the seven test clips, with frames in order and shuffled, and the labels."""
    test = evaluate.test_split(sets / "clips", PROTOCOL)
    first, second = (evaluate.score(net, test, PROTOCOL, shuffled=s, batch_size=6) for s in (False, True))
    found = {"in order": first.logits, "shuffled": second.logits, "labels": first.labels}
    return {name: torch.from_numpy(values) for name, values in found.items()}


def equal(sets: Path, folder: Path):
    """Train without batch norm."""
    return fit(sets, folder)


def batch_norm(sets: Path, folder: Path):
    """Train with batch norm, then score the test clips."""
    torch.manual_seed(7)
    net = network(dropout=0.0)
    return fit(sets, folder, net=net, recipe=replace(SAME, epochs=1)) | {"scores": score(net, sets)}


def unreadable(sets: Path, folder: Path):
    """Train on a set whose broken videos all go to the same rank."""
    try:
        fit(sets, folder, "broken")
    except TrainingError as error:
        return printed(error)


def synchronised(sets: Path, folder: Path):
    """Train with synchronised batch norm: both ranks must skip the step in which rank 1 has no clip."""
    return fit(sets, folder, recipe=replace(SAME, sync_bn=True, epochs=1))


def on_rank_1_after(epoch: int, step: int, act):
    """Call `act` on rank 1 when this step is done."""

    def done(self, trainer, module, outputs, batch, number, end=Rates.on_train_batch_end):
        end(self, trainer, module, outputs, batch, number)
        if (distributed.rank(), trainer.current_epoch, number) == (1, epoch, step):
            act()

    Rates.on_train_batch_end = done


def killed(sets: Path, folder: Path):
    """Kill rank 1 in the middle of the second epoch."""
    on_rank_1_after(1, 1, lambda: os.kill(os.getpid(), signal.SIGKILL))
    fit(sets, folder)


def resumed(sets: Path, folder: Path):
    """Resume the job `killed`; return the steps that rank 1 ran, too."""
    steps = []
    for epoch in range(2):
        for step in range(4):
            on_rank_1_after(epoch, step, lambda here=(epoch, step): steps.append(here))
    return fit(sets, folder.with_name("killed")) | {"steps": steps}


def diverged(sets: Path, folder: Path):
    """Give rank 1 a NaN loss while rank 0 waits for its gradients."""

    def nan():
        classifier.cross_entropy = lambda logits, labels: logits.sum() * float("nan")

    on_rank_1_after(1, 1, nan)
    try:
        fit(sets, folder)
    except TrainingError as error:
        (folder / f"error-{distributed.rank()}").write_text(str(error))
        raise


def odd_share(sets: Path, folder: Path):
    """Ask for 5 clips per step on two ranks."""
    try:
        fit(sets, folder, recipe=replace(SAME, batch_size=5))
    except TrainingError as error:
        return printed(error)


def refused(sets: Path, folder: Path):
    """Raise an error on rank 0 only."""

    def refuse():
        raise ConfigError(f"no on rank {distributed.rank()}")

    try:
        distributed.from_rank_0(refuse)
    except ConfigError as error:
        return printed(error)


def printed(error: Exception) -> tuple[str, str]:
    """Return an error's message, and what `console.tell` prints of it on this rank."""
    with redirect_stderr(io.StringIO()) as stderr:
        console.tell(error)
    return str(error), stderr.getvalue()


E = Experiment("tsn_resnet50", "", replace(SAME, epochs=1), Protocol(4, size=32), overrides=tuple(PLAIN.items()))


def twice(sets: Path, folder: Path):
    """Run an experiment that another job of two ranks runs at the same time."""
    os.environ |= {"CTNET_RUNS": str(folder), "CTNET_RESULTS": str(folder)}
    ran = []

    def carry_out(*arguments, carry_out=runner.carry_out):
        ran.append(distributed.rank())
        return carry_out(*arguments)

    runner.carry_out = carry_out
    result = runner.run(replace(E, data=str(sets / "clips"), scale="cpu"), progress=False)
    return {"ran": ran, "record": result.record}


def start(job, name: str, sets: Path, folder: Path) -> dict | str:
    """Run a job on two ranks; return what each rank returned, or the rank and message of the first failure."""
    meet = {"run_id": name, "rdzv_endpoint": "localhost:0", "rdzv_backend": "c10d"}
    config = LaunchConfig(1, 1, 2, max_restarts=0, start_method="fork", **meet)  # as torchrun on the command line
    try:
        return elastic_launch(config, joined)(job, sets, folder)
    except ChildFailedError as failed:
        rank, failure = failed.get_first_failure()
        return f"{rank}: {failure.message}"


@record
def joined(job, *arguments):
    """Run a job's function on this rank, between `join` and `leave`."""
    distributed.join()
    found = job(*arguments)
    distributed.leave()
    return found


JOBS = (equal, batch_norm, unreadable, synchronised, killed, resumed, diverged, odd_share, refused)

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    sets = folder / "sets"
    for job in JOBS:
        torch.save(start(job, job.__name__, sets, folder / job.__name__), folder / f"{job.__name__}.pt")
        print(job.__name__, flush=True)
    other = os.fork()
    name = f"twice-{'ab'[not other]}"
    torch.save(start(twice, f"twice{other}", sets, folder / "twice"), folder / f"{name}.pt")
    print(name, flush=True)
    if other:
        os.waitpid(other, 0)
