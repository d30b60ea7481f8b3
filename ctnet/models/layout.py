"""How clips lie in memory and in which order their channels lie: views between shapes, and the swap of sub-dimensions.

Clips are (N, C, T, H, W) in channels-last memory, (N, T, H, W, C), so the two views and the pooling copy nothing.
"""

from collections.abc import Sequence

from torch import Tensor, nn


def frames_view(x: Tensor) -> Tensor:
    """View clips (N, C, T, H, W) as frames (N*T, C, H, W)."""
    return x.transpose(1, 2).flatten(0, 1)


def clips_view(x: Tensor, frames: int) -> Tensor:
    """View frames (N*T, C, H, W) as clips (N, C, T, H, W); the inverse of `frames_view`."""
    return x.unflatten(0, (-1, frames)).transpose(1, 2)


def pool(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Average clips (N, C, T, H, W) over `axes`, keep these with size 1, and stay in channels-last memory."""
    return x.movedim(1, -1).mean([axis - 1 for axis in axes], keepdim=True).movedim(-1, 1)


class Swap(nn.Module):
    """Reorder channels so that one sub-dimension is the innermost axis, or back.

    Channels are row-major over (C_K, .., C_2, C_1): C_1 is the innermost axis, the one that a grouped convolution
    works on. A swap copies the features, so `ctnet.models.fuse` replaces it by a new order of weights where it can.

    Args:
        sizes: (C_1, .., C_K).
        k: The sub-dimension `sizes[k]`, counted from 0.
        back: Undo the swap.
    """

    def __init__(self, sizes: Sequence[int], k: int, back: bool = False):
        super().__init__()
        self.about = f"sizes={tuple(sizes)}, k={k}, back={back}"
        self.shape = list(sizes[::-1])  # (C_K, .., C_1)
        innermost, axis = len(sizes) - 1, len(sizes) - 1 - k
        self.source, self.target = axis, innermost
        if back:
            self.shape.append(self.shape.pop(axis))
            self.source, self.target = innermost, axis

    def forward(self, x: Tensor, dim: int = 1) -> Tensor:
        """Reorder axis `dim`, which has size C; the shape stays the same."""
        x = x.unflatten(dim, self.shape).movedim(dim + self.source, dim + self.target)
        return x.flatten(dim, dim + len(self.shape) - 1)

    def extra_repr(self) -> str:
        """What `print` shows in the brackets."""
        return self.about
