"""CT-Net-R50 as one would first write it: NCTHW, Conv3d everywhere, a copying permute for each swap.

What `make bench` measures against, and a second check of the whole network; with no CT-blocks it is TSN-R50.
"""

import re

import torch
from torch import Tensor, nn

SIZES = {64: (8, 8), 128: (16, 8), 256: (16, 16), 512: (32, 16)}  # (C1, C2)
CT_BLOCKS = {(0, 1), (1, 1), (1, 3), (2, 1), (2, 3), (2, 5), (3, 1)}  # (stage, block)
DEPTHS = (3, 4, 6, 3)
S, T, P = (1, 3, 3), (3, 1, 1), (1, 1, 1)


def conv(cin: int, cout: int, kernel=P, stride=1, groups=1) -> nn.Conv3d:
    stride = (1, stride, stride)
    return nn.Conv3d(cin, cout, kernel, stride, [k // 2 for k in kernel], groups=groups, bias=False)


def conv_bn(*args, **kwargs) -> nn.Sequential:
    layer = conv(*args, **kwargs)
    return nn.Sequential(layer, nn.BatchNorm3d(layer.out_channels))


class Excitation(nn.Module):
    """Eq. 6-8 in bottleneck form."""

    def __init__(self, channels: int, size: int, kernel, pooled):
        super().__init__()
        self.pooled, groups = pooled, channels // size
        self.squeeze = conv_bn(channels, channels // 4, kernel, groups=groups)
        self.expand = conv(channels // 4, channels, kernel, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.expand(torch.relu(self.squeeze(x.mean(self.pooled, keepdim=True)))))


class SubOperation(nn.Module):
    def __init__(self, channels: int, size: int):
        super().__init__()
        groups = channels // size
        self.spatial, self.temporal = (conv_bn(channels, channels, k, groups=groups) for k in (S, T))
        self.spatial_te = Excitation(channels, size, S, (2,))
        self.temporal_te = Excitation(channels, size, T, (3, 4))
        self.channel_te = Excitation(channels, size, P, (3, 4))

    def forward(self, x: Tensor) -> Tensor:
        spatial = self.spatial_te(torch.relu(self.spatial(x)))
        temporal = self.temporal_te(torch.relu(self.temporal(x)))
        return self.channel_te(spatial + temporal)


class Module(nn.Module):
    """The CT-Module for K = 2 with TE and the point-wise convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.c1, self.c2 = SIZES[channels]
        self.first, self.second = SubOperation(channels, self.c1), SubOperation(channels, self.c2)
        self.pointwise = conv_bn(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.pointwise(self.first(x)))
        x = x.unflatten(1, (self.c2, self.c1)).transpose(1, 2).flatten(1, 2)
        x = self.second(x)
        return x.unflatten(1, (self.c1, self.c2)).transpose(1, 2).flatten(1, 2)


class Block(nn.Module):
    def __init__(self, cin: int, width: int, stride: int, ct: bool):
        super().__init__()
        self.conv1, self.conv3 = conv_bn(cin, width), conv_bn(width, 4 * width)
        self.conv2 = Module(width) if ct else nn.Sequential(conv_bn(width, width, S, stride), nn.ReLU())
        self.down = conv_bn(cin, 4 * width, P, stride) if stride > 1 or cin != 4 * width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.down(x) + self.conv3(self.conv2(torch.relu(self.conv1(x)))))


class PlainNet(nn.Module):
    """clips (N, 3, T, H, W) -> logits averaged over frames (N, num_classes)."""

    def __init__(self, num_classes: int = 174, ct: bool = True):
        super().__init__()
        stem = conv_bn(3, 64, (1, 7, 7), 2)
        layers = [stem, nn.ReLU(), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))]
        cin = 64
        for stage, depth in enumerate(DEPTHS):
            for i in range(depth):
                width = 64 * 2**stage
                stride = 2 if stage and not i else 1
                layers.append(Block(cin, width, stride, ct and (stage, i) in CT_BLOCKS))
                cin = 4 * width
        self.features, self.fc = nn.Sequential(*layers), nn.Linear(2048, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        return self.fc(self.features(clips).mean((3, 4)).transpose(1, 2)).mean(1)


RENAME = [
    (r"^(conv1|bn1)\.", lambda m: f"features.0.{'01'[m[1] == 'bn1']}."),
    (r"^layer(\d)\.(\d+)\.", lambda m: f"features.{3 + sum(DEPTHS[: int(m[1]) - 1]) + int(m[2])}."),
    (r"(features\.\d+)\.conv([13])\.", r"\1.conv\2.0."),
    (r"(features\.\d+)\.bn([13])\.", r"\1.conv\2.1."),
    (r"\.conv2\.", ".conv2.0.0."),
    (r"\.bn2\.", ".conv2.0.1."),
    (r"\.downsample\.", ".down."),
    (r"\.ct\.pointwise\.0\.", ".ct.pointwise."),
    (r"\.ct\.ops\.(\d)\.", lambda m: f".ct.{('first', 'second')[int(m[1])]}."),
    (r"\.(excite_)?branches\.0\.", lambda m: ".spatial_te." if m[1] else ".spatial."),
    (r"\.(excite_)?branches\.1\.", lambda m: ".temporal_te." if m[1] else ".temporal."),
    (r"\.excite\.", ".channel_te."),
    (r"\.expand\.conv\.", ".expand."),
    (r"\.ct\.(.+)\.conv\.", r".ct.\1.0."),
    (r"\.ct\.(.+)\.bn\.", r".ct.\1.1."),
    (r"\.ct\.", ".conv2."),
]


def load_plain(net: nn.Module) -> PlainNet:
    """A PlainNet with the weights and the mode of a ctnet_resnet50 or tsn_resnet50."""
    plain = PlainNet(net.fc.out_features, ct=any(".ct." in name for name in net.state_dict()))
    state = {}
    for name, value in net.state_dict().items():
        for pattern, new in RENAME:
            name = re.sub(pattern, new, name)
        state[name] = value.reshape(plain.get_parameter(name).shape) if value.dim() > 1 else value
    plain.load_state_dict(state)
    return plain.train(net.training)
