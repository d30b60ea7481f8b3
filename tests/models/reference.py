"""The CT-Module written out from Eq. 1 to 8 of the paper; slow, and independent of `ctnet.models`.

Inside sub-operation k a clip is (N, G, Ck, T, H, W). Ck is the sub-dimension that interacts, and G runs over all the
others. A convolution is a loop over groups and kernel positions, so nothing here relies on `groups=`, on memory formats
or on 2-D kernels, as the library does.
"""

from itertools import product
from math import prod

import torch
from torch import Tensor

State = dict[str, Tensor]


def tensorised(channels: int, sizes: tuple[int, ...]) -> bool:
    """Whether the sizes split the channels."""
    return prod(sizes) == channels


def enter(x: Tensor, sizes: tuple[int, ...], k: int, channels: int) -> Tensor:
    """(N, C, T, H, W) -> (N, G, Ck, T, H, W). C is row-major over (CK, ..., C1): C1 is the innermost axis."""
    if tensorised(channels, sizes) and x.shape[1] == channels:
        axes = x.unflatten(1, sizes[::-1])  # N, CK, ..., C1, T, H, W
        x = axes.movedim(len(sizes) - k, len(sizes)).reshape(x.shape)
    groups = channels // sizes[k]  # if not tensorised: dense or depthwise; a first convolution may change C
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def leave(y: Tensor, sizes: tuple[int, ...], k: int) -> Tensor:
    """The inverse of `enter`."""
    channels = y.shape[1] * y.shape[2]
    if not tensorised(channels, sizes):
        return y.flatten(1, 2)
    others = [size for i, size in enumerate(sizes) if i != k][::-1]
    axes = y.reshape(y.shape[0], *others, sizes[k], *y.shape[3:])
    return axes.movedim(len(sizes), len(sizes) - k).flatten(1, len(sizes))


