"""What the backbones share: the config of a CT-block, the checks of configs, and the base class of the networks."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from ctnet.errors import ConfigError
from ctnet.models.ct_module import PARALLEL, CTModule, Kernel, balanced_sizes, check_module
from ctnet.models.fuse import fuse
from ctnet.models.layout import frames_view


@dataclass(frozen=True)
class CTConfig:
    """The module of a CT-block, for any number of channels.

    Attributes:
        sizes: K for K balanced sizes, or a tuple of numbers, "C" (all channels) and "rest" (what the numbers leave).
        kernels: For each sub-operation its kernels (t, h, w).
        connect: `parallel` or `serial`, see `CTModule`.
        pointwise: Whether a dense 1x1x1 convolution stands between sub-operations.
        excitation: None, `te` or `se`, see `CTModule`.

    Raises:
        ConfigError: Sizes or kernels do not have this form.

    Example:
        >>> CTConfig(sizes=("rest", 4)).resolve(64).sizes
        (16, 4)
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
            groups = [[tuple(kernel) for kernel in group] for group in self.kernels]
            good = groups and all(groups) and all(len(k) == 3 and all(map(is_count, k)) for g in groups for k in g)
        except TypeError:
            good = False
        if not good:
            raise ConfigError(
                f"CTConfig: kernels must be a tuple of (t, h, w) for each sub-operation, not {self.kernels!r}"
            )

    def resolve(self, channels: int, in_channels: int | None = None) -> "CTConfig":
        """The same config in numbers, at a number of channels; equal where the modules are the same.

        Args:
            channels: C of the module.
            in_channels: Number of input channels, if it is not C.

        Returns:
            A config whose sizes are numbers, and which has the default in each option that changes nothing here:
            `connect` with one kernel in each sub-operation, `pointwise` with one sub-operation.

        Raises:
            ConfigError: The module cannot be built.
        """
        if isinstance(self.sizes, int):
            sizes = balanced_sizes(channels, self.sizes)
        else:
            rest = channels // prod(s for s in self.sizes if isinstance(s, int))
            sizes = tuple({"C": channels, "rest": rest}.get(s, s) for s in self.sizes)
        check_module(channels, sizes, self.kernels, self.connect, self.excitation, in_channels)
        connect = self.connect if any(len(group) > 1 for group in self.kernels) else "parallel"
        return CTConfig(sizes, as_tuple(self.kernels), connect, self.pointwise and len(sizes) > 1, self.excitation)

    def build(self, channels: int, in_channels: int | None = None) -> CTModule:
        """Return a module with fresh weights; arguments and errors are those of `resolve`."""
        c = self.resolve(channels, in_channels)
        return CTModule(channels, c.sizes, c.kernels, c.connect, c.pointwise, c.excitation, in_channels)


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1."""
    return isinstance(value, int) and value > 0


def as_tuple(value: object) -> object:
    """Turn a list, and all lists inside it, into tuples."""
    return tuple(map(as_tuple, value)) if isinstance(value, list | tuple) else value


def check_config(config, ct_blocks: bool) -> None:
    """Raise ConfigError for an invalid value of a field that all configs have.

    Args:
        config: A ResNetConfig or InceptionConfig.
        ct_blocks: Whether its `ct_blocks` have the right form.
    """
    kind = type(config).__name__
    for key in ("num_classes", "num_frames", "width"):
        if not is_count(value := getattr(config, key)):
            raise ConfigError(f"{kind}: {key} must be a whole number of at least 1, not {value!r}")
    if not isinstance(config.dropout, int | float) or not 0 <= config.dropout <= 1:
        raise ConfigError(f"{kind}: dropout must be a number from 0 to 1, not {config.dropout!r}")
    if not isinstance(config.ct, CTConfig):
        raise ConfigError(f"{kind}: ct must be a CTConfig, not {config.ct!r}")
    if not ct_blocks:
        form = "names of convolutions" if kind == "InceptionConfig" else "one tuple of block numbers for each stage"
        raise ConfigError(f"{kind}: ct_blocks must be a tuple, {form}, not {config.ct_blocks!r}")


class FrameNetwork(nn.Module):
    """A 2-D backbone on each frame of a clip, whose logits are averaged over frames (the consensus of TSN).

    Attributes:
        config: The ResNetConfig or InceptionConfig that it was built from.
        name: Its name in the zoo, if `create_model` made it.
        fused: Whether `fuse` made it.

    Example:
        >>> network = create_model("ctnet_resnet50", num_classes=5)
        >>> network(torch.randn(2, 3, 8, 64, 64)).shape
        torch.Size([2, 5])
    """

    fused = False
    name: str | None = None

    def head(self, config, features: int) -> None:
        """Add the last layers: global average pooling, dropout and a linear layer on `features` channels."""
        self.config = config
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(features, config.num_classes)
        nn.init.normal_(self.fc.weight, std=0.001)
        nn.init.zeros_(self.fc.bias)

    def features(self, x: Tensor, frames: int) -> Tensor:
        """Map images (N*T, 3, H, W), `frames` = T of each clip, to the features before the average pooling."""
        raise NotImplementedError

    def forward(self, clips: Tensor) -> Tensor:
        """Classify clips.

        Args:
            clips: Float (N, 3, T, H, W), normalised by `ctnet.data.normalize`; any T.

        Returns:
            Logits (N, num_classes).

        Raises:
            ConfigError: The clips have another shape or dtype.
        """
        if clips.dim() != 5 or clips.shape[1] != 3:
            raise ConfigError(f"clips must be (N, 3, T, H, W), not {tuple(clips.shape)}")
        if not clips.is_floating_point():
            raise ConfigError(f"clips must be floats, as ctnet.data.normalize makes them, not {clips.dtype}")
        frames = clips.shape[2]
        x = frames_view(clips.contiguous(memory_format=torch.channels_last_3d))
        x = self.avgpool(self.features(x, frames)).flatten(1)
        return self.fc(self.dropout(x)).unflatten(0, (-1, frames)).mean(1)

    def fuse(self) -> "FrameNetwork":
        """A faster copy for inference, in eval mode, with the same logits up to rounding."""
        copy = fuse(self)
        copy.fused = True
        return copy
