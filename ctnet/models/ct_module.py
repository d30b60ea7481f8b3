"""The CT-Module of Section 3: channel tensorization (3.1) and tensor excitation (3.2).

Where each equation of the paper is computed:

    Eq. 1     dense convolution over all C_1 x .. x C_K channels    TSConv with groups = 1 and the kernel FULL
              (the module that has nothing else: sizes (C,), kernels ((FULL,),), which is C3D)
    Eq. 2     X_k from X_{k-1}, one sub-dimension after the other   CTModule.forward; TSConv with groups = C / C_k
    Eq. 3, 4  spatial and temporal convolution                      TSConv with the kernel SPATIAL or TEMPORAL
    Eq. 5     their sum                                             SubOperation.forward
    Eq. 6, 7  spatial and temporal excitation                       TensorExcitation of each convolution's output
    Eq. 8     channel excitation                                    TensorExcitation of the sum

Features are clips (N, C, T, H, W). The code counts sub-dimensions from 0: `sizes[k]` is C_{k+1}.
"""

from collections.abc import Sequence
from math import log2, prod

from torch import Tensor, nn

from ctnet.errors import ConfigError
from ctnet.models.layout import Swap, clips_view, frames_view, pool

Kernel = tuple[int, int, int]
SPATIAL, TEMPORAL, POINT, FULL = (1, 3, 3), (3, 1, 1), (1, 1, 1), (3, 3, 3)
PARALLEL = (SPATIAL, TEMPORAL)
REDUCTION = 4  # C -> C/4 -> C in tensor excitation


class TSConv(nn.Module):
    """Tensor separable convolution on one sub-dimension of size C_k, with batch norm and ReLU (Eq. 2 to 4).

    Only the C_k channels that agree in all other sub-indices interact. With C_k as the innermost channel axis this is
    a grouped convolution with C / C_k groups; with one group it is the dense convolution of Eq. 1. Zero padding keeps
    T, H and W. A spatial kernel (1, h, w) runs over N*T images and a temporal one (t, 1, 1) over maps of T by H*W,
    both in 2-D; any other kernel runs in 3-D.

    Args:
        c_in: Input channels.
        c_out: Output channels.
        groups: C / C_k.
        kernel: (t, h, w).
        norm: Add batch norm.
        relu: Add ReLU.
        bias: Give the convolution a bias.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        groups: int,
        kernel: Kernel,
        norm: bool = True,
        relu: bool = True,
        bias: bool = False,
    ):
        super().__init__()
        t, h, w = kernel
        self.axes = "space" if t == 1 else "time" if (h, w) == (1, 1) else "both"
        conv, bn = (nn.Conv3d, nn.BatchNorm3d) if self.axes == "both" else (nn.Conv2d, nn.BatchNorm2d)
        size = {"space": (h, w), "time": (t, 1), "both": kernel}[self.axes]
        padding = tuple(s // 2 for s in size)
        self.conv = conv(c_in, c_out, size, padding=padding, groups=groups, bias=bias)
        self.bn = bn(c_out) if norm else nn.Identity()
        self.act = nn.ReLU(inplace=True) if relu else nn.Identity()
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, T, H, W) to (N, c_out, T, H, W)."""
        t, h, w = x.shape[2:]
        if self.axes == "space":  # S-TSConv, Eq. 3
            return clips_view(self.act(self.bn(self.conv(frames_view(x)))), t)
        if self.axes == "time":  # T-TSConv, Eq. 4
            return self.act(self.bn(self.conv(x.flatten(3)))).unflatten(3, (h, w))
        return self.act(self.bn(self.conv(x)))


