"""The section `training` of the bench: training steps with their reading, in each way of training, and without it."""

from argparse import Namespace
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from benchmarks.timing import device, interleave, summary, table, threads
from ctnet.clips import normalize
from ctnet.data import motionpairs
from ctnet.data.dataset import VideoDataset
from ctnet.data.home import locate
from ctnet.data.loading import Batch, cores
from ctnet.data.loading import loader as make_loader
from ctnet.experiments.scales import SCALES
from ctnet.models import create_model

STEPS = 4  # in one timed call
CLASSES = (0, 1)  # classes whose clips are read: few, so that all of them are in memory before the first timed call
BASE = "float32, clips read from files"
# way of training -> precision bf16, compiled steps, decoded clips kept in memory; the last is the recipe of the scale
WAYS = {
    BASE: (False, False, False),
    "bfloat16": (True, False, False),
    "bfloat16, compiled": (True, True, False),
    "bfloat16, compiled, clips in memory": (True, True, True),
}


def training_set() -> Path:
    """Return the folder of the set that `training` reads.

    Raises:
        DataError: The set is missing; the message names the command that makes it.
    """
    return locate(SCALES["cpu"].data, "cpu")


def training(options: Namespace) -> dict:
    """Measure training steps of CT-Net at the cpu scale, clips read in the same process, and steps on one batch.

    Args:
        options: `threads` and `rounds` of the command line.

    Returns:
        A row for each way of training and the row "model alone" (the first way, on a batch in memory), and all seconds.
    """
    scale = SCALES["cpu"]
    calls = {name: _steps(_batches(kept), bf16, compiled) for name, (bf16, compiled, kept) in WAYS.items()}
    calls["model alone"] = _steps(repeat(next(_batches(False))), False, False)
    with threads(options.threads or (cores() if device().type == "cpu" else torch.get_num_threads())):
        seconds = interleave(calls, options.rounds)
    rows = summary(seconds, BASE, clips=scale.recipe.batch_size * STEPS)
    print(table(f"training of ctnet_resnet50 at the cpu scale, {scale.protocol}", rows, BASE))
    return {"rows": rows, "seconds": seconds}


def _batches(kept: bool) -> Iterator[Batch]:
    """Training batches without end; with `kept`, after a first epoch that fills the memory."""
    p, r = SCALES["cpu"].protocol, SCALES["cpu"].recipe
    memory = 2**30 if kept else 0
    clips = VideoDataset(training_set(), "train", p.frames, p.size, True, scales=r.scales, memory=memory)
    clips.manifest = clips.manifest.only(CLASSES)
    batches = make_loader(clips, r.batch_size, drop_last=True)
    if kept:
        for _ in batches:
            pass
    return chain.from_iterable(repeat(batches))


def _steps(batches: Iterator[Batch], bf16: bool, compiled: bool):
    """A call that trains a network of its own for `STEPS` steps."""
    scale = SCALES["cpu"]
    net = (
        create_model("ctnet_resnet50", len(motionpairs.CLASSES), scale.protocol.frames, **dict(scale.overrides))
        .train()
        .to(device())
    )
    optimizer = torch.optim.SGD(net.parameters(), scale.recipe.lr, scale.recipe.momentum)

    def classify(clips):
        return net(normalize(clips))

    run = torch.compile(classify, dynamic=False) if compiled else classify

    def step(batch: Batch) -> None:
        with torch.autocast(device().type, torch.bfloat16, enabled=bf16):
            loss = cross_entropy(run(batch.clips.to(device())), batch.labels.to(device()))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return lambda: [step(next(batches)) for _ in range(STEPS)]
