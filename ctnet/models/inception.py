"""InceptionV3 on frames, as TSN and as CT-Net (Table 8)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from ctnet.errors import ConfigError
from ctnet.models.ct_module import CTModule
from ctnet.models.layout import clips_view, frames_view
from ctnet.models.network import CTConfig, FrameNetwork, check_config

# The convolutions that CT-Modules replace. The paper does not say which; this choice gives its 43.9 GFLOPs and 20.9 M.
CHOSEN_SITES = (
    "Mixed_5c.branch5x5_2",
    "Mixed_5c.branch3x3dbl_2",
    "Mixed_5c.branch3x3dbl_3",
    "Mixed_7c.branch3x3dbl_2",
)

# A block is {branch: steps}. A step is a convolution (suffix of its name, output channels at width 64, kernel[,
# stride]), a pooling "avg" or "max", or a list of convolutions side by side.


def _mixed_a(pool):
    return {
        "branch1x1": [("", 64, 1)],
        "branch5x5": [("_1", 48, 1), ("_2", 64, 5)],
        "branch3x3dbl": [("_1", 64, 1), ("_2", 96, 3), ("_3", 96, 3)],
        "branch_pool": ["avg", ("", pool, 1)],
    }


def _mixed_b():
    return {
        "branch3x3": [("", 384, 3, 2)],
        "branch3x3dbl": [("_1", 64, 1), ("_2", 96, 3), ("_3", 96, 3, 2)],
        "branch_pool": ["max"],
    }


def _mixed_c(c):
    row, col = (1, 7), (7, 1)
    return {
        "branch1x1": [("", 192, 1)],
        "branch7x7": [("_1", c, 1), ("_2", c, row), ("_3", 192, col)],
        "branch7x7dbl": [("_1", c, 1), ("_2", c, col), ("_3", c, row), ("_4", c, col), ("_5", 192, row)],
        "branch_pool": ["avg", ("", 192, 1)],
    }


def _mixed_d():
    return {
        "branch3x3": [("_1", 192, 1), ("_2", 320, 3, 2)],
        "branch7x7x3": [("_1", 192, 1), ("_2", 192, (1, 7)), ("_3", 192, (7, 1)), ("_4", 192, 3, 2)],
        "branch_pool": ["max"],
    }


def _mixed_e():
    return {
        "branch1x1": [("", 320, 1)],
        "branch3x3": [("_1", 384, 1), [("_2a", 384, (1, 3)), ("_2b", 384, (3, 1))]],
        "branch3x3dbl": [("_1", 448, 1), ("_2", 384, 3), [("_3a", 384, (1, 3)), ("_3b", 384, (3, 1))]],
        "branch_pool": ["avg", ("", 192, 1)],
    }


MIXED = {
    "Mixed_5b": _mixed_a(32), "Mixed_5c": _mixed_a(64), "Mixed_5d": _mixed_a(64),
    "Mixed_6a": _mixed_b(),
    "Mixed_6b": _mixed_c(128), "Mixed_6c": _mixed_c(160), "Mixed_6d": _mixed_c(160), "Mixed_6e": _mixed_c(192),
    "Mixed_7a": _mixed_d(),
    "Mixed_7b": _mixed_e(), "Mixed_7c": _mixed_e(),
}  # fmt: skip
STEM_OUT = 192  # channels that enter the first block


@dataclass(frozen=True)
class InceptionConfig:
    """An InceptionV3 on frames.

    Attributes:
        num_classes: Number of logits.
        num_frames: Frames T that `ctnet.cost` assumes; the network takes any number.
        width: 64 is InceptionV3; 32 halves the channels of every layer.
        ct_blocks: Names of the convolutions that the module `ct` replaces, such as "Mixed_5c.branch5x5_2".
        ct: The module that replaces them.
        dropout: Dropout rate before the last layer.

    Raises:
        ConfigError: A value is invalid.

    Example:
        >>> network = InceptionConfig(num_classes=5, width=32, ct_blocks=CHOSEN_SITES).build()
    """

    num_classes: int = 174
    num_frames: int = 8
    width: int = 64
    ct_blocks: tuple[str, ...] = ()
    ct: CTConfig = CTConfig()
    dropout: float = 0.3

    def __post_init__(self):
        names = self.ct_blocks
        check_config(self, isinstance(names, tuple | list) and all(isinstance(n, str) for n in names))
        if self.width < 2:
            raise ConfigError(
                f"InceptionConfig: width must be at least 2, not {self.width}: the first layer would have no channels"
            )

    def ct_sites(self) -> dict[str, tuple[int, int]]:
        """Where the CT-Modules are: name of the convolution -> (input channels, output channels) of its module.

        Raises:
            ConfigError: A name is not that of a convolution, or is that of one of several side by side.
        """
        sites = {f"{m}.{b}{s[0]}" for m, bs in MIXED.items() for b, ss in bs.items() for s in ss if type(s) is tuple}
        if unknown := set(self.ct_blocks) - sites:
            raise ConfigError(f"ct_blocks {sorted(unknown)} are no convolutions of InceptionV3")
        return {name: pair for name, pair in _channels(self.width).items() if name in self.ct_blocks}

    def build(self) -> "InceptionV3":
        """The network, with fresh weights."""
        return InceptionV3(self)


def _scaled(channels: int, width: int) -> int:
    """Channels of a layer that has `channels` of them at width 64."""
    return channels * width // 64


def _channels(width: int) -> dict[str, tuple[int, int]]:
    """(input channels, output channels) of each convolution in the Mixed blocks, and of each block, by name."""
    found, block_in = {}, _scaled(STEM_OUT, width)
    for block, branches in MIXED.items():
        block_out = 0
        for branch, steps in branches.items():
            c = block_in
            for step in steps:
                if isinstance(step, str):
                    continue
                forks = step if isinstance(step, list) else [step]
                made = {f"{block}.{branch}{suffix}": (c, _scaled(c_out, width)) for suffix, c_out, *_ in forks}
                found |= made
                c = sum(c_out for _, c_out in made.values())
            block_out += c
        found[block] = block_in, block_out
        block_in = block_out
    return found


class ConvBNReLU(nn.Module):
    """torchvision's BasicConv2d, or a CT-Module in its place.

    Args:
        c_in: Input channels.
        c_out: Output channels.
        kernel: Its side, or (h, w).
        stride: Stride. Above 1 the input is not padded; at 1 it is padded such that H and W stay.
        padding: Padding that replaces this default.
        ct: The CT-Module; the other arguments are then ignored.
    """

    def __init__(self, c_in, c_out, kernel, stride=1, padding=None, ct: CTModule | None = None):
        super().__init__()
        self.ct = ct
        if ct is None:
            kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
            if padding is None:
                padding = (0, 0) if stride > 1 else (kernel[0] // 2, kernel[1] // 2)
            self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False)
            self.bn = nn.BatchNorm2d(c_out, eps=0.001)
            nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Map (N*T, c_in, H, W), frames = T, to (N*T, c_out, H', W')."""
        if self.ct is not None:
            return frames_view(self.ct(clips_view(x, frames)))
        return self.bn(self.conv(x)).relu_()


