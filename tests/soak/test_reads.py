"""Random reads of videos give the right frames and leak nothing; the harness notices wrong frames and leaks."""

import math

import numpy as np
import pytest
import torch

from ctnet.data.video import write_video
from tests.soak import reads
from tests.soak.reads import Sample


@pytest.mark.soak
def test_thousands_of_reads(soak):
    soak.add("reads", reads.run_reads(soak.reads, soak.minutes, soak.seed))


def test_random_reads_give_right_frames_and_leave_nothing_open():
    found = reads.run_reads(30, math.inf, seed=0, warm_up=10)
    # 30 reads are too few to judge memory
    assert [line for line in found["failures"] if not line.startswith("memory")] == []
    assert found["reads"] == 30 and {"frames", "h264.mp4", "mjpeg.avi", "vp9.webm"} <= set(found["files"])
    assert found["samples"][0]["memory"] > 0 and found["samples"][0]["handles"] > 0


def test_reads_end_at_the_time_limit():
    found = reads.run_reads(30, -1, seed=0, warm_up=0)
    assert found["reads"] == 0 and found["growth_kib"] == 0 and found["failures"] == []


def make_samples(memory=lambda k: 5e5, handles=lambda k: 7, threads=lambda k: 2) -> list[Sample]:
    """Samples after every 20th of 2000 reads."""
    return [Sample(k, memory(k), handles(k), threads(k)) for k in range(0, 2001, 20)]


def test_leaks_are_reported():
    (line,) = reads.find_leaks(make_samples(memory=lambda k: 5e5 + 3 * k))
    assert line.startswith("memory: grew by 3.0 KiB per read")
    handles = reads.find_leaks(make_samples(handles=lambda k: 7 + (k > 1990)))
    assert handles == ["handles: 7 at the start, 8 after 2000 reads"]
    threads = reads.find_leaks(make_samples(threads=lambda k: 2 + k // 1000))
    assert threads == ["threads: 2 at the start, 4 after 2000 reads"]


def test_constant_memory_is_not_reported_as_leak():
    assert reads.find_leaks(make_samples()) == []
    assert reads.find_leaks(make_samples(memory=lambda k: 5e5 + 9000 * (k == 1500) + k % 7)) == [], "one spike"
    assert reads.find_leaks(make_samples(memory=lambda k: 5e5 + 4 * min(k, 900))) == [], "grows at first, then flat"


def test_wrong_frames_are_reported(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (reads.FRAMES, 16, 16, 3), np.uint8)
    write_video(tmp_path / "a.avi", frames)
    right = reads.decode_all(tmp_path / "a.avi")
    assert reads.check_read(tmp_path / "a.avi", [3, 0], right) is None
    assert reads.check_read(tmp_path / "a.avi", [3, 0], right[::-1]) == "frames differ from a full decode"
    assert "no such file" in reads.check_read(tmp_path / "b.avi", [3, 0], right)
    assert reads.check_read(tmp_path / "a.avi", [reads.FRAMES], right) is None, "an index past the end must be an error"


def test_frame_past_the_end_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(reads, "read_frames", lambda path, indices: torch.zeros(1))
    assert reads.check_read(tmp_path / "a.avi", [reads.FRAMES], None) == "read a frame past the end"
