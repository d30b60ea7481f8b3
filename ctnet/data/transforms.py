"""Resize, crop and flip uint8 clips (C, T, H, W); `normalize` makes floats of them on the device.

All frames of a clip are treated alike. Boxes are (top, left, height, width), the same as in TSN's code and the authors'
release: to the pixel, or their accuracies would not be ours.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

Box = tuple[int, int, int, int]  # top, left, height, width
# (x, y) of the 13 training crops in quarters of the free room: corners, edges, centre, and the four quarter
# points
POSITIONS = (
    *((0, 0), (4, 0), (0, 4), (4, 4), (2, 2)),
    *((0, 2), (4, 2), (2, 4), (2, 0)),
    *((1, 1), (3, 1), (1, 3), (3, 3)),
)


def resize(clip: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(C, T, H, W) uint8 -> (C, T, height, width) uint8, bilinear with antialiasing.

    torchvision's resize of such tensors to the bit, and PIL's, which the authors' code uses, within 1 of 255.
    """
    if clip.shape[-2:] == (height, width):
        return clip
    frames = clip.transpose(0, 1)  # a view of (T, C, H, W): channels-last where the reader made it, the fast path
    return F.interpolate(frames, size=(height, width), mode="bilinear", antialias=True).transpose(0, 1)


def short_side(clip: torch.Tensor, size: int) -> torch.Tensor:
    """Scales so that the shorter side has `size` pixels; the aspect is kept, the longer side rounded down."""
    h, w = clip.shape[-2:]
    short = min(h, w)
    return resize(clip, h * size // short, w * size // short)


def crop(clip: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """A view of one box."""
    return clip[..., top : top + height, left : left + width]


def center_box(height: int, width: int, size: int) -> Box:
    """The central square; both sides must have at least `size` pixels."""
    return round((height - size) / 2), round((width - size) / 2), size, size


def three_boxes(height: int, width: int, size: int) -> list[Box]:
    """Left, centre, right; of an upright frame top, centre, bottom (the release: three times the centre).

    As in the release the places are whole quarters of the free room.
    """
    y, x = (height - size) // 4, (width - size) // 4
    places = [(2 * y, i * x) if width >= height else (i * y, 2 * x) for i in (0, 2, 4)]
    return [(top, left, size, size) for top, left in places]


def test_views(clip: torch.Tensor, clips: int, crops: int, size: int, side: int | None = None) -> torch.Tensor:
    """(C, clips*T, H, W) -> (clips*crops, C, T, size, size): short side to `side` (or `size`), then crops."""
    clip = short_side(clip, side or size)
    h, w = clip.shape[-2:]
    boxes = three_boxes(h, w, size) if crops == 3 else [center_box(h, w, size)]
    views = torch.stack([crop(clip, *box) for box in boxes])
    return views.unflatten(2, (clips, -1)).permute(2, 0, 1, 3, 4, 5).flatten(0, 1)


def multi_scale_box(height: int, width: int, size: int, scales: Sequence[float], generator: torch.Generator) -> Box:
    """One random training crop.

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
