"""Pictures and videos of a clip with its saliency: reading a file back gives what was drawn."""

import os

import numpy as np
import pytest
import torch

from ctnet.data.video import count_frames, read_frames
from ctnet.errors import ConfigError
from ctnet.inference import drawing

COLOURS = torch.tensor([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 250], [0, 0, 0]], dtype=torch.uint8)


def clip(height=31, width=45):
    """Return five frames, each of one colour."""
    return COLOURS.T[:, :, None, None].expand(3, 5, height, width)


def tube(height=31, width=45):
    return np.linspace(0, 1, 5 * height * width, dtype=np.float32).reshape(5, height, width)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_video_shows_each_frame_beside_its_overlay(suffix, tmp_path):
    path = tmp_path / f"a clip{suffix}"
    drawing.save(path, clip(), tube(), "red leads blue  34.2%")
    assert count_frames(path) == 5
    frames = read_frames(path, range(5)).int()
    height, width = frames.shape[1:3]
    assert height == drawing.HEADER + drawing.SIDE and width % 2 == 0 and width > 2 * drawing.SIDE
    left, right = (frames[:, 150, width * n // 4] for n in (1, 3))
    assert (left - COLOURS.int()).abs().max() < 12, "frames are in order"
    assert (right[4] - left[4]).max() > 50, "heat colours over the black frame"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_picture_shows_all_frames_in_a_row(suffix, tmp_path):
    path = tmp_path / f"row{suffix}"
    drawing.save(path, clip(), tube())
    (picture,) = read_frames(path, [0]).int()
    height, width = picture.shape[:2]
    assert height == drawing.HEADER + 2 * drawing.SIDE
    above, below = (picture[y, [width * n // 10 for n in (1, 3, 5, 7, 9)]] for y in (140, 340))
    assert (above - COLOURS.int()).abs().max() < 12 and (below[4] - above[4]).max() > 50


def test_title_is_drawn_literally_and_wrapped(tmp_path):
    def header(title):
        return drawing.pixels(drawing.figure(clip(), tube(), title))[: drawing.HEADER]

    assert (header("") == 255).all() and (header("50 $ or 60 $") < 128).any()
    assert (header("a $x$ b") != header("a x b")).any(), "dollars do not start a formula"
    long = header("Putting something that cannot roll onto a slanted surface, so it stays where it is  " * 2)
    assert (long[:, -16:] == 255).all(), "a long title is wrapped, not cut off"


@pytest.mark.parametrize("name, message", [
    ("clip.avi", "a picture is .png, .jpg, .jpeg, a video .mp4 or .gif"),
    ("clip", "a picture is"),
    ("no/clip.mp4", "no file can be written there"),
    ("folder.png", "no file can be written there"),
])  # fmt: skip
def test_path_that_cannot_be_written_is_an_error(name, message, tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigError, match=f"^{tmp_path / name}: {message}"):
        drawing.save(tmp_path / name, clip(), tube())
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("suffix", [".png", ".mp4", ".gif"])
def test_failed_save_keeps_the_old_file_and_leaves_no_temporary_file(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"clip{suffix}"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(ConfigError, match=f"^{path}: cannot be written .No space left.$"):
        drawing.save(path, clip(), tube())
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