class Mixed(nn.Module):
    """A block of InceptionV3: branches side by side, whose outputs are concatenated.

    Args:
        name: A key of MIXED.
        config: The config of the network.
    """

    def __init__(self, name: str, config: InceptionConfig):
        super().__init__()
        channels, sites = _channels(config.width), config.ct_sites()
        self.plan = []  # for each branch its steps: a pooling, or the names of convolutions side by side
        for branch, steps in MIXED[name].items():
            path = []
            for step in steps:
                if isinstance(step, str):
                    path.append(step)
                    continue
                forks = step if isinstance(step, list) else [step]
                for suffix, _, kernel, *stride in forks:
                    site = f"{name}.{branch}{suffix}"
                    c_in, c_out = channels[site]
                    ct = config.ct.build(c_out, c_in) if site in sites else None
                    self.add_module(branch + suffix, ConvBNReLU(c_in, c_out, kernel, *stride, ct=ct))
                path.append([branch + suffix for suffix, *_ in forks])
            self.plan.append(path)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Map (N*T, C_in, H, W), frames = T, to (N*T, C_out, H', W')."""
        return torch.cat([self._branch(path, x, frames) for path in self.plan], dim=1)

    def _branch(self, path: list, x: Tensor, frames: int) -> Tensor:
        for step in path:
            if step == "avg":
                x = avg_pool2d(x, 3, 1, 1)
            elif step == "max":
                x = max_pool2d(x, 3, 2)
            else:
                outputs = [getattr(self, name)(x, frames) for name in step]
                x = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]
        return x


class InceptionV3(FrameNetwork):
    """InceptionV3 on frames, without the auxiliary head; its layers have the names of torchvision.

    Frames have at least 75 x 75 pixels, 299 x 299 in the paper.

    Args:
        config: Width, and which convolutions are replaced by CT-Modules.

    Example:
        >>> InceptionV3(InceptionConfig(num_classes=5, width=8))(torch.randn(1, 3, 8, 80, 80)).shape
        torch.Size([1, 5])
    """

    def __init__(self, config: InceptionConfig):
        super().__init__()
        w = [3, *(_scaled(c, config.width) for c in (32, 32, 64, 80, STEM_OUT))]
        self.Conv2d_1a_3x3 = ConvBNReLU(w[0], w[1], 3, 2)
        self.Conv2d_2a_3x3 = ConvBNReLU(w[1], w[2], 3, padding=0)
        self.Conv2d_2b_3x3 = ConvBNReLU(w[2], w[3], 3)
        self.Conv2d_3b_1x1 = ConvBNReLU(w[3], w[4], 1)
        self.Conv2d_4a_3x3 = ConvBNReLU(w[4], w[5], 3, padding=0)
        self.maxpool = nn.MaxPool2d(3, 2)
        for name in MIXED:
            self.add_module(name, Mixed(name, config))
        self.head(config, _channels(config.width)[name][1])

    def features(self, x: Tensor, frames: int) -> Tensor:
        """Map images (N*T, 3, H, W), frames = T, to features (N*T, 32 * width, h, w); h = w = 8 at 299 x 299.

        Raises:
            ConfigError: The images are smaller than 75 x 75.
        """
        if min(x.shape[2:]) < 75:
            raise ConfigError(f"InceptionV3 needs inputs of at least 75 x 75, not {x.shape[2]} x {x.shape[3]}")
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x, frames), frames), frames)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool(x), frames), frames)
        x = self.maxpool(x)
        for name in MIXED:
            x = getattr(self, name)(x, frames)
        return x
