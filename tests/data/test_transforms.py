"""Resizing, crops and flips, compared with torchvision, PIL and the boxes of the authors' release."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2.functional import resize as torchvision_resize

from ctnet import clips
from ctnet.data import transforms
from ctnet.data.motionpairs import CLASSES, FLIP
from ctnet.training.recipe import Recipe

SCALES = Recipe().scales
seeds = st.integers(0, 2**31)


def ramp(height, width, frames=2):
    """A clip whose red channel is the column and whose green channel is the row."""
    clip = torch.zeros(3, frames, height, width, dtype=torch.uint8)
    clip[0], clip[1] = torch.arange(width), torch.arange(height)[:, None]
    return clip


def test_normalize_uses_imagenet_mean_and_deviation():
    clip = torch.randint(256, (2, 3, 4, 5, 6), dtype=torch.uint8)
    for c, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        expected = (clip[:, c].double() / 255 - mean) / std
        assert (clips.normalize(clip)[:, c] - expected).abs().max() < 1e-5
    assert clips.normalize(clip).dtype == torch.float32


@given(st.integers(8, 60), st.integers(8, 60), st.integers(4, 40))
def test_short_side_keeps_the_aspect_ratio(height, width, size):
    h, w = transforms.short_side(ramp(height, width), size).shape[-2:]
    assert min(h, w) == size
    assert abs(h / w - height / width) < height / width / size


def test_resize_does_not_depend_on_memory_layout_or_other_frames():
    clip = torch.randint(256, (3, 4, 20, 30), dtype=torch.uint8)
    small = transforms.resize(clip, 10, 15)
    as_read = clip.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    assert (transforms.resize(as_read, 10, 15).int() - small.int()).abs().max() <= 1
    for t in range(4):
        assert torch.equal(transforms.resize(clip[:, t : t + 1], 10, 15)[:, 0], small[:, t])


def pil(clip, height, width):
    """Each frame resized by PIL, bilinear, as the authors' code does."""
    frames = [
        Image.fromarray(f.permute(1, 2, 0).numpy()).resize((width, height), Image.BILINEAR) for f in clip.unbind(1)
    ]
    return torch.stack([torch.from_numpy(np.array(f)).permute(2, 0, 1) for f in frames], dim=1)


@pytest.mark.parametrize("height, width", [(24, 30), (75, 90), (61, 40), (16, 200)])
def test_resize_equals_torchvision_and_is_within_one_of_pil(height, width):
    """Up and down, with and without the aspect ratio; contiguous, channels-last and cropped tensors."""
    clip = torch.randint(256, (3, 2, 60, 80), dtype=torch.uint8)
    as_read = clip.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    for source in (clip, as_read, transforms.crop(as_read, 5, 7, 41, 50)):
        ours = transforms.resize(source, height, width)
        assert torch.equal(ours, torchvision_resize(source.transpose(0, 1), [height, width]).transpose(0, 1))
        assert (ours.int() - pil(source, height, width).int()).abs().max() <= 1


def test_crop_positions_equal_the_release():
    assert transforms.center_box(20, 40, 20) == (0, 10, 20, 20)
    assert transforms.center_box(256, 427, 256) == (0, 86, 256, 256)  # half of 171, rounded to even
    assert [box[:2] for box in transforms.three_boxes(20, 40, 20)] == [(0, 0), (0, 10), (0, 20)]
    assert [box[:2] for box in transforms.three_boxes(256, 427, 256)] == [(0, 0), (0, 84), (0, 168)]  # quarters of 171
    assert [box[:2] for box in transforms.three_boxes(40, 20, 20)] == [(0, 0), (10, 0), (20, 0)]
    assert [box[:2] for box in transforms.three_boxes(32, 40, 20)] == [(6, 0), (6, 10), (6, 20)]