def convolve(y: Tensor, weight: Tensor, kernel: tuple[int, int, int]) -> Tensor:
    """Eq. 2 with zero padding: y (N, G, I, T, H, W), weight (G*O, I, ...) -> (N, G, O, T, H, W)."""
    n, groups, inputs, *extent = y.shape
    taps = weight.reshape(groups, -1, inputs, *kernel)
    out = y.new_zeros(n, groups, taps.shape[1], *extent)
    for shift in product(*(range(size) for size in kernel)):
        overlaps = [_overlap(shift[i] - kernel[i] // 2, extent[i]) for i in range(3)]
        seen, written = zip(*overlaps, strict=True)
        for g in range(groups):
            part = torch.einsum("oi,nithw->nothw", taps[(g, ..., *shift)], y[:, g][(..., *seen)])
            out[:, g][(..., *written)] += part
    return out


def _overlap(offset: int, extent: int) -> tuple[slice, slice]:
    """The positions that a kernel tap at `offset` reads, and those that it adds to; zeros are outside."""
    lo, hi = max(0, -offset), max(0, min(extent, extent - offset))
    return slice(lo + offset, max(lo, hi) + offset), slice(lo, max(lo, hi))


def norm(y: Tensor, state: State, name: str, training: bool, eps: float = 1e-5) -> Tensor:
    """Batch norm of (N, G, c, T, H, W) with the statistics of the batch (training) or the stored ones."""
    per_channel = (1, y.shape[1], y.shape[2], 1, 1, 1)
    if training:
        mean, var = y.mean((0, 3, 4, 5), keepdim=True), y.var((0, 3, 4, 5), unbiased=False, keepdim=True)
    else:
        mean, var = (state[f"{name}.running_{s}"].reshape(per_channel) for s in ("mean", "var"))
    scale, shift = (state[f"{name}.{s}"].reshape(per_channel) for s in ("weight", "bias"))
    return (y - mean) / (var + eps) ** 0.5 * scale + shift


def tensor_excitation(y: Tensor, state: State, name: str, kernel, pooled, training: bool) -> Tensor:
    """Eq. 6 to 8: y * sigmoid(TSConv(pool(y))), where TSConv is C -> C/4 -> C with BN and ReLU between."""
    mask = y.mean(pooled, keepdim=True)
    mask = convolve(mask, state[f"{name}.squeeze.conv.weight"], kernel)
    mask = norm(mask, state, f"{name}.squeeze.bn", training).clamp(min=0)
    return y * torch.sigmoid(convolve(mask, state[f"{name}.expand.conv.weight"], kernel))


def squeeze_excitation(y: Tensor, state: State, name: str) -> Tensor:
    """Squeeze-and-Excitation (Hu et al., 2020): all channels of a frame interact."""
    mask = y.mean((4, 5)).flatten(1, 2)  # N, C, T
    for layer, act in (("squeeze", torch.relu), ("expand", torch.sigmoid)):
        weight, bias = state[f"{name}.{layer}.conv.weight"].flatten(1), state[f"{name}.{layer}.conv.bias"]
        mask = act(torch.einsum("oc,nct->not", weight, mask) + bias[:, None])
    return y * mask.reshape(*y.shape[:4], 1, 1)


def ct_module(
    x: Tensor,
    state: State,
    sizes: tuple[int, ...],
    kernels: tuple[tuple[tuple[int, int, int], ...], ...],
    connect: str = "parallel",
    pointwise: bool = False,
    excitation: str | None = None,
    training: bool = False,
) -> Tensor:
    """Map x (N, C, T, H, W) to the same shape; `state` is that of a CTModule with the same arguments."""
    channels = state["ops.0.branches.0.conv.weight"].shape[0]
    for k, branches in enumerate(kernels):
        y = enter(x, sizes, k, channels)
        parts = []
        for j, kernel in enumerate(branches):
            name = f"ops.{k}.branches.{j}"
            part = convolve(y, state[f"{name}.conv.weight"], kernel)  # Eq. 3, Eq. 4
            part = norm(part, state, f"{name}.bn", training).clamp(min=0)
            if excitation == "te":
                pooled = (3,) if kernel[0] == 1 else (4, 5)  # Eq. 6 pools T, Eq. 7 pools H and W
                name = f"ops.{k}.excite_branches.{j}"
                part = tensor_excitation(part, state, name, kernel, pooled, training)
            parts.append(part)
            y = part if connect == "serial" else y
        y = parts[-1] if connect == "serial" else sum(parts)  # Eq. 5
        if excitation == "te":
            y = tensor_excitation(y, state, f"ops.{k}.excite", (1, 1, 1), (4, 5), training)  # Eq. 8
        elif excitation == "se":
            y = squeeze_excitation(y, state, f"ops.{k}.excite")
        x = leave(y, sizes, k)
        if pointwise and k < len(sizes) - 1:
            y = convolve(x[:, None], state[f"pointwise.{k}.conv.weight"], (1, 1, 1))
            x = norm(y, state, f"pointwise.{k}.bn", training).clamp(min=0)[:, 0]
    return x


def dense_weight(weight: Tensor, sizes: tuple[int, ...], k: int, kernel: tuple[int, int, int]) -> Tensor:
    """The kernel of Eq. 1 (C, C, t, h, w) that equals one of Eq. 2: zero unless only ck differs."""
    channels = prod(sizes)
    dense = weight.new_zeros(channels, channels, *kernel)
    weight = weight.reshape(channels, sizes[k], *kernel)
    for c in product(*(range(s) for s in sizes)):  # c = (c1, ..., cK)
        row = 0  # rows of `weight`: the other sub-dimensions from K down to 1, then ck
        for axis in [a for a in reversed(range(len(sizes))) if a != k] + [k]:
            row = row * sizes[axis] + c[axis]
        for i in range(sizes[k]):
            dense[_flat(c, sizes), _flat((*c[:k], i, *c[k + 1 :]), sizes)] = weight[row, i]
    return dense


def _flat(c: tuple[int, ...], sizes: tuple[int, ...]) -> int:
    """c1 + C1 * (c2 + C2 * (c3 + ...))"""
    index = 0
    for ck, size in zip(reversed(c), reversed(sizes), strict=True):
        index = index * size + ck
    return index
