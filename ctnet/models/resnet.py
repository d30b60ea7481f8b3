"""ResNets on frames: TSN, TSM and CT-Net with ResNet-50 and ResNet-101 (Section 3.3, Figure 2)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ctnet.errors import ConfigError
from ctnet.models.ct_module import CTModule
from ctnet.models.layout import clips_view, frames_view
from ctnet.models.network import CTConfig, FrameNetwork, check_config, is_count

EVERY_SECOND = ((1,), (1, 3), (1, 3, 5), (1,))  # "one of every two ResBlocks": the seven CT-blocks of ResNet-50


@dataclass(frozen=True)
class ResNetConfig:
    """A ResNet on frames.

    Attributes:
        num_classes: Number of logits.
        num_frames: Frames T that `ctnet.cost` assumes; the network takes any number.
        width: Channels of the stem, 64 in the paper; the blocks of stage i have width * 2^i of them inside.
        depths: Number of blocks in each stage.
        ct_blocks: For each stage the blocks, counted from 0, that hold the module `ct`. Block 0 cannot.
        ct: The module of the CT-blocks.
        shift: TSM: shift an eighth of the channels by a frame in each direction.
        dropout: Dropout rate before the last layer.

    Raises:
        ConfigError: A value is invalid.

    Example:
        >>> network = ResNetConfig(num_classes=5, width=16, ct_blocks=EVERY_SECOND).build()
    """

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

    def ct_sites(self) -> dict[str, tuple[int, int]]:
        """Where the CT-Modules are: name of the block -> (input channels, output channels) of its module.

        Raises:
            ConfigError: A CT-block does not exist or has stride 2.
        """
        if len(self.depths) != len(self.ct_blocks):
            raise ConfigError(f"depths {self.depths} and ct_blocks {self.ct_blocks} must name the same stages")
        sites = {}
        for stage, (chosen, depth) in enumerate(zip(self.ct_blocks, self.depths, strict=True)):
            if any(not 0 < i < depth for i in chosen):
                raise ConfigError(
                    f"ct_blocks {chosen} of stage {stage + 1}: a CT-block has stride 1, 0 < index < {depth}"
                )
            channels = self.width * 2**stage
            sites |= {f"layer{stage + 1}.{i}": (channels, channels) for i in sorted(chosen)}
        return sites

    def build(self) -> "ResNet":
        """The network, with fresh weights."""
        return ResNet(self)


def temporal_shift(x: Tensor, frames: int, fraction: int = 8) -> Tensor:
    """Shift some channels in time (TSM).

    Args:
        x: (N*T, C, H, W).
        frames: Number of frames (T).
        fraction: C / fraction channels come from the next frame, as many from the frame before, the rest stay. Zeros
            come from outside the clip.

    Returns:
        (N*T, C, H, W).
    """
    x = x.unflatten(0, (-1, frames))
    fold = x.shape[2] // fraction
    later, earlier, rest = x.split([fold, fold, x.shape[2] - 2 * fold], dim=2)
    later = nn.functional.pad(later[:, 1:], (0, 0, 0, 0, 0, 0, 0, 1))
    earlier = nn.functional.pad(earlier[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0))
    return torch.cat([later, earlier, rest], dim=2).flatten(0, 1)


def _conv(c_in: int, c_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution with padding, without bias, as ResNet uses and initialises it."""
    layer = nn.Conv2d(c_in, c_out, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


class Block(nn.Module):
    """A bottleneck block of ResNet on frames; in a CT-block a CT-Module replaces the 3x3 convolution (Figure 2).

    Args:
        c_in: Input channels.
        channels: Channels inside the block, a quarter of its output channels.
        stride: Stride of the 3x3 convolution, 1 or 2.
        ct: The CT-Module, in a CT-block.
        shift: Whether to shift the input in time (TSM).
    """

    expansion = 4

    def __init__(self, c_in: int, channels: int, stride: int, ct: CTModule | None, shift: bool):
        super().__init__()
        c_out = channels * self.expansion
        self.shift = shift
        self.conv1, self.bn1 = _conv(c_in, channels, 1), nn.BatchNorm2d(channels)
        if ct is None:
            self.conv2, self.bn2 = _conv(channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.ct = ct
        self.conv3, self.bn3 = _conv(channels, c_out, 1), nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(_conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Map (N*T, c_in, H, W), frames = T, to (N*T, 4 * channels, H / stride, W / stride)."""
        y = temporal_shift(x, frames) if self.shift else x
        y = self.bn1(self.conv1(y)).relu_()
        y = self.bn2(self.conv2(y)).relu_() if self.ct is None else frames_view(self.ct(clips_view(y, frames)))
        y = self.bn3(self.conv3(y))
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()


class ResNet(FrameNetwork):
    """ResNet-50 or ResNet-101 on frames; its layers have the names of torchvision.

    Args:
        config: Width, depths, and what stands in which block.

    Example:
        >>> config = ResNetConfig(num_classes=5, width=16, depths=(1, 1), ct_blocks=((), ()))
        >>> ResNet(config)(torch.randn(1, 3, 8, 64, 64)).shape
        torch.Size([1, 5])
    """

    def __init__(self, config: ResNetConfig):
        super().__init__()
        sites = config.ct_sites()
        self.conv1, self.bn1 = _conv(3, config.width, 7, 2), nn.BatchNorm2d(config.width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        c_in = config.width
        self.stages = [f"layer{stage + 1}" for stage in range(len(config.depths))]
        for stage, (name, depth) in enumerate(zip(self.stages, config.depths, strict=True)):
            channels = config.width * 2**stage
            blocks = nn.ModuleList()
            for i in range(depth):
                ct = config.ct.build(channels) if f"{name}.{i}" in sites else None
                blocks.append(Block(c_in, channels, 2 if stage and not i else 1, ct, config.shift))
                c_in = channels * Block.expansion
            self.add_module(name, blocks)
        self.head(config, c_in)

    def features(self, x: Tensor, frames: int) -> Tensor:
        """Map images (N*T, 3, H, W), frames = T, to features (N*T, 32 * width, H / 32, W / 32), for four stages."""
        x = self.maxpool(self.bn1(self.conv1(x)).relu_())
        for stage in self.stages:
            for block in getattr(self, stage):
                x = block(x, frames)
        return x
