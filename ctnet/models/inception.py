"""InceptionV3 over frames, as TSN and as CT-Net (Table 8), with torchvision's names, built from a frozen config."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ctnet.errors import ConfigError
from ctnet.models.ct_module import CTModule, clips_view, frames_view
from ctnet.models.network import CTConfig, FrameNetwork, check_config

# Where CT-Modules stand: a choice that prints both 43.9 G and 20.9 M, not a recovered truth (the paper does not say).
CHOSEN_SITES = (
    "Mixed_5c.branch5x5_2",
    "Mixed_5c.branch3x3dbl_2",
    "Mixed_5c.branch3x3dbl_3",
    "Mixed_7c.branch3x3dbl_2",
)

# A step is (suffix of the name, channels, kernel[, stride]); a branch is a name and its steps; "pool" pools first.
# A last step that is a list forks into convolutions side by side.


def mixed_a(pool):
    return {
        "branch1x1": [("", 64, 1)],
        "branch5x5": [("_1", 48, 1), ("_2", 64, 5)],
        "branch3x3dbl": [("_1", 64, 1), ("_2", 96, 3), ("_3", 96, 3)],
        "branch_pool": ["avg", ("", pool, 1)],
    }


def mixed_b():
    return {
        "branch3x3": [("", 384, 3, 2)],
        "branch3x3dbl": [("_1", 64, 1), ("_2", 96, 3), ("_3", 96, 3, 2)],
        "branch_pool": ["max"],
    }


def mixed_c(c):
    row, col = (1, 7), (7, 1)
    return {
        "branch1x1": [("", 192, 1)],
        "branch7x7": [("_1", c, 1), ("_2", c, row), ("_3", 192, col)],
        "branch7x7dbl": [("_1", c, 1), ("_2", c, col), ("_3", c, row), ("_4", c, col), ("_5", 192, row)],
        "branch_pool": ["avg", ("", 192, 1)],
    }


def mixed_d():
    return {
        "branch3x3": [("_1", 192, 1), ("_2", 320, 3, 2)],
        "branch7x7x3": [("_1", 192, 1), ("_2", 192, (1, 7)), ("_3", 192, (7, 1)), ("_4", 192, 3, 2)],
        "branch_pool": ["max"],
    }


def mixed_e():
    return {
        "branch1x1": [("", 320, 1)],
        "branch3x3": [("_1", 384, 1), [("_2a", 384, (1, 3)), ("_2b", 384, (3, 1))]],
        "branch3x3dbl": [("_1", 448, 1), ("_2", 384, 3), [("_3a", 384, (1, 3)), ("_3b", 384, (3, 1))]],
        "branch_pool": ["avg", ("", 192, 1)],
    }


MIXED = {
    "Mixed_5b": mixed_a(32), "Mixed_5c": mixed_a(64), "Mixed_5d": mixed_a(64),
    "Mixed_6a": mixed_b(),
    "Mixed_6b": mixed_c(128), "Mixed_6c": mixed_c(160), "Mixed_6d": mixed_c(160), "Mixed_6e": mixed_c(192),
    "Mixed_7a": mixed_d(),
    "Mixed_7b": mixed_e(), "Mixed_7c": mixed_e(),
}  # fmt: skip


@dataclass(frozen=True)
class InceptionConfig:
    """width: 64 is InceptionV3, 32 halves every layer · ct_blocks: the convolutions that CT-Modules replace."""

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
            raise ConfigError(f"InceptionConfig: width must be at least 2, not {self.width}: no channel is left of 32")

    def build(self) -> "InceptionV3":
        return InceptionV3(self)


class ConvBNReLU(nn.Module):
    """(N*T, C, H, W); torchvision's BasicConv2d, or a CT-Module in its place."""

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
        if self.ct is not None:
            return frames_view(self.ct(clips_view(x, frames)))
        return self.bn(self.conv(x)).relu_()

    def fold_bn(self):
        if self.ct is None:
            self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()


class Mixed(nn.Module):
    """Branches side by side, concatenated: (N*T, C_in, H, W) -> (N*T, C_out, H', W')."""

    def __init__(self, name: str, c_in: int, config: InceptionConfig):
        super().__init__()
        self.plan, self.c_out = [], 0

        def add(branch, step, c):
            suffix, c_out, kernel, *stride = step
            c_out = c_out * config.width // 64
            ct = config.ct.build(c_out, c) if f"{name}.{branch}{suffix}" in config.ct_blocks else None
            self.add_module(branch + suffix, ConvBNReLU(c, c_out, kernel, *stride, ct=ct))
            return branch + suffix, c_out

        for branch, steps in MIXED[name].items():
            path, c = [], c_in
            for step in steps:
                if isinstance(step, list):
                    names, widths = zip(*[add(branch, s, c) for s in step], strict=True)
                    c = sum(widths)
                    path.append(names)
                elif isinstance(step, tuple):
                    added, c = add(branch, step, c)
                    path.append(added)
                else:
                    path.append(step)
            self.plan.append(path)
            self.c_out += c

    def forward(self, x: Tensor, frames: int) -> Tensor:
        return torch.cat([self.branch(path, x, frames) for path in self.plan], dim=1)

    def branch(self, path, x: Tensor, frames: int) -> Tensor:
        for step in path:
            if step == "avg":
                x = avg_pool2d(x, 3, 1, 1)
            elif step == "max":
                x = max_pool2d(x, 3, 2)
            elif isinstance(step, tuple):
                x = torch.cat([getattr(self, s)(x, frames) for s in step], dim=1)
            else:
                x = getattr(self, step)(x, frames)
        return x


class InceptionV3(FrameNetwork):
    """InceptionV3 without the auxiliary head; inputs of at least 75 x 75, 299 x 299 in the paper."""

    def __init__(self, config: InceptionConfig):
        super().__init__()
        sites = {f"{m}.{b}{s[0]}" for m, bs in MIXED.items() for b, ss in bs.items() for s in ss if type(s) is tuple}
        if strange := set(config.ct_blocks) - sites:
            raise ConfigError(f"ct_blocks {sorted(strange)} are no convolutions of InceptionV3")
        w = [3, *(c * config.width // 64 for c in (32, 32, 64, 80, 192))]
        self.Conv2d_1a_3x3 = ConvBNReLU(w[0], w[1], 3, 2)
        self.Conv2d_2a_3x3 = ConvBNReLU(w[1], w[2], 3, padding=0)
        self.Conv2d_2b_3x3 = ConvBNReLU(w[2], w[3], 3)
        self.Conv2d_3b_1x1 = ConvBNReLU(w[3], w[4], 1)
        self.Conv2d_4a_3x3 = ConvBNReLU(w[4], w[5], 3, padding=0)
        self.maxpool = nn.MaxPool2d(3, 2)
        c_in = w[5]
        for name in MIXED:
            self.add_module(name, Mixed(name, c_in, config))
            c_in = getattr(self, name).c_out
        self.head(config, c_in)

    def features(self, x: Tensor, frames: int) -> Tensor:
        """(N*T, 3, H, W) -> (N*T, 2048, h, w); 8 x 8 of 299 x 299."""
        if min(x.shape[2:]) < 75:
            raise ConfigError(f"InceptionV3 needs inputs of at least 75 x 75, not {x.shape[2]} x {x.shape[3]}")
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x, frames), frames), frames)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool(x), frames), frames)
        x = self.maxpool(x)
        for name in MIXED:
            x = getattr(self, name)(x, frames)
        return x
