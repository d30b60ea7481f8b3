"""The CT-Module: channel tensorization and tensor excitation (Section 3, Eq. 1-8).

Shapes: clips are (N, C, T, H, W), kept in channels-last memory (N, T, H, W, C), so that both views below cost nothing.
The channel index is row-major over (C_K, .., C_2, C_1) with C_1 fastest.
"""

from collections.abc import Sequence
from math import log2, prod

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ctnet.errors import ConfigError

Kernel = tuple[int, int, int]
SPATIAL, TEMPORAL, POINT, FULL = (1, 3, 3), (3, 1, 1), (1, 1, 1), (3, 3, 3)
PARALLEL = (SPATIAL, TEMPORAL)


def balanced_sizes(channels: int, num_sizes: int) -> tuple[int, ...]:
    """C = C_1 x .. x C_K with near-equal sizes, the largest first: 128, 2 -> (16, 8). Table 2d's rounded sqrt(C)."""
    if num_sizes < 1 or channels < 1:
        raise ConfigError(f"{channels} channels in {num_sizes} sizes: both must be at least 1")
    if num_sizes == 1:
        return (channels,)
    last = 2 ** int(log2(channels) / num_sizes)
    if channels % last:
        raise ConfigError(f"{channels} channels cannot be split into {num_sizes} balanced sizes; give the sizes")
    return (*balanced_sizes(channels // last, num_sizes - 1), last)


def frames_view(x: Tensor) -> Tensor:
    """(N, C, T, H, W) -> (N*T, C, H, W); a view in channels-last memory."""
    return x.transpose(1, 2).flatten(0, 1)


def clips_view(x: Tensor, frames: int) -> Tensor:
    """(N*T, C, H, W) -> (N, C, T, H, W); a view, the inverse of `frames_view`."""
    return x.unflatten(0, (-1, frames)).transpose(1, 2)


def pool(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The mean over `axes` of (N, C, T, H, W), each kept with size 1; channels-last, so that the views are free."""
    return x.movedim(1, -1).mean([axis - 1 for axis in axes], keepdim=True).movedim(-1, 1)


class TSConv(nn.Module):
    """Tensor separable convolution on one sub-dimension of size C_k (Eq. 2; S-TSConv Eq. 3, T-TSConv Eq. 4).

    Only the C_k channels that share all other sub-indices interact, so it is a grouped convolution with C / C_k
    groups once C_k is the innermost channel axis. (N, C_in, T, H, W) -> (N, C_out, T, H, W), padded to keep T, H, W.
    A spatial kernel (1, h, w) runs over N*T images, a temporal one (t, 1, 1) over (T, H*W) maps, others in 3-D.
    BN and ReLU follow, before the view back: what stands beside a convolution can be fused with it.
    """

    def __init__(self, c_in, c_out, groups: int, kernel: Kernel, norm=True, relu=True, bias=False):
        super().__init__()
        t, h, w = kernel
        self.kernel = kernel
        self.axes = "space" if t == 1 else "time" if (h, w) == (1, 1) else "both"
        conv, bn = (nn.Conv3d, nn.BatchNorm3d) if self.axes == "both" else (nn.Conv2d, nn.BatchNorm2d)
        size = {"space": (h, w), "time": (t, 1), "both": kernel}[self.axes]
        pad = tuple(s // 2 for s in size)
        self.conv = conv(c_in, c_out, size, padding=pad, groups=groups, bias=bias)
        self.bn = bn(c_out) if norm else nn.Identity()
        self.act = nn.ReLU(inplace=True) if relu else nn.Identity()
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        t, h, w = x.shape[2:]
        if self.axes == "space":
            return clips_view(self.act(self.bn(self.conv(frames_view(x)))), t)
        if self.axes == "time":
            return self.act(self.bn(self.conv(x.flatten(3)))).unflatten(3, (h, w))
        return self.act(self.bn(self.conv(x)))

    def fold_bn(self):
        if not isinstance(self.bn, nn.Identity):
            self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()


class TensorExcitation(nn.Module):
    """x * sigmoid(TSConv(Pool(x))) on the sub-dimension of the convolution before it (Eq. 6-8, Figure 4).

    The pooled axes and the kernel go together: spatial attention pools T (Eq. 6), temporal attention pools H, W
    (Eq. 7), channel attention pools H, W and looks at each frame alone (Eq. 8). The one TSConv of the equations is
    a bottleneck of two, C -> C/4 -> C with BN and ReLU between, as in Figure 4 and as the paper's parameter counts
    demand.
    """

    def __init__(self, channels: int, groups: int, kernel: Kernel, reduction: int = 4):
        super().__init__()
        if channels % reduction or (channels // reduction) % groups:
            size = channels // groups
            raise ConfigError(f"tensor excitation needs sizes divisible by {reduction}, not {size} (of {channels})")
        self.pooled = (2,) if kernel == SPATIAL else (3, 4)
        self.squeeze = TSConv(channels, channels // reduction, groups, kernel)
        self.expand = TSConv(channels // reduction, channels, groups, kernel, norm=False, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.expand(self.squeeze(pool(x, self.pooled))).sigmoid()


class SqueezeExcitation(nn.Module):
    """The rival of TE in Table 2g (Hu et al., 2020): dense, C -> C/16 -> C, over H, W of each frame."""

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.squeeze = TSConv(channels, hidden, 1, POINT, norm=False, bias=True)
        self.expand = TSConv(hidden, channels, 1, POINT, norm=False, relu=False, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.expand(self.squeeze(pool(x, (3, 4)))).sigmoid()


class SubOperation(nn.Module):
    """X_{k-1} -> X_k: the convolutions of one sub-dimension (Eq. 3-5) and their excitation (Eq. 6-8)."""

    def __init__(self, c_in, channels, size, kernels: Sequence[Kernel], connect: str, excitation: str | None):
        super().__init__()
        groups = channels // size
        self.connect = connect
        ins = [c_in] + [c_in if connect == "parallel" else channels] * (len(kernels) - 1)
        self.branches = nn.ModuleList(TSConv(c, channels, groups, k) for c, k in zip(ins, kernels, strict=True))
        self.excite_branches = nn.ModuleList()
        self.excite = nn.Identity()
        if excitation == "te":
            self.excite_branches.extend(
                TensorExcitation(channels, groups, TEMPORAL if b.axes == "time" else SPATIAL) for b in self.branches
            )
            self.excite = TensorExcitation(channels, groups, POINT)
        elif excitation == "se":
            self.excite = SqueezeExcitation(channels)

    def branch(self, j: int, x: Tensor) -> Tensor:
        x = self.branches[j](x)
        return self.excite_branches[j](x) if self.excite_branches else x  # U_k, V_k: Eq. 6, 7

    def forward(self, x: Tensor) -> Tensor:
        if self.connect == "serial":
            for j in range(len(self.branches)):
                x = self.branch(j, x)
        else:
            x = sum(self.branch(j, x) for j in range(1, len(self.branches))) + self.branch(0, x)  # Eq. 5
        return self.excite(x)  # Eq. 8


class CTModule(nn.Module):
    """K sub-operations, one for each sub-dimension of the channels (Eq. 2), on clips (N, C, T, H, W).

    channels: C of the output · sizes: (C_1, .., C_K) with product C, or each one 1 or C (no tensorization) ·
    kernels: for each sub-operation its kernels, `((1,3,3), (3,1,1))` for S and T, one kernel for a coupled
    convolution · connect: `parallel` (Eq. 5) or `serial` · pointwise: a dense 1x1x1 convolution after every
    sub-operation but the last (Figure 2) · excitation: None, `te` (Eq. 6-8) or `se` · in_channels: if not C, the first
    sub-operation changes the width. C3D, R(2+1)D and CSN are special cases (Section 3.3, Discussion).

    Raises ConfigError where sizes, kernels or names do not fit together.
    """

    def __init__(
        self,
        channels: int,
        sizes: Sequence[int],
        kernels: Sequence[Sequence[Kernel]],
        connect: str = "parallel",
        pointwise: bool = False,
        excitation: str | None = None,
        in_channels: int | None = None,
    ):
        super().__init__()
        if any(not isinstance(n, int) or n < 1 for n in (channels, *sizes)):
            raise ConfigError(f"channels {channels!r} and sizes {tuple(sizes)} must be whole numbers of at least 1")
        self.tensorized = prod(sizes) == channels
        if not sizes or not (self.tensorized or all(s in (1, channels) for s in sizes)):
            raise ConfigError(f"sizes {tuple(sizes)} multiply to {prod(sizes)}, not to the {channels} channels")
        if len(kernels) != len(sizes):
            raise ConfigError(f"{len(sizes)} sizes need as many groups of kernels, not {len(kernels)}")
        if connect not in ("parallel", "serial") or excitation not in (None, "te", "se"):
            raise ConfigError(f"connect '{connect}' or excitation '{excitation}' is unknown")
        if in_channels and in_channels % (channels // sizes[0]):
            raise ConfigError(f"{in_channels} input channels do not divide into {channels // sizes[0]} groups")
        self.sizes = tuple(sizes)
        last = len(sizes) - 1
        # where the swap of sub-dimensions happens at run time; `fold_swaps` moves it into neighbouring weights
        self.enter = [self.tensorized and k > 0 for k in range(len(sizes))]
        self.leave = list(self.enter)
        ins = [in_channels or channels] + [channels] * last
        self.ops = nn.ModuleList(
            SubOperation(c, channels, s, ks, connect, excitation) for c, s, ks in zip(ins, sizes, kernels, strict=True)
        )
        self.pointwise = nn.ModuleList(TSConv(channels, channels, 1, POINT) for _ in range(last if pointwise else 0))

    def forward(self, x: Tensor) -> Tensor:
        for k, op in enumerate(self.ops):  # X_0 = x, .., X_K
            x = op(self.innermost(x, k) if self.enter[k] else x)
            x = self.innermost(x, k, back=True) if self.leave[k] else x
            if k < len(self.pointwise):
                x = self.pointwise[k](x)
        return x

    def innermost(self, x: Tensor, k: int, back: bool = False, dim: int = 1) -> Tensor:
        """(.., C, ..) with channels as (C_K, .., C_1) -> the same with C_{k+1} as the fastest axis, and back."""
        axes = self.sizes[::-1]
        axis = dim + len(axes) - 1 - k
        end = dim + len(axes) - 1
        if back:
            axes = axes[: axis - dim] + axes[axis - dim + 1 :] + (axes[axis - dim],)
            axis, end = end, axis
        return x.unflatten(dim, axes).movedim(axis, end).flatten(dim, dim + len(axes) - 1)

    @torch.no_grad()
    def fold_swaps(self, after: nn.Conv2d | None = None):
        """Moves each swap into the dense 1x1 convolution beside it: the order of its weights, not a copy at run time.

        after: the dense convolution that reads the module's output, if there is one.
        """
        for k in range(len(self.ops)):
            if self.enter[k] and self.pointwise:
                conv = self.pointwise[k - 1].conv
                conv.weight.copy_(self.innermost(conv.weight, k, dim=0))
                conv.bias.copy_(self.innermost(conv.bias, k, dim=0))
                self.enter[k] = False
            conv = self.pointwise[k].conv if k < len(self.pointwise) else after if k == len(self.ops) - 1 else None
            if self.leave[k] and conv is not None:
                conv.weight.copy_(self.innermost(conv.weight, k, dim=1))
                self.leave[k] = False
