"""Scores of a network under a test protocol, and what is read off them."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ctnet import distributed
from ctnet.clips import normalize
from ctnet.data.dataset import VideoDataset
from ctnet.data.loading import loader, reading
from ctnet.errors import ResultError
from ctnet.inference.scores import Clips, Scores
from ctnet.protocol import Protocol


def test_split(folder: str | Path, protocol: Protocol, split: str = "test") -> VideoDataset:
    """The clips of a split as the protocol asks: short side to `size`, centre crop or three crops."""
    p = protocol
    views = {"clips": p.clips, "crops": p.crops, "sampling": p.sampling, "short_side": p.short_side}
    return VideoDataset(folder, split, p.frames, p.size, False, **views)


@torch.inference_mode()
def score(
    network: nn.Module,
    dataset: VideoDataset,
    protocol: Protocol,
    shuffled: bool = False,
    batch_size: int = 32,
    workers: int = 0,
    device: str | torch.device | None = None,
) -> Scores:
    """Runs the network over every clip once. shuffled: the frames of each view in an order drawn from the clip's index.

    batch_size: views on one device at a time. In a job of several processes each takes its share of the clips, and all
    get the scores of all. Raises VideoError for the first video that cannot be read, DataError where a process that
    reads is lost, ResultError for logits that are not finite.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network = network.to(device).eval()
    mine = []  # (indices, labels, logits) of each batch
    with reading(dataset):
        for batch in loader(dataset, max(batch_size // protocol.views, 1) * distributed.world_size(), workers=workers):
            clips = batch.clips
            if not len(clips):  # of the last clips others have them all
                continue
            if shuffled:
                clips = torch.stack([shuffle(c, int(i)) for c, i in zip(clips, batch.indices, strict=True)])
            n, views = clips.shape[:2]
            out = network(normalize(clips.to(device).flatten(0, 1))).float()
            out = out.unflatten(0, (n, views)).mean(1).cpu().numpy()
            mine.append((batch.indices.numpy(), batch.labels.numpy(), out))
    parts = [part for process in distributed.all_gather(mine) for part in process]
    indices, labels, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = indices.argsort()
    labels, logits = labels[order], logits[order].astype(np.float64)
    if not np.isfinite(logits).all():
        raise ResultError("the network gave logits that are not finite: its weights are damaged or diverged")
    return Scores(logits, labels, str(protocol), Clips.of(dataset))


def shuffle(views: Tensor, index: int) -> Tensor:
    """(views, C, T, H, W) -> the same frames in an order that is never the true or the reversed one, if T > 2."""
    frames = views.shape[2]
    generator = torch.Generator().manual_seed(index)
    while True:
        order = torch.randperm(frames, generator=generator)
        steps = order.diff()
        if frames < 3 or not ((steps > 0).all() or (steps < 0).all()):
            return views[:, :, order]
