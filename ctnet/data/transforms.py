"""Resize, crop and flip uint8 clips (C, T, H, W); `normalize` makes floats of them on the device.

All frames of a clip are treated alike. The boxes of the training crop are those of TSN's multi-scale crop.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB
STD = (0.229, 0.224, 0.225)

# (x, y) of the 13 training crops in quarters of the free room: corners, edges, centre, and the four quarter
# points
POSITIONS = (
    *((0, 0), (4, 0), (0, 4), (4, 4), (2, 2)),
    *((0, 2), (4, 2), (2, 4), (2, 0)),
    *((1, 1), (3, 1), (1, 3), (3, 3)),
)


def normalize(clips: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """uint8 (..., 3, T, H, W) -> float, /255, less ImageNet's mean, over its deviation, on its device."""
    mean, std = (torch.tensor(v, device=clips.device).view(3, 1, 1, 1) for v in (MEAN, STD))
    return ((clips.float() - mean * 255) / (std * 255)).to(dtype)


def resize(clip: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(C, T, H, W) uint8 -> (C, T, height, width) uint8, bilinear with antialiasing."""
    if clip.shape[-2:] == (height, width):
        return clip
    frames = clip.transpose(0, 1)  # a view of (T, C, H, W): channels-last where the reader made it, the fast path
    return F.interpolate(frames, size=(height, width), mode="bilinear", antialias=True).transpose(0, 1)


def short_side(clip: torch.Tensor, size: int) -> torch.Tensor:
    """Scales so that the shorter side has `size` pixels; the aspect is kept."""
    h, w = clip.shape[-2:]
    short = min(h, w)
    return resize(clip, max(size, round(h * size / short)), max(size, round(w * size / short)))


def crop(clip: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """A view of one box."""
    return clip[..., top : top + height, left : left + width]


def center_crop(clip: torch.Tensor, size: int) -> torch.Tensor:
    """The central square; both sides must have at least `size` pixels."""
    h, w = clip.shape[-2:]
    return crop(clip, (h - size) // 2, (w - size) // 2, size, size)


def three_crops(clip: torch.Tensor, size: int) -> torch.Tensor:
    """(C, T, H, W) -> (3, C, T, size, size): left, centre, right (or top, centre, bottom)."""
    h, w = clip.shape[-2:]
    boxes = [((h - size) * i // 2, (w - size) * i // 2) for i in range(3)]
    if w >= h:
        boxes = [((h - size) // 2, left) for _, left in boxes]
    else:
        boxes = [(top, (w - size) // 2) for top, _ in boxes]
    return torch.stack([crop(clip, top, left, size, size) for top, left in boxes])


def test_views(clip: torch.Tensor, clips: int, crops: int, size: int, side: int | None = None) -> torch.Tensor:
    """(C, clips*T, H, W) -> (clips*crops, C, T, size, size): short side to `side` (or `size`), then crops."""
    clip = short_side(clip, side or size)
    boxes = three_crops(clip, size) if crops == 3 else center_crop(clip, size)[None]
    return boxes.unflatten(2, (clips, -1)).permute(2, 0, 1, 3, 4, 5).flatten(0, 1)


def multi_scale_box(
    height: int, width: int, size: int, scales: Sequence[float], generator: torch.Generator
) -> tuple[int, int, int, int]:
    """(top, left, height, width) of one random training crop.

    Sides are the short side times a scale, the two scales at most one step apart; the place is one of 13. A
    side within 3 pixels of `size` is taken as `size`, which spares a resize.
    """
    sides = [int(min(height, width) * s) for s in scales]
    sides = [size if abs(s - size) < 3 and size <= min(height, width) else s for s in sides]
    pairs = [(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= 1]
    pick, place = torch.randint(2**31, (2,), generator=generator).tolist()
    h, w = pairs[pick % len(pairs)]
    x, y = POSITIONS[place % len(POSITIONS)]
    return y * ((height - h) // 4), x * ((width - w) // 4), h, w


def multi_scale_crop(
    clip: torch.Tensor, size: int, scales: Sequence[float], generator: torch.Generator
) -> torch.Tensor:
    """One random crop of TSN's training, resized to (size, size)."""
    box = multi_scale_box(*clip.shape[-2:], size, scales, generator)
    return resize(crop(clip, *box), size, size)


def random_flip(
    clip: torch.Tensor, label: int, labels: Sequence[int | None] | None, generator: torch.Generator
) -> tuple[torch.Tensor, int]:
    """Mirrors left and right half of the time, with the label of what is then seen.

    labels: the label map (`None` in it: such clips have no mirrored class and stay); None: no label changes.
    """
    flipped = label if labels is None else labels[label]
    if torch.rand((), generator=generator) < 0.5 or flipped is None:
        return clip, label
    return clip.flip(-1), flipped
