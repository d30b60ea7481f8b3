import torch
from hypothesis import given
from hypothesis import strategies as st

from ctnet.data import transforms
from ctnet.data.motionpairs import CLASSES, FLIP
from ctnet.recipe import Recipe

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
        assert (transforms.normalize(clip)[:, c] - expected).abs().max() < 1e-5
    assert transforms.normalize(clip, torch.bfloat16).dtype == torch.bfloat16


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


def corner(crop):
    return int(crop[0, 0, 0, 0]), int(crop[1, 0, 0, 0])


def test_crops_lie_where_they_should():
    assert corner(transforms.center_crop(ramp(20, 40), 20)) == (10, 0)
    assert [corner(c) for c in transforms.three_crops(ramp(20, 40), 20)] == [(0, 0), (10, 0), (20, 0)]
    assert [corner(c) for c in transforms.three_crops(ramp(40, 20), 20)] == [(0, 0), (0, 10), (0, 20)]
    assert [corner(c) for c in transforms.three_crops(ramp(32, 40), 20)] == [(0, 6), (10, 6), (20, 6)]


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
