"""Unusual and broken files: every frame is the right one, or there is an error that names the file."""

import os
import re
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctnet.data import decoding
from ctnet.data.video import count_frames, has_decord, read_frames
from ctnet.errors import VideoError
from tests.support.videos import decode_all, encode, exchange, remux, scene, sound

UNEVEN = [0, 1, 2, 5, 6, 10, 11, 12, 20, 21, *range(25, 45)]
REFRESH = {"x264-params": "intra-refresh=1:keyint=10"}  # packets marked as key frames that are not
OPEN = "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0"
# options that add packets whose frames are never shown
HIDDEN = {"auto-alt-ref": 1, "lag-in-frames": 10, "arnr-maxframes": 5, "deadline": "realtime"}
KINDS = {
    "b-frames.mp4": {},
    "key frames.mp4": {"g": 8, "bf": 0},
    "edit list.mp4": {"g": 12, "bf": 0, "shift": 7},
    "edit list and b-frames.mov": {"g": 12, "shift": 7},
    "uneven.mp4": {"times": UNEVEN},
    "uneven.mkv": {"times": UNEVEN, "g": 8},
    "refresh.mp4": REFRESH,
    "open.mp4": {"x264-params": OPEN},
    "open hevc.mkv": {"codec": "libx265", "x265-params": f"log-level=none:{OPEN}", "preset": "ultrafast"},
    "10 bit.mp4": {"pix_fmt": "yuv420p10le"},
    "10 bit hevc.mp4": {
        "codec": "libx265",
        "pix_fmt": "yuv420p10le",
        "x265-params": "log-level=none",
        "preset": "ultrafast",
    },
    "vp8.webm": {"codec": "libvpx", **HIDDEN},
    "vp9.webm": {"codec": "libvpx-vp9", "g": 12, **HIDDEN},
    "no duration.webm": {"codec": "libvpx-vp9", "muxer": {"live": "1"}, "deadline": "realtime"},
    "av1.mp4": {"codec": "libsvtav1", "preset": 11},
    "av1 10 bit.webm": {"codec": "libsvtav1", "preset": 11, "pix_fmt": "yuv420p10le"},
    "no times.avi": {},
    "xvid.avi": {"codec": "mpeg4", "bf": 2},
    "fragments.mp4": {"g": 8, "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "head first.mp4": {"muxer": {"movflags": "faststart"}},
    "stream.ts": {},
    "program.mpg": {"codec": "mpeg2video", "bf": 2},
}
SIZES = {"one.mp4": (1, 36, 64), "one.webm": (1, 36, 64), "narrow.mp4": (9, 66, 18), "odd.mkv": (9, 37, 51)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function: name of a kind -> (path, all frames, as a sequential decoder gives them)."""
    folder = tmp_path_factory.mktemp("videos")

    @cache
    def make(name: str) -> tuple[Path, torch.Tensor]:
        if name == "avi as.mkv":  # wrong times: those of the decoding order
            path = remux(make("no times.avi")[0], folder / name)
        elif name in SIZES:
            codec = {"codec": "libvpx-vp9"} if name.endswith("webm") else {}
            path = encode(folder / name, scene(*SIZES[name]), pix_fmt="yuv444p", **codec)
        else:
            path = encode(folder / name, scene(), **KINDS[name])
        return path, torch.from_numpy(decode_all(path))

    return make


@pytest.mark.parametrize("name", [*KINDS, *SIZES, "avi as.mkv"])
def test_every_frame_equals_that_of_a_sequential_decoder(made, name):
    path, frames = made(name)
    n = count_frames(path)
    assert n == len(frames) == (23 if "edit" in name else SIZES.get(name, (30,))[0])
    assert len(frames.flatten(1).unique(dim=0)) == n, "all frames must differ, or the comparison proves nothing"
    assert torch.equal(read_frames(path, range(n)), frames)
    for index in range(n):  # each alone, from its own key frame
        assert torch.equal(read_frames(path, [index]), frames[[index]])
    with pytest.raises(VideoError, match=f"no frame {n}, only {n} frames"):
        read_frames(path, [n])


@given(data=st.data())
def test_any_frames_in_any_order_are_right(made, data):
    path, frames = made(data.draw(st.sampled_from([name for name in KINDS if "." in name])))
    order = data.draw(st.lists(st.integers(0, len(frames) - 1), min_size=1, max_size=8))
    assert torch.equal(read_frames(path, order), frames[order])


def test_late_frame_is_decoded_from_a_near_key_frame(made):
    index = decoding.index_of(made("key frames.mp4")[0])
    assert len(set(index.starts.tolist())) > 3 and (index.packets - index.starts).max() < 8


@pytest.mark.skipif(not has_decord(), reason="no decord on this platform")
@pytest.mark.parametrize("name", ["edit list.mp4", "edit list and b-frames.mov"])
def test_decord_is_rejected_where_it_ignores_an_edit_list(made, name):
    import decord

    path, frames = made(name)
    bare = decord.VideoReader(str(path), num_threads=1)
    assert len(bare) > len(frames)
    assert (torch.from_numpy(bare[20].asnumpy()).int() - frames[20].int()).abs().max() > 100
    with pytest.raises(VideoError, match="decord shows another picture as frame 20"):
        read_frames(path, [20], "decord")
    assert torch.equal(read_frames(path, [20]), frames[[20]])


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation_is_applied(tmp_path, suffix, turn, mirror):
    path = encode(tmp_path / f"a{suffix}", scene(4), turn=turn, mirror=mirror)
    shown = np.rot90(decode_all(path), turn // 90, axes=(1, 2))
    shown = torch.from_numpy((shown[:, :, ::-1] if mirror else shown).copy())
    assert torch.equal(read_frames(path, range(4)), shown)
    if has_decord():  # the same frames, or an error
        try:
            assert torch.equal(read_frames(path, range(4), "decord"), shown)
        except VideoError:
            pass


NAMES = ["a b.mp4", "--frames.mp4", "-y", "ünï 视频.mp4", "file:a.mp4", "100%05d.mp4", "#?*'\".mp4", "concat:a|b.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_file_name_is_never_read_as_an_option_or_address(tmp_path, monkeypatch, made, name):
    path, frames = made("b-frames.mp4")
    (tmp_path / name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert count_frames(name) == 30
    assert torch.equal(read_frames(name, [7]), frames[[7]])


@pytest.mark.parametrize("name", ["head first.mp4", "vp9.webm"])
def test_whole_frames_of_a_truncated_file_are_read(tmp_path, made, name):
    path, frames = made(name)
    for share in (0.85, 0.92, 0.97):
        cut = tmp_path / name
        cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        n = count_frames(cut)
        assert 0 < n < 30
        assert torch.equal(read_frames(cut, range(n)), frames[:n])
        with pytest.raises(VideoError, match=f"only {n} frames"):
            read_frames(cut, [n])


def write_broken(kind: str, path: Path, whole: Path) -> None:
    """Write a file that is not a whole video."""
    data = whole.read_bytes()
    if kind == "sound":
        sound(path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{whole}\n#EXT-X-ENDLIST\n".encode()
        body = len(data) // 2
        path.write_bytes(
            {
                "empty": b"",
                "zeros": bytes(99999),
                "text": b"not a video\n" * 999,
                "playlist": playlist,
                "script": f"ffconcat version 1.0\nfile '{whole}'\n".encode(),
                "cut": data[:body],
                "hole": data[:body] + bytes(200) + data[body + 200 :],
            }[kind]
        )


KINDS_BROKEN = ["empty", "zeros", "text", "playlist", "script", "cut", "hole", "sound", "pipe"]


@pytest.mark.parametrize("kind", KINDS_BROKEN)
def test_broken_file_is_reported_with_path_and_reason(tmp_path, made, kind):
    path = tmp_path / "a b.mp4"
    write_broken(kind, path, made("b-frames.mp4")[0])
    with pytest.raises(VideoError) as error:
        read_frames(path, range(30))
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    assert len(str(error.value)) > len(f"{path}: ") + 5
    if kind != "hole":
        with pytest.raises(VideoError, match="a b.mp4: "):
            count_frames(path)


def test_damage_after_wrong_times_is_reported(tmp_path):
    whole = encode(tmp_path / "whole.mp4", scene(), g=10, bf=0, sc_threshold=0)
    path = exchange(whole, tmp_path / "a.mp4", 2, 5)
    right = torch.from_numpy(decode_all(whole))
    assert torch.equal(read_frames(path, [4, 25]), right[[4, 25]]), "wrong times: frames in decoding order"
    with av.open(str(path)) as container:
        place, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size][20]
    data = bytearray(path.read_bytes())
    data[place + size // 2 : place + size] = bytes(size - size // 2)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=re.escape(f"{path}: ")):
        read_frames(path, [25])


def test_changed_file_is_indexed_again(tmp_path, made):
    path = tmp_path / "a.mp4"
    path.write_bytes(made("b-frames.mp4")[0].read_bytes())
    assert count_frames(path) == 30
    path.write_bytes(made("edit list.mp4")[0].read_bytes())
    assert count_frames(path) == 23


@settings(max_examples=30)
@given(
    name=st.sampled_from(["key frames.mp4", "vp9.webm", "xvid.avi"]),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    keep=st.floats(0, 1) | st.just(1.0),
)
def test_random_damage_gives_frames_or_a_video_error(tmp_path_factory, made, name, flips, keep):
    data = bytearray(made(name)[0].read_bytes())
    for place, byte in flips:
        data[int(place * len(data))] = byte
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(data[: int(keep * len(data))])
    try:
        n = count_frames(path)
        assert n > 0
        for order in ([0], [n - 1], range(n)):
            frames = read_frames(path, order)
            assert frames.dtype == torch.uint8 and frames.shape[0] == len(order) and frames.shape[3] == 3
    except VideoError as error:
        assert str(error).startswith(f"{path}: ")
