"""Reading and writing videos: common containers, folders of images, and files that cannot be read."""

import numpy as np
import pytest
import torch

from ctnet.data.video import count_frames, has_decord, read_frames, write_video
from ctnet.errors import VideoError
from tests.support.videos import encode

BACKENDS = ["auto", "pyav", *(["decord"] if has_decord() else [])]


def noise(frames, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("width", [24, 32, 48, 50, 72, 112])  # decord pads the rows of some widths
def test_frames_come_in_the_requested_order(tmp_path, backend, width):
    frames = noise(6, 30, width) // 4 + 96
    write_video(tmp_path / "a.avi", frames)
    assert count_frames(tmp_path / "a.avi") == 6
    everything = read_frames(tmp_path / "a.avi", range(6), "pyav")
    assert everything.dtype == torch.uint8 and everything.shape == (6, 30, width, 3)
    assert (everything.double() - torch.from_numpy(frames).double()).abs().mean() < 8  # visually lossless
    order = [5, 0, 3, 3, 1]
    assert torch.equal(read_frames(tmp_path / "a.avi", order, backend), everything[order])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(8, 24, 48, 3), (5, 40, 40, 3)])
def test_reversed_clip_decodes_to_the_same_frames_in_reverse(tmp_path, backend, shape):
    frames = noise(*shape[:3])
    write_video(tmp_path / "a.avi", frames)
    write_video(tmp_path / "b.avi", frames[::-1])
    ahead, back = (read_frames(tmp_path / name, range(shape[0]), backend) for name in ("a.avi", "b.avi"))
    assert torch.equal(ahead, back.flip(0))
    assert not torch.equal(ahead[0], ahead[1])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts"])
def test_frames_of_predictive_codecs_are_right(tmp_path, suffix):
    frames = np.repeat(np.arange(40, dtype=np.uint8) * 6, 32 * 32 * 3).reshape(40, 32, 32, 3)
    path = encode(tmp_path / f"a{suffix}", frames, g=12, bf=0)
    read = read_frames(path, [0, 11, 13, 39]).double().mean((1, 2, 3))
    assert (read - torch.tensor([0.0, 66, 78, 234])).abs().max() < 3
    assert count_frames(path) == 40


def test_mp4_with_edit_list_is_read_as_a_player_shows_it(tmp_path):
    frames = np.repeat(np.arange(40, dtype=np.uint8) * 6, 32 * 32 * 3).reshape(40, 32, 32, 3)
    path = encode(tmp_path / "cut.mp4", frames, shift=7, g=12, bf=0)
    assert count_frames(path) == 33
    read = read_frames(path, [0, 10, 32]).double().mean((1, 2, 3))
    assert (read - torch.tensor([42.0, 102, 234])).abs().max() < 3
    with pytest.raises(VideoError, match="no frame 33, only 33 frames"):
        read_frames(path, [33])


def test_folder_of_images_is_read_as_a_video(tmp_path):
    from PIL import Image

    frames = noise(4, 20, 30)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{i:05d}.png")
    assert count_frames(tmp_path) == 4
    assert torch.equal(read_frames(tmp_path, [2, 0]), torch.from_numpy(frames[[2, 0]]))
    with pytest.raises(VideoError, match="no frame 4, only 4 frames"):
        read_frames(tmp_path, [4])


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "zeros", "truncated", "empty folder", "long name"])
def test_unreadable_file_is_reported_with_its_path(tmp_path, kind):
    path = tmp_path / "bad.avi"
    if kind == "empty folder":
        path.mkdir()
    elif kind == "truncated":
        write_video(tmp_path / "whole.avi", noise(6, 32, 32))
        data = (tmp_path / "whole.avi").read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "long name":
        path = tmp_path / ("a" * 300)
    elif kind != "missing":
        path.write_bytes({"empty": b"", "text": b"not a video\n" * 99, "zeros": bytes(9999)}[kind])
    with pytest.raises(VideoError) as error:
        read_frames(path, range(6))
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@pytest.mark.parametrize("backend", BACKENDS)
def test_frame_past_the_end_is_an_error(tmp_path, backend):
    write_video(tmp_path / "a.avi", noise(4, 16, 16))
    with pytest.raises(VideoError, match="no frame 4, only 4 frames"):
        read_frames(tmp_path / "a.avi", [0, 4], backend)
    for indices in ([], [-1]):
        with pytest.raises(VideoError, match="frame indices"):
            read_frames(tmp_path / "a.avi", indices, backend)


def test_damaged_frame_is_an_error_and_others_can_be_read(tmp_path):
    frames = noise(6, 64, 64)
    write_video(tmp_path / "a.avi", frames)
    good = read_frames(tmp_path / "a.avi", range(6))
    data = bytearray((tmp_path / "a.avi").read_bytes())
    middle = len(data) * 7 // 12  # in the fourth frame
    data[middle : middle + 60] = bytes(range(60))
    (tmp_path / "a.avi").write_bytes(data)
    with pytest.raises(VideoError, match="a.avi: "):
        read_frames(tmp_path / "a.avi", range(6))
    assert torch.equal(read_frames(tmp_path / "a.avi", [0, 1, 5]), good[[0, 1, 5]])
