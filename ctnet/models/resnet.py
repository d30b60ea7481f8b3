"""ResNets over frames: TSN, TSM and CT-Net on ResNet-50, -101 (Section 3.3, Figure 2), built from a frozen config."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ctnet.errors import ConfigError
from ctnet.models.ct_module import (
    SPATIAL,
    TEMPORAL,
    CTModule,
    Kernel,
    balanced_sizes,
    clips_view,
    frames_view,
)

EVERY_SECOND = ((1,), (1, 3), (1, 3, 5), (1,))  # "one of every two ResBlocks": the seven CT-blocks of ResNet-50
PARALLEL = (SPATIAL, TEMPORAL)


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


@dataclass(frozen=True)
class ResNetConfig:
    """width: channels of the stem (64) · depths: blocks in each stage · ct_blocks: in each stage, which blocks hold
    the module `ct` · shift: TSM's shift of 1/8 of the channels each way · dropout: before the last layer."""

    num_classes: int = 174
    num_frames: int = 8
    width: int = 64
    depths: tuple[int, ...] = (3, 4, 6, 3)
    ct_blocks: tuple[tuple[int, ...], ...] = ((), (), (), ())
    ct: CTConfig = CTConfig()
    shift: bool = False
    dropout: float = 0.3

    def __post_init__(self):
        if not isinstance(self.depths, tuple | list) or not self.depths or not all(map(is_count, self.depths)):
            raise ConfigError(f"ResNetConfig: depths must be a tuple, blocks of each stage, not {self.depths!r}")
        stages = self.ct_blocks if isinstance(self.ct_blocks, tuple | list) else [None]
        check_config(self, all(isinstance(s, tuple | list) and all(isinstance(i, int) for i in s) for s in stages))

    def build(self) -> "ResNet":
        return ResNet(self)


def temporal_shift(x: Tensor, frames: int, fraction: int = 8) -> Tensor:
    """(N*T, C, H, W): C/8 channels come from the next frame, C/8 from the one before, zeros at the ends (TSM)."""
    x = x.unflatten(0, (-1, frames))
    fold = x.shape[2] // fraction
    later, earlier, rest = x.split([fold, fold, x.shape[2] - 2 * fold], dim=2)
    later = nn.functional.pad(later[:, 1:], (0, 0, 0, 0, 0, 0, 0, 1))
    earlier = nn.functional.pad(earlier[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0))
    return torch.cat([later, earlier, rest], dim=2).flatten(0, 1)


def conv(c_in: int, c_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(c_in, c_out, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


class Block(nn.Module):
    """A bottleneck of ResNet over frames, (N*T, C, H, W); in a CT-block its 3x3 convolution is a CT-Module (Fig. 2)."""

    expansion = 4

    def __init__(self, c_in: int, channels: int, stride: int, ct: CTModule | None, shift: bool):
        super().__init__()
        c_out = channels * self.expansion
        self.shift = shift
        self.conv1, self.bn1 = conv(c_in, channels, 1), nn.BatchNorm2d(channels)
        if ct is None:
            self.conv2, self.bn2 = conv(channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.ct = ct
        self.conv3, self.bn3 = conv(channels, c_out, 1), nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        y = temporal_shift(x, frames) if self.shift else x
        y = self.bn1(self.conv1(y)).relu_()
        y = self.bn2(self.conv2(y)).relu_() if self.ct is None else frames_view(self.ct(clips_view(y, frames)))
        y = self.bn3(self.conv3(y))
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()

    def fold_bn(self):
        for i in "123" if self.ct is None else "13":
            setattr(self, f"conv{i}", fuse_conv_bn_eval(getattr(self, f"conv{i}"), getattr(self, f"bn{i}")))
            setattr(self, f"bn{i}", nn.Identity())
        if self.downsample is not None:
            self.downsample = nn.Sequential(fuse_conv_bn_eval(*self.downsample), nn.Identity())


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


class ResNet(FrameNetwork):
    """ResNet-50/101 on frames with torchvision's names, and CT-Modules where the config says so."""

    def __init__(self, config: ResNetConfig):
        super().__init__()
        if len(config.depths) != len(config.ct_blocks):
            raise ConfigError(f"depths {config.depths} and ct_blocks {config.ct_blocks} must name the same stages")
        for stage, (chosen, depth) in enumerate(zip(config.ct_blocks, config.depths, strict=True), 1):
            if any(not 0 < i < depth for i in chosen):
                raise ConfigError(f"ct_blocks {chosen} of stage {stage}: a CT-block has stride 1, 0 < index < {depth}")
        self.conv1, self.bn1 = conv(3, config.width, 7, 2), nn.BatchNorm2d(config.width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        c_in = config.width
        self.stages = [f"layer{stage + 1}" for stage in range(len(config.depths))]
        for stage, depth in enumerate(config.depths):
            channels = config.width * 2**stage
            blocks = nn.ModuleList()
            for i in range(depth):
                ct = config.ct.build(channels) if i in config.ct_blocks[stage] else None
                blocks.append(Block(c_in, channels, 2 if stage and not i else 1, ct, config.shift))
                c_in = channels * Block.expansion
            self.add_module(self.stages[stage], blocks)
        self.head(config, c_in)

    def features(self, x: Tensor, frames: int) -> Tensor:
        """(N*T, 3, H, W) -> (N*T, 32 width, H/32, W/32)"""
        x = self.maxpool(self.bn1(self.conv1(x)).relu_())
        for stage in self.stages:
            for block in getattr(self, stage):
                x = block(x, frames)
        return x

    def fold_bn(self):
        self.conv1, self.bn1 = fuse_conv_bn_eval(self.conv1, self.bn1), nn.Identity()
