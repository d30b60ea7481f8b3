"""Jobs of two gloo processes: `python -m tests.jobs FOLDER` runs all of `JOBS` and leaves what came of each in
FOLDER/NAME.pt: `{rank: what its function returned}`, or how the job failed, as a text.

torchrun's own agent starts them, but forks them from this process, which has imported all that they need.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import ctnet
from ctnet import distributed
from ctnet.errors import TrainingError
from ctnet.experiments import run
from ctnet.experiments.experiment import Experiment
from ctnet.inference import evaluate
from ctnet.protocol import Protocol
from ctnet.training import launch, train
from tests.support.toy import PLAIN, RECIPE, network, training_set

# 13 clips in batches of 4: the last step has one clip, and nothing is left for the second process
SAME = replace(RECIPE, epochs=2, batch_size=4, lr=0.02, dropout=0.0, max_skipped=0.1)
PROTOCOL = Protocol(4, crops=3, size=32)


def without_batch_norm() -> nn.Module:
    """A small TSN from the same weights each time; what it does to a clip does not depend on the other clips.

    In double precision: what is left of the order of sums is far smaller than a clip counted wrong.
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
    """Record and weights of a run on the clips of `sets/name`."""
    net = net or without_batch_norm()
    record = train.train(net, training_set(sets / name), recipe, folder, accelerator="cpu", progress=False)
    return {"record": record, "weights": net.state_dict()}


def score(net: nn.Module, sets: Path) -> dict[str, torch.Tensor]:
    """Logits of the seven test clips, in order and shuffled, and their labels."""
    test = evaluate.test_split(sets / "clips", PROTOCOL)
    first, second = (evaluate.score(net, test, PROTOCOL, shuffled=s, batch_size=6) for s in (False, True))
    found = {"in order": first.logits, "shuffled": second.logits, "labels": first.labels}
    return {name: torch.from_numpy(values) for name, values in found.items()}


def equal(sets: Path, folder: Path):
    return fit(sets, folder)


def batch_norm(sets: Path, folder: Path):
    torch.manual_seed(7)
    net = network(dropout=0.0)
    return fit(sets, folder, net=net, recipe=replace(SAME, epochs=1)) | {"scores": score(net, sets)}


def unreadable(sets: Path, folder: Path):
    """The broken videos are all in the share of one process."""
    try:
        fit(sets, folder, "broken")
    except TrainingError as error:
        return str(error)


def synchronised(sets: Path, folder: Path):
    """The step that has no clip for one process is left out by both: it would be waited for in every BN layer."""
    return fit(sets, folder, recipe=replace(SAME, sync_bn=True, epochs=1))


def at(epoch: int, step: int, act):
    """Rank 1 acts when it has done this step."""

    def done(self, trainer, module, outputs, batch, number, end=train.Rates.on_train_batch_end):
        end(self, trainer, module, outputs, batch, number)
        if (distributed.rank(), trainer.current_epoch, number) == (1, epoch, step):
            act()

    train.Rates.on_train_batch_end = done


def killed(sets: Path, folder: Path):
    at(1, 1, lambda: os.kill(os.getpid(), signal.SIGKILL))
    fit(sets, folder)


def resumed(sets: Path, folder: Path):
    steps = []
    for epoch in range(2):
        for step in range(4):
            at(epoch, step, lambda here=(epoch, step): steps.append(here))
    return fit(sets, folder.with_name("killed")) | {"steps": steps}


def diverged(sets: Path, folder: Path):
    """The loss of one process is not a number, and the other waits for its gradients."""

    def nan():
        train.cross_entropy = lambda logits, labels: logits.sum() * float("nan")

    at(1, 1, nan)
    try:
        fit(sets, folder)
    except TrainingError as error:  # which of the two ends first is left open
        (folder / f"told-{distributed.rank()}").write_text(str(error))
        raise


def odd_share(sets: Path, folder: Path):
    try:
        fit(sets, folder, recipe=replace(SAME, batch_size=5))
    except TrainingError as error:
        return str(error)


E = Experiment("tsn_resnet50", "", replace(SAME, epochs=1), Protocol(4, size=32), overrides=tuple(PLAIN.items()))


def twice(sets: Path, folder: Path):
    """The experiment is asked for by two jobs of two processes each, at the same time."""
    os.environ |= {"CTNET_RUNS": str(folder), "CTNET_RESULTS": str(folder)}
    ran = []

    def carry_out(*arguments, carry_out=run.carry_out):
        ran.append(distributed.rank())
        return carry_out(*arguments)

    run.carry_out = carry_out
    result = run.run(replace(E, data=str(sets / "clips"), scale="cpu"), progress=False)
    return {"ran": ran, "record": result.record}


def start(job, name: str, sets: Path, folder: Path) -> dict | str:
    meet = {"run_id": name, "rdzv_endpoint": "localhost:0", "rdzv_backend": "c10d"}
    config = LaunchConfig(1, 1, 2, max_restarts=0, start_method="fork", **meet)  # as torchrun on the command line
    try:
        return elastic_launch(config, within)(job, sets, folder)
    except ChildFailedError as failed:
        rank, failure = launch.first_failure(failed)
        return f"{rank}: {failure.message}"


@record
def within(job, *arguments):
    distributed.join()
    found = job(*arguments)
    distributed.leave()
    return found


JOBS = (equal, batch_norm, unreadable, synchronised, killed, resumed, diverged, odd_share)

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    sets = folder / "sets"
    for job in JOBS:
        torch.save(start(job, job.__name__, sets, folder / job.__name__), folder / f"{job.__name__}.pt")
    other = os.fork()
    torch.save(start(twice, f"twice{other}", sets, folder / "twice"), folder / f"twice-{'ab'[not other]}.pt")
    if other:
        os.waitpid(other, 0)
