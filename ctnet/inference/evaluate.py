"""Runs a network over a test split under a protocol; `scores` computes accuracies from the result."""

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
    """Return the clips of a split as a protocol defines them: sampling, size, and centre crop or three crops.

    Args:
        folder: A prepared data set.
        protocol: Frames, clips, crops, size and sampling.
        split: Name of the split.

    Returns:
        A data set whose items hold the views (clips x crops, 3, T, size, size), uint8, of one video.

    Raises:
        DataError: If the data set or the split is missing or damaged.

    Example:
        >>> split = test_split("data/sets/motionpairs-cpu", Protocol(frames=8, size=64))
    """
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
    """Run a network over every clip of a split once and average its logits over the views of each video.

    Under torchrun every rank calls this; each runs its share of the clips and returns the scores of all.

    Args:
        network: A classifier of clips (N, 3, T, H, W); it is moved to `device` and set to eval mode.
        dataset: What `test_split` returned for the same protocol.
        protocol: Recorded with the scores.
        shuffled: Whether the frames of each view are put in a random order, drawn from the clip's index.
        batch_size: Views per batch and rank.
        workers: Processes that read videos, per rank; 0 reads in this process.
        device: Where the network runs; by default a GPU if there is one.

    Returns:
        Logits and labels of all clips, in the order of the split.

    Raises:
        VideoError: For the first video that cannot be read.
        DataError: If a process that reads videos dies.
        ResultError: If a logit is not finite.

    Example:
        >>> protocol = Protocol(frames=8, size=64)
        >>> scores = score(network, test_split("data/sets/motionpairs-cpu", protocol), protocol)
        >>> metrics(scores)["top1"]
        61.5
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network = network.to(device).eval()
    mine = []  # (indices, labels, logits) of each batch
    with reading(dataset):
        for batch in loader(dataset, max(batch_size // protocol.views, 1) * distributed.world_size(), workers=workers):
            clips = batch.clips
            if not len(clips):  # the last batch can leave a rank empty
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
        error = ResultError("the network gave logits that are not finite: its weights are damaged or diverged")
        raise distributed.on_all_ranks(error)
    return Scores(logits, labels, str(protocol), Clips.of(dataset))


def shuffle(views: Tensor, index: int) -> Tensor:
    """Return the frames of a clip in a random order, the same for all of its views.

    Args:
        views: (views, C, T, H, W).
        index: Number of the clip, from which the order is drawn.

    Returns:
        The same frames in an order that is, for T > 2, neither the true nor the reversed one.
    """
    frames = views.shape[2]
    generator = torch.Generator().manual_seed(index)
    while True:
        order = torch.randperm(frames, generator=generator)
        steps = order.diff()
        if frames < 3 or not ((steps > 0).all() or (steps < 0).all()):
            return views[:, :, order]
