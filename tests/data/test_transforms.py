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
    """A clip whose red is the column and whose green is the row."""
    clip = torch.zeros(3, frames, height, width, dtype=torch.uint8)
    clip[0], clip[1] = torch.arange(width), torch.arange(height)[:, None]
    return clip


def test_normalize_is_imagenets():
    clip = torch.randint(256, (2, 3, 4, 5, 6), dtype=torch.uint8)
    for c, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        expected = (clip[:, c].double() / 255 - mean) / std
        assert (clips.normalize(clip)[:, c] - expected).abs().max() < 1e-5
    assert clips.normalize(clip).dtype == torch.float32


@given(st.integers(8, 60), st.integers(8, 60), st.integers(4, 40))
def test_short_side_keeps_the_aspect(height, width, size):
    h, w = transforms.short_side(ramp(height, width), size).shape[-2:]
    assert min(h, w) == size
    assert abs(h / w - height / width) < height / width / size


def test_resize_treats_every_frame_alike_in_any_memory():
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
def test_resize_is_torchvisions_and_within_one_of_pils(height, width):
    """Smaller and larger, with and against the aspect; as a plain tensor, and as the reader lays frames out."""
    clip = torch.randint(256, (3, 2, 60, 80), dtype=torch.uint8)
    as_read = clip.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    for laid_out in (clip, as_read, transforms.crop(as_read, 5, 7, 41, 50)):
        ours = transforms.resize(laid_out, height, width)
        assert torch.equal(ours, torchvision_resize(laid_out.transpose(0, 1), [height, width]).transpose(0, 1))
        assert (ours.int() - pil(laid_out, height, width).int()).abs().max() <= 1


def test_crops_lie_where_the_release_has_them():
    assert transforms.center_box(20, 40, 20) == (0, 10, 20, 20)
    assert transforms.center_box(256, 427, 256) == (0, 86, 256, 256)  # half of 171, rounded to even
    assert [box[:2] for box in transforms.three_boxes(20, 40, 20)] == [(0, 0), (0, 10), (0, 20)]
    assert [box[:2] for box in transforms.three_boxes(256, 427, 256)] == [(0, 0), (0, 84), (0, 168)]  # quarters of 171
    assert [box[:2] for box in transforms.three_boxes(40, 20, 20)] == [(0, 0), (10, 0), (20, 0)]
    assert [box[:2] for box in transforms.three_boxes(32, 40, 20)] == [(6, 0), (6, 10), (6, 20)]


@given(st.integers(8, 400), st.integers(8, 400), st.integers(1, 400))
def test_test_crops_lie_inside_in_their_order(height, width, size):
    size = min(size, height, width)
    boxes = [transforms.center_box(height, width, size), *transforms.three_boxes(height, width, size)]
    for top, left, h, w in boxes:
        assert (h, w) == (size, size) and 0 <= top <= height - size and 0 <= left <= width - size
    long = 1 if width >= height else 0
    places = [box[long] for box in boxes[1:]]
    assert places[0] == 0 and 2 * places[1] == places[2] and max(height, width) - size - places[2] < 4
    assert len({box[1 - long] for box in boxes[1:]}) == 1
    assert all(abs(boxes[0][k] - boxes[2][k]) <= 2 for k in (0, 1))


def test_the_short_side_is_the_releases():
    assert transforms.short_side(ramp(100, 176), 256).shape[-2:] == (256, 450)  # 450.56, rounded down
    assert transforms.short_side(ramp(176, 100), 256).shape[-2:] == (450, 256)


def test_views_of_a_video_come_clip_after_clip():
    clip = ramp(20, 40, frames=6)
    clip[2] = torch.arange(6)[:, None, None]  # blue is time
    views = transforms.test_views(clip, clips=2, crops=3, size=20)
    assert views.shape == (6, 3, 3, 20, 20)
    assert [(int(v[0, 0, 0, 0]), v[2, :, 0, 0].tolist()) for v in views] == [
        (x, t) for t in ([0, 1, 2], [3, 4, 5]) for x in (0, 10, 20)
    ]


@given(st.integers(16, 90), st.integers(16, 90), st.integers(8, 64), seeds)
def test_training_boxes_lie_inside_and_keep_to_the_scales(height, width, size, seed):
    generator = torch.Generator().manual_seed(seed)
    top, left, h, w = transforms.multi_scale_box(height, width, size, SCALES, generator)
    assert 0 <= top <= height - h and 0 <= left <= width - w
    sides = [int(min(height, width) * s) for s in SCALES]
    rank = [min(range(4), key=lambda i, side=side: abs(sides[i] - side)) for side in (h, w)]
    assert all(abs(sides[i] - side) < 3 for i, side in zip(rank, (h, w), strict=True))
    assert abs(h - w) <= 6 or abs(rank[0] - rank[1]) <= 1


def test_training_boxes_take_all_places_and_shapes():
    generator = torch.Generator().manual_seed(0)
    boxes = {transforms.multi_scale_box(100, 200, 50, SCALES, generator) for _ in range(4000)}
    assert len({(h, w) for _, _, h, w in boxes}) == 10  # 4 scales, at most one step apart
    assert len({(top, left) for top, left, h, w in boxes if (h, w) == (66, 66)}) == 13
    crop = transforms.multi_scale_crop(ramp(100, 200), 50, SCALES, generator)
    assert crop.shape == (3, 2, 50, 50) and crop.dtype == torch.uint8


def test_full_scale_of_a_clip_of_the_right_size_is_the_clip():
    clip = torch.randint(256, (3, 2, 16, 16), dtype=torch.uint8)
    assert torch.equal(transforms.multi_scale_crop(clip, 16, (1.0,), torch.Generator()), clip)


def test_flip_changes_the_label_or_leaves_the_clip():
    generator, clip = torch.Generator().manual_seed(0), ramp(4, 5)
    left, right = CLASSES.index("pan left"), CLASSES.index("pan right")
    lone = CLASSES.index("speed up to the right")  # no class moves so to the left
    seen = set()
    for _ in range(40):
        flipped, label = transforms.random_flip(clip, left, FLIP, generator)
        assert torch.equal(flipped, clip.flip(-1) if label == right else clip)
        seen.add(label)
        assert transforms.random_flip(clip, lone, FLIP, generator)[0] is clip
        assert transforms.random_flip(clip, left, None, generator)[1] == left
    assert seen == {left, right}


@pytest.mark.parametrize("scales, n", [((1.0,), 1), (SCALES, 10)])
def test_a_training_box_of_a_square_frame_needs_no_resize_at_full_scale(scales, n):
    generator = torch.Generator().manual_seed(0)
    sides = {transforms.multi_scale_box(256, 256, 256, scales, generator)[2:] for _ in range(500)}
    assert (256, 256) in sides and len(sides) == n
    assert sides <= {(h, w) for h in (256, 224, 192, 168) for w in (256, 224, 192, 168)}