@given(st.integers(8, 400), st.integers(8, 400), st.integers(1, 400))
def test_crops_are_inside_the_frame_and_in_order(height, width, size):
    size = min(size, height, width)
    boxes = [transforms.center_box(height, width, size), *transforms.three_boxes(height, width, size)]
    for top, left, h, w in boxes:
        assert (h, w) == (size, size) and 0 <= top <= height - size and 0 <= left <= width - size
    long = 1 if width >= height else 0
    places = [box[long] for box in boxes[1:]]
    assert places[0] == 0 and 2 * places[1] == places[2] and max(height, width) - size - places[2] < 4
    assert len({box[1 - long] for box in boxes[1:]}) == 1
    assert all(abs(boxes[0][k] - boxes[2][k]) <= 2 for k in (0, 1))


def test_short_side_rounds_as_the_release():
    assert transforms.short_side(ramp(100, 176), 256).shape[-2:] == (256, 450)  # 450.56, rounded down
    assert transforms.short_side(ramp(176, 100), 256).shape[-2:] == (450, 256)


def test_views_are_ordered_by_clip_then_crop():
    clip = ramp(20, 40, frames=6)
    clip[2] = torch.arange(6)[:, None, None]  # the blue channel is the frame number
    views = transforms.test_views(clip, clips=2, crops=3, size=20)
    assert views.shape == (6, 3, 3, 20, 20)
    assert [(int(v[0, 0, 0, 0]), v[2, :, 0, 0].tolist()) for v in views] == [
        (x, t) for t in ([0, 1, 2], [3, 4, 5]) for x in (0, 10, 20)
    ]


@given(st.integers(16, 90), st.integers(16, 90), st.integers(8, 64), seeds)
def test_training_boxes_are_inside_and_use_the_scales(height, width, size, seed):
    generator = torch.Generator().manual_seed(seed)
    top, left, h, w = transforms.multi_scale_box(height, width, size, SCALES, generator)
    assert 0 <= top <= height - h and 0 <= left <= width - w
    sides = [int(min(height, width) * s) for s in SCALES]
    nearest = [min(range(4), key=lambda i, side=side: abs(sides[i] - side)) for side in (h, w)]
    assert all(abs(sides[i] - side) < 3 for i, side in zip(nearest, (h, w), strict=True))
    assert abs(h - w) <= 6 or abs(nearest[0] - nearest[1]) <= 1


def test_training_boxes_take_all_positions_and_shapes():
    generator = torch.Generator().manual_seed(0)
    boxes = {transforms.multi_scale_box(100, 200, 50, SCALES, generator) for _ in range(4000)}
    assert len({(h, w) for _, _, h, w in boxes}) == 10  # 4 scales, at most one step apart
    assert len({(top, left) for top, left, h, w in boxes if (h, w) == (66, 66)}) == 13
    crop = transforms.multi_scale_crop(ramp(100, 200), 50, SCALES, generator)
    assert crop.shape == (3, 2, 50, 50) and crop.dtype == torch.uint8


def test_crop_at_full_scale_returns_the_clip_unchanged():
    clip = torch.randint(256, (3, 2, 16, 16), dtype=torch.uint8)
    assert torch.equal(transforms.multi_scale_crop(clip, 16, (1.0,), torch.Generator()), clip)


def test_flip_mirrors_clip_and_label_together():
    generator, clip = torch.Generator().manual_seed(0), ramp(4, 5)
    left, right = CLASSES.index("pan left"), CLASSES.index("pan right")
    lone = CLASSES.index("speed up to the right")  # there is no such class to the left
    seen = set()
    for _ in range(40):
        flipped, label = transforms.random_flip(clip, left, FLIP, generator)
        assert torch.equal(flipped, clip.flip(-1) if label == right else clip)
        seen.add(label)
        assert transforms.random_flip(clip, lone, FLIP, generator)[0] is clip
        assert transforms.random_flip(clip, left, None, generator)[1] == left
    assert seen == {left, right}


@pytest.mark.parametrize("scales, n", [((1.0,), 1), (SCALES, 10)])
def test_training_box_of_a_square_frame_at_full_scale_is_the_frame(scales, n):
    generator = torch.Generator().manual_seed(0)
    sides = {transforms.multi_scale_box(256, 256, 256, scales, generator)[2:] for _ in range(500)}
    assert (256, 256) in sides and len(sides) == n
    assert sides <= {(h, w) for h in (256, 224, 192, 168) for w in (256, 224, 192, 168)}
