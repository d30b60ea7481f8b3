"""TODO."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ctnet.errors import ConfigError
from ctnet.models.ct_module import (
    PARALLEL,
    CTModule,
    Kernel,
    balanced_sizes,
    frames_view,
)


def is_count(value) -> bool:
    return isinstance(value, int) and value > 0


def check_config(config, ct_blocks: bool):
    """ConfigError for a value that makes no network; ct_blocks: whether those are of the right form."""
    kind = type(config).__name__
    for key in ("num_classes", "num_frames", "width"):
        if not is_count(value := getattr(config, key)):
            raise ConfigError(f"{kind}: {key} must be a whole number of at least 1, not {value!r}")
    if not isinstance(config.dropout, int | float) or not 0 <= config.dropout <= 1:
        raise ConfigError(f"{kind}: dropout must be a number from 0 to 1, not {config.dropout!r}")
    if not isinstance(config.ct, CTConfig):
        raise ConfigError(f"{kind}: ct must be a CTConfig, not {config.ct!r}")
    if not ct_blocks:
        form = "names of convolutions" if kind == "InceptionConfig" else "one tuple of block numbers a stage"
        raise ConfigError(f"{kind}: ct_blocks must be a tuple, {form}, not {config.ct_blocks!r}")


@dataclass(frozen=True)
class CTConfig:
    """What fills a CT-block. sizes: K for K balanced sizes, or a tuple of numbers, "C" (all channels), "rest".

    Raises ConfigError for sizes or kernels of another form.
    """

    sizes: int | tuple[int | str, ...] = 2
    kernels: tuple[tuple[Kernel, ...], ...] = (PARALLEL, PARALLEL)
    connect: str = "parallel"
    pointwise: bool = False
    excitation: str | None = None

    def __post_init__(self):
        sizes = self.sizes if isinstance(self.sizes, tuple | list) else [self.sizes]
        words = ("C", "rest") if sizes is self.sizes else ()
        if not sizes or not all(s in words or is_count(s) for s in sizes):
            raise ConfigError(f'CTConfig: sizes must be K or a tuple of sizes, "C" and "rest", not {self.sizes!r}')
        try:
            kernels = [kernel for group in self.kernels for kernel in group]
            good = kernels and all(len(kernel) == 3 and all(map(is_count, kernel)) for kernel in kernels)
        except TypeError:
            good = False
        if not good:
            raise ConfigError(f"CTConfig: kernels must be a tuple of (t, h, w) a sub-operation, not {self.kernels!r}")

    def build(self, channels: int, in_channels: int | None = None) -> CTModule:
        sizes = self.sizes
        if isinstance(sizes, int):
            sizes = balanced_sizes(channels, sizes)
        else:
            known = 1
            for s in sizes:
                known *= s if isinstance(s, int) else 1
            sizes = tuple({"C": channels, "rest": channels // known}.get(s, s) for s in sizes)
        return CTModule(channels, sizes, self.kernels, self.connect, self.pointwise, self.excitation, in_channels)


class FrameNetwork(nn.Module):
    """What all networks share: clips in, frame features averaged into logits (TSN's consensus), fused copies."""

    fused = False
    name: str | None = None  # in the zoo

    def head(self, config, features: int):
        self.config = config
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(features, config.num_classes)
        nn.init.normal_(self.fc.weight, std=0.001)
        nn.init.zeros_(self.fc.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """clips (N, 3, T, H, W), normalised -> logits (N, num_classes); T is read from the input."""
        if clips.dim() != 5 or clips.shape[1] != 3:
            raise ConfigError(f"clips must be (N, 3, T, H, W), not {tuple(clips.shape)}")
        if not clips.is_floating_point():
            raise ConfigError(f"clips must be floats, as ctnet.data.normalize makes them, not {clips.dtype}")
        frames = clips.shape[2]
        x = frames_view(clips.contiguous(memory_format=torch.channels_last_3d))
        x = self.avgpool(self.features(x, frames)).flatten(1)
        return self.fc(self.dropout(x)).unflatten(0, (-1, frames)).mean(1)

    def fuse(self) -> "FrameNetwork":
        """A copy for inference: BN folded into the convolutions, swaps into the order of weights beside them."""
        net = deepcopy(self).eval().requires_grad_(False)
        if self.fused:
            return net
        net.fused = True
        for module in net.modules():
            if hasattr(module, "fold_bn"):
                module.fold_bn()
        for module in net.modules():
            if isinstance(getattr(module, "ct", None), CTModule):
                module.ct.fold_swaps(after=getattr(module, "conv3", None))
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)
        return net
