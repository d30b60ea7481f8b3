"""TODO."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ctnet.data import transforms
from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.sampling import sample
from ctnet.data.video import read_frames
from ctnet.errors import DataError, VideoError


@dataclass(frozen=True)
class Unreadable:
    """Stands in a training batch for a video that could not be read."""

    reason: str


class VideoDataset(Dataset):
    """Clips of one split, uint8 RGB: (C, T, H, W) in training, (views, C, T, H, W) in testing; label; index.

    frames: T · size: side of the square clip in pixels · clips x crops: views of a video in testing ·
    short_side: what the shorter side is resized to before the crop in testing (default: size) ·
    scales: of the multi-scale crop in training · flip: mirror half of the training clips, labels by the set's map;
    clips of a class that has no mirrored class stay.

    Random choices follow from (seed, epoch, index) only: the number of workers changes no clip. A video that
    cannot be read is an `Unreadable` in training, which the loader drops and counts, and a VideoError in
    testing: no other frame or video ever takes its place.
    """

    def __init__(
        self,
        folder: str | Path,
        split: str,
        frames: int,
        size: int,
        train: bool,
        clips: int = 1,
        crops: int = 1,
        sampling: str = "sparse",
        seed: int = 0,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        short_side: int | None = None,
    ):
        self.info = DataInfo.read(folder)
        self.manifest = Manifest.read(folder, split, self.info)
        self.split, self.train, self.seed = split, train, seed
        self.frames, self.size, self.clips, self.crops, self.sampling = frames, size, clips, crops, sampling
        self.scales, self.flip, self.short_side = tuple(scales), flip, short_side or size
        if self.short_side < size:
            raise DataError(f"{folder}: a crop of {size} does not fit in a short side of {self.short_side} pixels")
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers that live on see it change

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the random draws of the next pass, in all worker processes."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.manifest)

    def generator(self, index: int) -> torch.Generator:
        """The source of all random choices for one item of this epoch."""
        state = np.random.SeedSequence((self.seed, self.epoch, index)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state) >> 1)

    def __getitem__(self, index: int) -> "tuple[torch.Tensor, int, int] | Unreadable":
        label = int(self.manifest.labels[index])
        generator = self.generator(index) if self.train else None
        total = int(self.manifest.frames[index])
        places = sample(total, self.frames, 1 if self.train else self.clips, self.sampling, generator)
        try:
            read = read_frames(
                self.manifest.path(index), (places + int(self.manifest.starts[index])).flatten().tolist()
            )
        except VideoError as error:
            if self.train:
                return Unreadable(str(error))
            raise
        clip = read.permute(3, 0, 1, 2)
        if self.train:
            clip = transforms.multi_scale_crop(clip, self.size, self.scales, generator)
            if self.flip:
                clip, label = transforms.random_flip(clip, label, self.info.flip, generator)
            return clip, label, index
        return transforms.test_views(clip, self.clips, self.crops, self.size, self.short_side), label, index