class TensorExcitation(nn.Module):
    """Multiply x by sigmoid(TSConv(pool(x))), on the sub-dimension of the convolution before it (Eq. 6 to 8).

    The kernel decides which axes are pooled: SPATIAL pools T (Eq. 6), TEMPORAL pools H and W (Eq. 7), POINT pools H
    and W too and looks at each frame alone (Eq. 8). The equations write one TSConv. Figure 4 draws a bottleneck of two,
    C -> C/4 -> C with BN and ReLU between them, and only that matches the paper's parameter counts.

    Args:
        channels: Number of channels (C).
        groups: C / C_k.
        kernel: SPATIAL, TEMPORAL or POINT.
    """

    def __init__(self, channels: int, groups: int, kernel: Kernel):
        super().__init__()
        self.pooled = (2,) if kernel == SPATIAL else (3, 4)
        self.squeeze = TSConv(channels, channels // REDUCTION, groups, kernel)
        self.expand = TSConv(channels // REDUCTION, channels, groups, kernel, norm=False, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to the same shape."""
        return x * self.expand(self.squeeze(pool(x, self.pooled))).sigmoid()


class SqueezeExcitation(nn.Module):
    """Squeeze-and-Excitation of each frame (Hu et al., 2020), compared with tensor excitation in Table 2g.

    Args:
        channels: C; all of them interact, through C -> C/16 -> C.
        reduction: 16.
    """

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.squeeze = TSConv(channels, hidden, 1, POINT, norm=False, bias=True)
        self.expand = TSConv(hidden, channels, 1, POINT, norm=False, relu=False, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to the same shape."""
        return x * self.expand(self.squeeze(pool(x, (3, 4)))).sigmoid()


class SubOperation(nn.Module):
    """The step from X_{k-1} to X_k: all that happens on one sub-dimension (Eq. 3 to 8).

    Args:
        c_in: Channels of X_{k-1}; C, except where the module changes the number of channels.
        channels: Number of channels (C).
        size: C_k.
        kernels: One kernel for each convolution, such as `PARALLEL`.
        connect: `parallel` (Eq. 5) or `serial`.
        excitation: None, `te` (Eq. 6 to 8) or `se`.
    """

    def __init__(
        self, c_in: int, channels: int, size: int, kernels: Sequence[Kernel], connect: str, excitation: str | None
    ):
        super().__init__()
        groups = channels // size
        self.serial = connect == "serial"
        ins = [c_in] + [channels if self.serial else c_in] * (len(kernels) - 1)
        self.branches = nn.ModuleList(TSConv(c, channels, groups, k) for c, k in zip(ins, kernels, strict=True))
        self.excite_branches = nn.ModuleList(nn.Identity() for _ in kernels)
        self.excite = nn.Identity()
        if excitation == "te":
            self.excite_branches = nn.ModuleList(
                TensorExcitation(channels, groups, TEMPORAL if branch.axes == "time" else SPATIAL)
                for branch in self.branches
            )
            self.excite = TensorExcitation(channels, groups, POINT)
        elif excitation == "se":
            self.excite = SqueezeExcitation(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map X_{k-1} (N, c_in, T, H, W), C_k innermost, to X_k (N, C, T, H, W)."""
        parts = []
        for convolve, excite in zip(self.branches, self.excite_branches, strict=True):
            part = convolve(x)  # X^S_k, X^T_k: Eq. 3, 4
            part = excite(part)  # U_k, V_k: Eq. 6, 7
            parts.append(part)
            if self.serial:
                x = part
        total = parts[-1] if self.serial else sum(parts[:-1], parts[-1])  # R_k = U_k + V_k: Eq. 5
        return self.excite(total)  # X_k: Eq. 8


class CTModule(nn.Module):
    """The CT-Module: K sub-operations, one for each sub-dimension of the channels (Eq. 2, Figure 2).

    C3D, R(2+1)D and CSN are special cases (Section 3.3, Discussion).

    Args:
        channels: C, the number of output channels.
        sizes: (C_1, .., C_K) with product C; or each of them 1 or C, without tensorization.
        kernels: For each sub-operation its kernels (t, h, w): `((1, 3, 3), (3, 1, 1))` for a spatial and a temporal
            convolution, a single kernel for a coupled one.
        connect: `parallel` (Eq. 5) or `serial`: how the convolutions of a sub-operation are connected.
        pointwise: Add a dense 1x1x1 convolution after each sub-operation but the last (Figure 2).
        excitation: None, `te` for tensor excitation (Eq. 6 to 8) or `se` for Squeeze-and-Excitation.
        in_channels: Number of input channels, if it is not C; then the first sub-operation changes it.

    Raises:
        ConfigError: Sizes, kernels or names do not fit together.

    Example:
        >>> module = CTModule(64, (8, 8), (PARALLEL, PARALLEL), pointwise=True, excitation="te")
        >>> module(torch.randn(2, 64, 8, 14, 14)).shape
        torch.Size([2, 64, 8, 14, 14])
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
        check_module(channels, sizes, kernels, connect, excitation, in_channels)
        self.sizes = tuple(sizes)
        last = len(sizes) - 1
        ins = [in_channels or channels] + [channels] * last
        self.ops = nn.ModuleList(
            SubOperation(c, channels, s, ks, connect, excitation) for c, s, ks in zip(ins, sizes, kernels, strict=True)
        )
        self.pointwise = nn.ModuleList(TSConv(channels, channels, 1, POINT) for _ in range(last if pointwise else 0))
        swaps = [k > 0 and prod(sizes) == channels for k in range(len(sizes))]  # C_1 is the innermost axis already
        self.swap_in = nn.ModuleList(Swap(sizes, k) if swap else nn.Identity() for k, swap in enumerate(swaps))
        self.swap_out = nn.ModuleList(Swap(sizes, k, True) if swap else nn.Identity() for k, swap in enumerate(swaps))

    def forward(self, x: Tensor) -> Tensor:
        """Map clips (N, in_channels, T, H, W) to (N, C, T, H, W): Eq. 2 from X_0 = x to X_K."""
        for k, op in enumerate(self.ops):
            x = self.swap_in[k](x)
            x = op(x)
            x = self.swap_out[k](x)
            if k < len(self.pointwise):
                x = self.pointwise[k](x)
        return x


def check_module(
    channels: int,
    sizes: Sequence[int],
    kernels: Sequence[Sequence[Kernel]],
    connect: str = "parallel",
    excitation: str | None = None,
    in_channels: int | None = None,
) -> None:
    """Raise ConfigError where a CTModule with these arguments cannot be built."""
    if any(not isinstance(n, int) or n < 1 for n in (channels, *sizes)):
        raise ConfigError(f"channels {channels!r} and sizes {tuple(sizes)} must be whole numbers of at least 1")
    if not sizes or not (prod(sizes) == channels or all(s in (1, channels) for s in sizes)):
        raise ConfigError(f"sizes {tuple(sizes)} multiply to {prod(sizes)}, not to the {channels} channels")
    if len(kernels) != len(sizes):
        raise ConfigError(f"{len(sizes)} sizes need as many groups of kernels, not {len(kernels)}")
    if connect not in ("parallel", "serial") or excitation not in (None, "te", "se"):
        raise ConfigError(f"connect '{connect}' or excitation '{excitation}' is unknown")
    if in_channels and in_channels % (channels // sizes[0]):
        raise ConfigError(f"{in_channels} input channels do not divide into {channels // sizes[0]} groups")
    for size in sizes if excitation == "te" else ():
        if channels % REDUCTION or (channels // REDUCTION) % (channels // size):
            raise ConfigError(f"tensor excitation needs sizes divisible by {REDUCTION}, not {size} (of {channels})")


def balanced_sizes(channels: int, num_sizes: int) -> tuple[int, ...]:
    """Split channels into sub-dimensions of nearly equal size, the largest first (Table 2d, sqrt(C)).

    Args:
        channels: Number of channels (C).
        num_sizes: Number of sub-dimensions (K).

    Returns:
        (C_1, .., C_K) with product C.

    Raises:
        ConfigError: C has no such split, or a number is below 1.

    Example:
        >>> balanced_sizes(128, 2)
        (16, 8)
    """
    if num_sizes < 1 or channels < 1:
        raise ConfigError(f"{channels} channels in {num_sizes} sizes: both must be at least 1")
    if num_sizes == 1:
        return (channels,)
    last = 2 ** int(log2(channels) / num_sizes)
    if channels % last:
        raise ConfigError(f"{channels} channels cannot be split into {num_sizes} balanced sizes; give the sizes")
    return (*balanced_sizes(channels // last, num_sizes - 1), last)
