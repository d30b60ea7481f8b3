"""CT-Net-R50 as one would first write it: NCTHW memory, Conv3d layers only, and a copying permutation for each swap.

`make bench` measures against it, and tests use it as an independent second implementation of the whole network. Without
CT-blocks it is TSN-R50.
"""

import re

import torch
from torch import Tensor, nn

SIZES = {64: (8, 8), 128: (16, 8), 256: (16, 16), 512: (32, 16)}  # channels: (C1, C2)
CT_BLOCKS = {(0, 1), (1, 1), (1, 3), (2, 1), (2, 3), (2, 5), (3, 1)}  # (stage, block)
DEPTHS = (3, 4, 6, 3)  # blocks of each stage
SPATIAL, TEMPORAL, POINT = (1, 3, 3), (3, 1, 1), (1, 1, 1)  # kernels (T, H, W)


def _conv(cin: int, cout: int, kernel=POINT, stride=1, groups=1) -> nn.Conv3d:
    """Return a convolution without bias that keeps T, and keeps H and W at stride 1."""
    stride = (1, stride, stride)
    return nn.Conv3d(cin, cout, kernel, stride, [k // 2 for k in kernel], groups=groups, bias=False)


def _conv_bn(*args, **kwargs) -> nn.Sequential:
    """Return `_conv` followed by batch normalisation."""
    layer = _conv(*args, **kwargs)
    return nn.Sequential(layer, nn.BatchNorm3d(layer.out_channels))


class PlainExcitation(nn.Module):
    """Tensor excitation (Eq. 6-8) as a bottleneck: pool, squeeze, expand, and scale the input by the sigmoid.

    Args:
        channels: Channels of the input (N, C, T, H, W).
        size: Channels in each group.
        kernel: Kernel (T, H, W) of both convolutions.
        pooled: Dimensions of the input that are averaged first.
    """

    def __init__(self, channels: int, size: int, kernel, pooled):
        super().__init__()
        self.pooled, groups = pooled, channels // size
        self.squeeze = _conv_bn(channels, channels // 4, kernel, groups=groups)
        self.expand = _conv(channels // 4, channels, kernel, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Return the excited input, of the same shape."""
        return x * torch.sigmoid(self.expand(torch.relu(self.squeeze(x.mean(self.pooled, keepdim=True)))))


class PlainSubOperation(nn.Module):
    """Interaction along one sub-dimension: grouped spatial and temporal convolutions with their excitations.

    Args:
        channels: Channels of the input (N, C, T, H, W).
        size: Size of the sub-dimension, which is the number of channels in each group.
    """

    def __init__(self, channels: int, size: int):
        super().__init__()
        groups = channels // size
        self.spatial, self.temporal = (_conv_bn(channels, channels, k, groups=groups) for k in (SPATIAL, TEMPORAL))
        self.spatial_te = PlainExcitation(channels, size, SPATIAL, (2,))
        self.temporal_te = PlainExcitation(channels, size, TEMPORAL, (3, 4))
        self.channel_te = PlainExcitation(channels, size, POINT, (3, 4))

    def forward(self, x: Tensor) -> Tensor:
        """Return the result of the interaction, of the same shape."""
        spatial = self.spatial_te(torch.relu(self.spatial(x)))
        temporal = self.temporal_te(torch.relu(self.temporal(x)))
        return self.channel_te(spatial + temporal)


class PlainCTModule(nn.Module):
    """The CT-Module for K = 2 with tensor excitation and the point-wise convolution.

    Args:
        channels: A key of `SIZES`.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.c1, self.c2 = SIZES[channels]
        self.first, self.second = PlainSubOperation(channels, self.c1), PlainSubOperation(channels, self.c2)
        self.pointwise = _conv_bn(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both sub-operations to (N, C, T, H, W), with the sub-dimensions swapped for the second one."""
        x = torch.relu(self.pointwise(self.first(x)))
        x = x.unflatten(1, (self.c2, self.c1)).transpose(1, 2).flatten(1, 2)
        x = self.second(x)
        return x.unflatten(1, (self.c1, self.c2)).transpose(1, 2).flatten(1, 2)


class PlainBlock(nn.Module):
    """A bottleneck block of ResNet-50 over (N, C, T, H, W); `ct` puts the CT-Module in place of its 3x3 convolution."""

    def __init__(self, cin: int, width: int, stride: int, ct: bool):
        super().__init__()
        self.conv1, self.conv3 = _conv_bn(cin, width), _conv_bn(width, 4 * width)
        self.conv2 = PlainCTModule(width) if ct else nn.Sequential(_conv_bn(width, width, SPATIAL, stride), nn.ReLU())
        self.down = _conv_bn(cin, 4 * width, POINT, stride) if stride > 1 or cin != 4 * width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the block, with `4 * width` channels."""
        return torch.relu(self.down(x) + self.conv3(self.conv2(torch.relu(self.conv1(x)))))


class PlainNet(nn.Module):
    """CT-Net-R50 or TSN-R50: clips (N, 3, T, H, W) to logits (N, num_classes), averaged over frames.

    Args:
        num_classes: Number of classes.
        ct: Whether the blocks of `CT_BLOCKS` hold a CT-Module; without them it is TSN-R50.
    """

    def __init__(self, num_classes: int = 174, ct: bool = True):
        super().__init__()
        stem = _conv_bn(3, 64, (1, 7, 7), 2)
        layers = [stem, nn.ReLU(), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))]
        cin = 64
        for stage, depth in enumerate(DEPTHS):
            for i in range(depth):
                width = 64 * 2**stage
                stride = 2 if stage and not i else 1
                layers.append(PlainBlock(cin, width, stride, ct and (stage, i) in CT_BLOCKS))
                cin = 4 * width
        self.features, self.fc = nn.Sequential(*layers), nn.Linear(2048, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (N, num_classes) of clips (N, 3, T, H, W)."""
        return self.fc(self.features(clips).mean((3, 4)).transpose(1, 2)).mean(1)


RENAME = [  # from the names of ctnet's state dict to those of PlainNet, applied in this order
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
    """Build a PlainNet with the weights and the mode (training or evaluation) of a network.

    Args:
        net: A ctnet_resnet50 or tsn_resnet50 of full width and depth.

    Returns:
        The plain network, which computes the same function.
    """
    plain = PlainNet(net.fc.out_features, ct=any(".ct." in name for name in net.state_dict()))
    state = {}
    for name, value in net.state_dict().items():
        for pattern, new in RENAME:
            name = re.sub(pattern, new, name)
        state[name] = value.reshape(plain.get_parameter(name).shape) if value.dim() > 1 else value
    plain.load_state_dict(state)
    return plain.train(net.training)
