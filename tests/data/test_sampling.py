"""Frame indices of clips, compared with the authors' release where the video is long enough for it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctnet.data.sampling import sample
from ctnet.errors import ConfigError

totals, lengths, clips = st.integers(1, 400), st.integers(1, 32), st.integers(1, 10)
modes, seeds = st.sampled_from(["sparse", "dense", "uniform"]), st.none() | st.integers(0, 99)


def generator_of(seed):
    return None if seed is None else torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "args, expected",
    [
        ((32, 8, 1, "sparse"), [[2, 6, 10, 14, 18, 22, 26, 30]]),  # segment centres
        ((32, 8, 2, "sparse"), [[2, 6, 10, 14, 18, 22, 26, 30], [0, 4, 8, 12, 16, 20, 24, 28]]),  # centres, then starts
        ((30, 4, 1, "sparse"), [[3, 11, 18, 26]]),
        ((3, 8, 1, "sparse"), [[0, 0, 0, 1, 1, 2, 2, 2]]),  # a short video repeats frames
        ((100, 8, 1, "dense"), [[18, 26, 34, 42, 50, 58, 66, 74]]),  # the central window of 64
        ((100, 8, 3, "dense"), [[s + 8 * i for i in range(8)] for s in (0, 18, 36)]),
        ((20, 8, 1, "dense"), [[0, 8, 16, 4, 12, 0, 8, 16]]),  # wraps around
        ((80, 8, 4, "uniform"), [[s + 10 * i for i in range(8)] for s in (0, 3, 6, 9)]),
        ((100, 8, 4, "uniform"), [[int(s + 12.5 * i) for i in range(8)] for s in (0, 3, 7, 11)]),  # starts are floored
        ((4, 8, 2, "uniform"), [[0, 0, 1, 1, 2, 2, 3, 3]] * 2),
        ((1, 8, 2, "sparse"), [[0] * 8] * 2),
        ((63, 16, 1, "dense"), [[4 * i % 63 for i in range(16)]]),
        ((8, 16, 1, "dense"), [[0, 4] * 8]),
    ],
)
def test_frames_of_test_clips(args, expected):
    assert sample(*args).tolist() == expected


# The next two tests state what the authors' release picks, counted from 0.


@given(st.integers(1, 400), lengths)
def test_sparse_clips_are_centres_and_starts_of_segments(total, frames):
    tick = total / frames
    centres, starts = [int(tick / 2 + tick * x) for x in range(frames)], [int(tick * x) for x in range(frames)]
    assert sample(total, frames).tolist() == [centres]
    assert sample(total, frames, 2).tolist() == [centres, starts]


@given(st.integers(1, 400), lengths)
def test_uniform_clips_go_from_first_to_last_frame_of_each_segment(total, frames):
    total += frames - 1  # for a shorter video the release asks for frame -1
    tick = total / frames
    firsts = [int((tick - 1) * k / 3 + 1e-9) for k in range(4)]
    expected = [[int(first + tick * x) for x in range(frames)] for first in firsts]
    assert sample(total, frames, 4, "uniform").tolist() == expected


@given(totals, st.sampled_from([1, 2, 4, 8, 12, 16, 24, 64]), st.integers(2, 10))
def test_dense_windows_are_spread_evenly(total, frames, n):
    windows = sample(total, frames, n, "dense")
    room = max(total - 64, 0)
    assert windows[:, 0].tolist() == [room * k // (n - 1) for k in range(n)]
    assert windows.tolist() == [[(int(w[0]) + 64 // frames * x) % total for x in range(frames)] for w in windows]
    assert int(sample(total, frames, 1, "dense")[0, 0]) == room // 2


@given(lengths, modes, st.integers(2, 4))
def test_clips_of_one_long_video_differ(frames, mode, n):
    assert len({tuple(clip) for clip in sample(64 + n * frames, frames, n, mode).tolist()}) == n


@given(totals, lengths, clips, modes)
def test_sampling_leaves_the_global_generator_alone(total, frames, n, mode):
    before = torch.get_rng_state()
    sample(total, frames, n, mode, generator_of(1)), sample(total, frames, n, mode)
    assert torch.equal(before, torch.get_rng_state())


@given(totals, lengths, clips, modes, seeds)
def test_indices_are_in_range_and_repeatable(total, frames, n, mode, seed):
    indices = sample(total, frames, n, mode, generator_of(seed))
    assert indices.shape == (n, frames) and indices.dtype == torch.int64
    assert indices.min() >= 0 and indices.max() < total
    assert torch.equal(indices, sample(total, frames, n, mode, generator_of(seed)))


@given(totals, lengths, clips, st.integers(0, 99))
def test_sparse_training_takes_one_frame_per_segment(total, frames, n, seed):
    indices = sample(total, frames, n, "sparse", generator_of(seed))
    step = torch.arange(frames)
    assert (indices >= step * total // frames).all()
    assert (indices <= (((step + 1) * total + frames - 1) // frames).clamp(max=total) - 1).all()


@given(totals, lengths, st.sampled_from(["sparse", "uniform"]), seeds)
def test_indices_ascend_in_sparse_and_uniform_clips(total, frames, mode, seed):
    assert (sample(total, frames, 3, mode, generator_of(seed)).diff(dim=1) >= 0).all()


@given(st.integers(64, 400), st.integers(1, 64), seeds)
def test_dense_clip_stays_in_one_window(total, frames, seed):
    indices = sample(total, frames, 1, "dense", generator_of(seed))[0]
    assert (indices.diff() == 64 // frames).all()


def test_random_clips_cover_the_video():
    generator = generator_of(0)
    drawn = torch.cat([sample(16, 8, 1, "sparse", generator) for _ in range(50)])
    assert set(drawn.flatten().tolist()) == set(range(16))
    starts = {int(sample(100, 8, 1, "dense", generator)[0, 0]) for _ in range(400)}
    assert starts == set(range(37))


def test_unknown_mode_and_empty_video_are_reported():
    with pytest.raises(ConfigError, match="did you mean dense"):
        sample(10, 8, mode="dens")
    with pytest.raises(ConfigError, match="total=0"):
        sample(0, 8)
