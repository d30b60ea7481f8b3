"""Batches of clips, split among the ranks of a job, in an order that depends on (seed, epoch) only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler

from ctnet import distributed
from ctnet.data.dataset import Unreadable, VideoDataset
from ctnet.data.manifest import manifest_path
from ctnet.errors import DataError, VideoError

TIMEOUT = 120  # seconds a worker may take for a batch before the loader gives up


class Batch(NamedTuple):
    """One batch from `loader`.

    Attributes:
        clips: uint8, (N, C, T, H, W) in training and (N, views, C, T, H, W) in testing.
        labels: int64, (N,).
        indices: Index of each clip in its data set, int64, (N,).
        skipped: One line for each video that could not be read; these are not among the N clips.

    Example:
        >>> for clips, labels, indices, skipped in ctnet.data.loader(data, batch_size=16):
        ...     logits = model(ctnet.data.normalize(clips))
    """

    clips: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    skipped: list[str]


def stack(clips: list[torch.Tensor]) -> torch.Tensor:
    """Stack clips (..., C, T, H, W) into a batch that is channels-last in memory, as the frames were read.

    Returns:
        (N, ..., C, T, H, W), a view of memory in the order (N, ..., T, H, W, C).
    """
    return torch.stack([clip.movedim(-4, -1) for clip in clips]).movedim(-1, -4)


class _Collate:
    """Make a `Batch` of items; the batch is empty if none of its videos can be read."""

    def __init__(self, frames: int, size: int):
        self.shape = (0, 3, frames, size, size)

    def __call__(self, items: list) -> Batch:
        read = [item for item in items if not isinstance(item, Unreadable)]
        skipped = [item.reason for item in items if isinstance(item, Unreadable)]
        clips = stack([item[0] for item in read]) if read else torch.empty(self.shape, dtype=torch.uint8)
        labels, indices = (torch.tensor([item[k] for item in read], dtype=torch.int64) for k in (1, 2))
        return Batch(clips, labels, indices, skipped)


class EpochSampler(DistributedSampler):
    """All indices of a data set, in an order that depends on (seed, epoch) and is the same on every rank.

    Args:
        dataset: The data set.
        shuffle: Whether to shuffle, or to keep the order of the manifest.
        seed: Seed of the shuffle.
    """

    def __init__(self, dataset: VideoDataset, shuffle: bool, seed: int):
        super().__init__(dataset, num_replicas=1, rank=0, shuffle=shuffle, seed=seed)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the order and of the data set; Lightning calls this before each epoch."""
        super().set_epoch(epoch)
        self.dataset.set_epoch(epoch)


class _RankBatchSampler(BatchSampler):
    """This rank's share of each batch.

    `batch_size` counts the clips of all ranks, and all ranks have the same number of batches. The last batch can leave
    a rank with fewer clips, or with none. The number of ranks is looked up when an epoch starts.
    """

    def __iter__(self):
        for batch in super().__iter__():
            yield batch[distributed.rank() :: distributed.world_size()]


def readers() -> int:
    """Return the default number of reader processes per rank: `min(cores() - 1, 8)`."""
    return min(cores() - 1, 8)


def cores() -> int:
    """Return this rank's share of the cores: of CTNET_CORES, which the Snakefile sets, or else of all available."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(int(os.environ.get("CTNET_CORES") or given), given) // distributed.local_world_size(), 1)


@contextmanager
def reading(dataset: VideoDataset) -> Iterator[None]:
    """Turn the errors of a loop over a loader into one line each.

    torch reports a dead worker from a signal handler, wherever the loop is at that moment, so wrap the whole loop.

    Args:
        dataset: The data set that the loader reads.

    Raises:
        DataError: A worker was killed, or took longer than TIMEOUT for a batch.
        VideoError: A video cannot be read and may not be skipped, as in testing.
    """
    try:
        yield
    except VideoError as error:  # from a worker, the message is the last line of the worker's traceback
        line = str(error).strip().splitlines()[-1].removeprefix(f"{VideoError.__module__}.{VideoError.__name__}: ")
        table = manifest_path(dataset.manifest.folder, dataset.split)
        raise VideoError(f"{line} (a clip of {table}); restore the file, or prepare the set again") from error
    except RuntimeError as error:
        if not str(error).startswith("DataLoader "):
            raise
        raise DataError(
            f"{dataset.manifest.folder}: a process that reads videos was killed, or gave no batch for {TIMEOUT} s; "
            "if memory ran out, use fewer --workers; `python -m ctnet data verify` finds a video that hangs"
        ) from error


def loader(
    dataset: VideoDataset,
    batch_size: int,
    workers: int = 0,
    shuffle: bool | None = None,
    drop_last: bool = False,
) -> DataLoader:
    """Return a DataLoader of `Batch`.

    Before each epoch call `loader.batch_sampler.sampler.set_epoch(epoch)`; Lightning does so itself.

    Args:
        dataset: The data set to read.
        batch_size: Clips per batch, summed over all ranks.
        workers: Reader processes of this rank; 0 reads in this process.
        shuffle: Whether to shuffle; by default in training only.
        drop_last: Whether to drop the last batch if it is not full.

    Example:
        >>> data = ctnet.data.VideoDataset(folder, "train", frames=8, size=112, train=True)
        >>> batches = ctnet.data.loader(data, batch_size=16, workers=2)
        >>> batches.batch_sampler.sampler.set_epoch(1)
        >>> next(iter(batches)).clips.shape
        torch.Size([16, 3, 8, 112, 112])
    """
    shuffle = dataset.train if shuffle is None else shuffle
    return DataLoader(
        dataset,
        batch_sampler=_RankBatchSampler(EpochSampler(dataset, shuffle, dataset.seed), batch_size, drop_last),
        num_workers=workers,
        collate_fn=_Collate(dataset.frames, dataset.size),
        pin_memory=torch.cuda.is_available(),
        timeout=TIMEOUT if workers else 0,
        persistent_workers=workers > 0,
    )
