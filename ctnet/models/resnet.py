"""ResNets over frames: TSN, TSM and CT-Net on ResNet-50, -101 (Section 3.3, Figure 2), built from a frozen config."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ctnet.errors import ConfigError
from ctnet.models.ct_module import CTModule, clips_view, frames_view
from ctnet.models.network import CTConfig, FrameNetwork, check_config, is_count

EVERY_SECOND = ((1,), (1, 3), (1, 3, 5), (1,))  # "one of every two ResBlocks": the seven CT-blocks of ResNet-50


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
