"""Resize, crop and flip uint8 clips (C, T, H, W); `ctnet.clips.normalize` turns them into floats on the device.

All frames of a clip are treated alike. A box is (top, left, height, width). Boxes agree to the pixel with TSN's code
and the authors' release; otherwise their accuracies would not be comparable with ours.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

Box = tuple[int, int, int, int]  # top, left, height, width
# (x, y) of the 13 training crops, in quarters of the free space: corners and centre, edges, and four points between
_POSITIONS = (
    *((0, 0), (4, 0), (0, 4), (4, 4), (2, 2)),
    *((0, 2), (4, 2), (2, 4), (2, 0)),
    *((1, 1), (3, 1), (1, 3), (3, 3)),
)


def resize(clip: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize with bilinear interpolation and antialiasing.

    The result is equal to torchvision's. It differs by at most 1 of 255 from PIL's, which the authors' code uses.

    Args:
        clip: uint8, (C, T, H, W).
        height, width: New size in pixels.

    Returns:
        uint8, (C, T, height, width).
    """
    if clip.shape[-2:] == (height, width):
        return clip
    frames = clip.transpose(0, 1)  # (T, C, H, W), channels-last if the reader made it: the fast path
    return F.interpolate(frames, size=(height, width), mode="bilinear", antialias=True).transpose(0, 1)


def short_side(clip: torch.Tensor, size: int) -> torch.Tensor:
    """Resize (C, T, H, W) so that the shorter side has `size` pixels; the longer side is rounded down."""
    h, w = clip.shape[-2:]
    short = min(h, w)
    return resize(clip, h * size // short, w * size // short)


def crop(clip: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """Return the view of one box, (..., height, width)."""
    return clip[..., top : top + height, left : left + width]


def center_box(height: int, width: int, size: int) -> Box:
    """Return the central square of side `size` of a frame that is at least as large."""
    return round((height - size) / 2), round((width - size) / 2), size, size


def three_boxes(height: int, width: int, size: int) -> list[Box]:
    """Return the three squares of side `size` of the test protocols with 3 crops.

    The positions are whole quarters of the free space, as in the release. For an upright frame the release takes the
    centre three times; here the squares are spread along the longer side.

    Args:
        height, width: Size of the frame, at least `size`.
        size: Side of the squares in pixels.

    Returns:
        Left, centre and right; for an upright frame top, centre and bottom.
    """
    y, x = (height - size) // 4, (width - size) // 4
    places = [(2 * y, i * x) if width >= height else (i * y, 2 * x) for i in (0, 2, 4)]
    return [(top, left, size, size) for top, left in places]


def test_views(clip: torch.Tensor, clips: int, crops: int, size: int, side: int | None = None) -> torch.Tensor:
    """Resize and crop a video into the views of a test protocol.

    Args:
        clip: All clips of the video in a row, uint8, (C, clips * T, H, W).
        clips: Number of temporal clips.
        crops: 3 for `three_boxes`, 1 for `center_box`.
        size: Side of the crops in pixels.
        side: The shorter side of the frame is resized to this first; `size` by default.

    Returns:
        uint8, (clips * crops, C, T, size, size), all crops of the first clip first.
    """
    clip = short_side(clip, side or size)
    h, w = clip.shape[-2:]
    boxes = three_boxes(h, w, size) if crops == 3 else [center_box(h, w, size)]
    views = torch.stack([crop(clip, *box) for box in boxes])  # (crops, C, clips * T, size, size)
    return views.unflatten(2, (clips, -1)).permute(2, 0, 1, 3, 4, 5).flatten(0, 1)


def multi_scale_box(height: int, width: int, size: int, scales: Sequence[float], generator: torch.Generator) -> Box:
    """Draw the box of a random training crop, as TSN does.

    Height and width are the shorter side of the frame times a scale each, where the two scales are at most one step
    apart in `scales`. The position is one of 13. A side within 3 pixels of `size` becomes `size`, which saves a resize.

    Args:
        height, width: Size of the frame.
        size: Side of the clip that the crop will be resized to.
        scales: Scales, in descending order.
        generator: Source of the random choice.
    """
    sides = [int(min(height, width) * s) for s in scales]
    sides = [size if abs(s - size) < 3 and size <= min(height, width) else s for s in sides]
    pairs = [(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= 1]
    pick, place = torch.randint(2**31, (2,), generator=generator).tolist()
    h, w = pairs[pick % len(pairs)]
    x, y = _POSITIONS[place % len(_POSITIONS)]
    return y * ((height - h) // 4), x * ((width - w) // 4), h, w


def multi_scale_crop(
    clip: torch.Tensor, size: int, scales: Sequence[float], generator: torch.Generator
) -> torch.Tensor:
    """Crop a `multi_scale_box` out of (C, T, H, W) and resize it to (C, T, size, size)."""
    box = multi_scale_box(*clip.shape[-2:], size, scales, generator)
    return resize(crop(clip, *box), size, size)


def random_flip(
    clip: torch.Tensor, label: int, labels: Sequence[int | None] | None, generator: torch.Generator
) -> tuple[torch.Tensor, int]:
    """Mirror a clip left to right with probability one half, and map its label.

    Args:
        clip: (C, T, H, W).
        label: Label of the clip.
        labels: For each class, the label of its mirrored clips; clips of a class with None are not mirrored. None
            instead of a map keeps all labels.
        generator: Source of the random choice.

    Returns:
        The clip and its label.
    """
    flipped = label if labels is None else labels[label]
    if torch.rand((), generator=generator) < 0.5 or flipped is None:
        return clip, label
    return clip.flip(-1), flipped
