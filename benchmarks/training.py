"""The section `training` of the bench: training steps with the loader, compared with steps on a batch in memory."""

from argparse import Namespace
from itertools import chain, repeat
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from benchmarks.timing import device, interleave, summary, table, threads
from ctnet.clips import normalize
from ctnet.data.dataset import VideoDataset
from ctnet.data.home import locate
from ctnet.data.loading import cores
from ctnet.data.loading import loader as make_loader
from ctnet.experiments.scales import SCALES
from ctnet.models import create_model

STEPS = 4  # in one timed call


def training_set() -> Path:
    """Return the folder of the set that `training` reads.

    Raises:
        DataError: The set is missing; the message names the command that makes it.
    """
    return locate(SCALES["cpu"].data, "cpu")


def training(options: Namespace) -> dict:
    """Measure training steps of CT-Net at the cpu scale, with clips from the loader and with one batch in memory.

    Args:
        options: `workers`, `threads` and `rounds` of the command line.

    Returns:
        The rows "model alone" and "with the loader", and all seconds.
    """
    scale = SCALES["cpu"]
    p, r = scale.protocol, scale.recipe
    home = training_set()
    clips = VideoDataset(home, "train", p.frames, p.size, True, sampling=p.sampling, scales=r.scales, flip=r.flip)
    net = create_model("ctnet_resnet50", len(clips.info.classes), p.frames, **dict(scale.overrides)).train()
    net = net.to(device())
    optimizer = torch.optim.SGD(net.parameters(), r.lr, r.momentum)
    epochs = repeat(make_loader(clips, r.batch_size, workers=options.workers, drop_last=True))
    batches = chain.from_iterable(epochs)
    held = next(batches)

    def step(batch):
        cross_entropy(net(normalize(batch.clips.to(device()))), batch.labels.to(device())).backward()
        optimizer.step()
        optimizer.zero_grad()

    def steps(source):
        return lambda: [step(source()) for _ in range(STEPS)]

    calls = {"model alone": steps(lambda: held), "with the loader": steps(lambda: next(batches))}
    shared = max(cores() - options.workers, 1)  # cores left to PyTorch, as in `ctnet train`
    with threads(options.threads or (shared if device().type == "cpu" else torch.get_num_threads())):
        seconds = interleave(calls, options.rounds)
    rows = summary(seconds, "model alone", clips=r.batch_size * STEPS)
    print(table(f"training of ctnet_resnet50 at the cpu scale, {p}", rows, "model alone"))
    return {"rows": rows, "seconds": seconds}
