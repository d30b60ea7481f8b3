"""The clips of one split as a PyTorch data set: sampled, read, cropped, still uint8."""

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
    """Takes the place of a training clip whose video could not be read.

    Attributes:
        reason: One line that starts with the path of the video.
    """

    reason: str


class VideoDataset(Dataset):
    """The clips of one split.

    An item is `(clip, label, index)`. The clip is uint8 RGB: (3, T, H, W) in training and (views, 3, T, H, W) in
    testing. Frames as `read_frames` gives them, (T, H, W, 3), are permuted here; for a single video file
    `ctnet.inference.prediction.read_views` does the same.

    Random choices depend on (seed, epoch, index) only, so the number of workers does not change a clip. A video that
    cannot be read becomes an `Unreadable` in training, which the loader drops and counts, and a VideoError in testing.
    It is never replaced by another frame or another video.

    Args:
        folder: Folder of a prepared data set.
        split: Name of the split.
        frames: Frames per clip, T.
        size: Side of the square clip in pixels.
        train: True for random clips, False for the fixed views of testing.
        clips: Temporal clips per video in testing.
        crops: Spatial crops per clip in testing, 1 or 3.
        sampling: "sparse", "dense" or "uniform" (`ctnet.data.sample`).
        seed: Seed of the random choices.
        scales: Scales of the multi-scale crop in training.
        flip: Mirror half of the training clips and map their labels with the set's `flip`. Clips of a class without
            a mirrored class are not mirrored.
        short_side: In testing, the shorter side of a frame is resized to this before the crop; `size` by default.
        memory: Keep decoded videos, for the next epochs, if all of them fit in this many bytes.

    Raises:
        ConfigError: The set has no such split.
        DataError: The set is missing or damaged, or `short_side` is smaller than `size`.

    Example:
        >>> data = ctnet.data.VideoDataset(folder, "test", frames=8, size=32, train=False, clips=2, crops=3)
        >>> views, label, index = data[0]
        >>> views.shape
        torch.Size([6, 3, 8, 32, 32])
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
        memory: int = 0,
    ):
        self.info = DataInfo.read(folder)
        self.manifest = Manifest.read(folder, split, self.info)
        self.split, self.train, self.seed = split, train, seed
        self.frames, self.size, self.clips, self.crops, self.sampling = frames, size, clips, crops, sampling
        self.scales, self.flip, self.short_side = tuple(scales), flip, short_side or size
        if self.short_side < size:
            raise DataError(f"{folder}: a crop of {size} does not fit in a short side of {self.short_side} pixels")
        self._decoded: dict[int, torch.Tensor] | None = {} if memory else None  # clip -> its frames (T, H, W, 3)
        self._memory = memory
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # persistent workers see it change

    @property
    def epoch(self) -> int:
        """The epoch that `set_epoch` chose."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of the next epoch, in all worker processes."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.manifest)

    def generator(self, index: int) -> torch.Generator:
        """Return the source of all random choices for one item in this epoch."""
        state = np.random.SeedSequence((self.seed, self.epoch, index)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state) >> 1)

    def __getitem__(self, index: int) -> "tuple[torch.Tensor, int, int] | Unreadable":
        label = int(self.manifest.labels[index])
        generator = self.generator(index) if self.train else None
        total = int(self.manifest.frames[index])
        places = sample(total, self.frames, 1 if self.train else self.clips, self.sampling, generator)
        try:
            read = self._frames(index, places.flatten())
        except VideoError as error:
            if self.train:
                return Unreadable(str(error))
            raise
        clip = read.permute(3, 0, 1, 2)  # (T, H, W, 3) -> (3, T, H, W), a view
        if self.train:
            clip = transforms.multi_scale_crop(clip, self.size, self.scales, generator)
            if self.flip:
                clip, label = transforms.random_flip(clip, label, self.info.flip, generator)
            return clip, label, index
        return transforms.test_views(clip, self.clips, self.crops, self.size, self.short_side), label, index

    def _frames(self, index: int, places: torch.Tensor) -> torch.Tensor:
        """Return frames of a clip by their places in it, (len(places), H, W, 3), read or kept from an earlier epoch."""
        path, start = self.manifest.path(index), int(self.manifest.starts[index])
        if self._decoded is None:
            return read_frames(path, (places + start).tolist())
        if index not in self._decoded:
            whole = read_frames(path, range(start, start + int(self.manifest.frames[index])))
            if whole[0].numel() * int(self.manifest.frames.sum()) > self._memory:
                self._decoded = None
                return whole[places]
            self._decoded[index] = whole
        return self._decoded[index][places]
