"""Batches of clips, in an order that follows from (seed, epoch), on one process or many."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler

from ctnet import distributed
from ctnet.data.dataset import Unreadable, VideoDataset
from ctnet.errors import DataError, VideoError

TIMEOUT = 120  # seconds that a worker may take for a batch before the loader gives up


class Batch(NamedTuple):
    """clips: uint8 (N, C, T, H, W), in testing (N, views, C, T, H, W) · labels, indices: int64 (N,) ·
    skipped: one line for each video that could not be read and so is not among the N.
    """

    clips: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    skipped: list[str]


def stack(clips: list[torch.Tensor]) -> torch.Tensor:
    """Stacks (..., C, T, H, W) into a batch whose memory is (..., T, H, W, C), as frames are read."""
    return torch.stack([clip.movedim(-4, -1) for clip in clips]).movedim(-1, -4)


class Collate:
    """Makes a Batch of items; it may be empty where every video of it is broken."""

    def __init__(self, frames: int, size: int):
        self.shape = (0, 3, frames, size, size)

    def __call__(self, items: list) -> Batch:
        read = [item for item in items if not isinstance(item, Unreadable)]
        skipped = [item.reason for item in items if isinstance(item, Unreadable)]
        clips = stack([item[0] for item in read]) if read else torch.empty(self.shape, dtype=torch.uint8)
        labels, indices = (torch.tensor([item[k] for item in read], dtype=torch.int64) for k in (1, 2))
        return Batch(clips, labels, indices, skipped)


class EpochSampler(DistributedSampler):
    """The data set in an order drawn from (seed, epoch), the same in every process.

    `set_epoch` (Lightning calls it before each epoch) reaches the data set too.
    """

    def __init__(self, dataset: VideoDataset, shuffle: bool, seed: int):
        super().__init__(dataset, num_replicas=1, rank=0, shuffle=shuffle, seed=seed)

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        self.dataset.set_epoch(epoch)


class Shares(BatchSampler):
    """This process's share of each batch: every clip is in exactly one.

    `batch_size` counts the clips of all processes, and all have the same number of batches; the last one may leave
    some with fewer clips, or with none. The number of processes is looked up when the epoch starts.
    """

    def __iter__(self):
        for batch in super().__iter__():
            yield batch[distributed.rank() :: distributed.world_size()]


def readers() -> int:
    """How many processes read videos for each that trains, unless told: its share of the cores but one, at most 8."""
    return min(cores() - 1, 8)


def cores() -> int:
    """This process's share of the cores that are given to it: all, or CTNET_CORES where the Snakefile runs several."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(int(os.environ.get("CTNET_CORES") or given), given) // distributed.local_world_size(), 1)


@contextmanager
def reading(dataset: VideoDataset) -> Iterator[None]:
    """Around a loop over a loader's batches: DataError where a process that reads was killed, or hangs in a video;
    VideoError, of one line and with the mend, where a video cannot be read and may not be left out.

    torch tells of the first wherever the loop is just then, by a signal's handler.
    """
    try:
        yield
    except VideoError as error:  # out of another process it comes at the end of that one's traceback
        line = str(error).strip().splitlines()[-1].removeprefix(f"{VideoError.__module__}.{VideoError.__name__}: ")
        table = dataset.manifest.folder / f"{dataset.split}.csv"
        raise VideoError(f"{line} (a clip of {table}); restore the file, or prepare the set again") from error
    except RuntimeError as error:
        if not str(error).startswith("DataLoader "):
            raise
        raise DataError(
            f"{dataset.manifest.folder}: a process that reads videos was killed, or had none to give for {TIMEOUT} s; "
            "for want of memory take fewer --workers; a video that hangs is found by `python -m ctnet data verify`"
        ) from error


def loader(
    dataset: VideoDataset,
    batch_size: int,
    workers: int = 0,
    shuffle: bool | None = None,
    drop_last: bool = False,
) -> DataLoader:
    """A DataLoader of `Batch`; call `loader.batch_sampler.sampler.set_epoch(e)` before an epoch (Lightning does).

    batch_size: clips of all processes of the job together · shuffle: as the data set is for training or not, unless
    given.
    """
    shuffle = dataset.train if shuffle is None else shuffle
    return DataLoader(
        dataset,
        batch_sampler=Shares(EpochSampler(dataset, shuffle, dataset.seed), batch_size, drop_last),
        num_workers=workers,
        collate_fn=Collate(dataset.frames, dataset.size),
        pin_memory=torch.cuda.is_available(),
        timeout=TIMEOUT if workers else 0,
        persistent_workers=workers > 0,
    )
