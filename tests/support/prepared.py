"""Fixtures with prepared data sets, for all tests."""

import csv
from pathlib import Path

import numpy as np
import pytest

from ctnet.data import prepare
from ctnet.data.video import write_video
from tests.support.toy import write_set


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Path:
    """16 training clips of two classes that differ in colour. Do not change it."""
    return write_set(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    """MotionPairs at the smoke scale: 176 training and 176 test clips of 8 frames, 32 x 32. Do not change it."""
    return prepare.prepare("motionpairs", "smoke", tmp_path_factory.mktemp("sets"), workers=2)


@pytest.fixture
def places(tmp_path, smoke, monkeypatch) -> Path:
    """The folder of empty folders for runs and results; CTNET_DATA is the folder of the smoke set."""
    monkeypatch.setenv("CTNET_DATA", str(smoke.parent))
    monkeypatch.setenv("CTNET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    return tmp_path


@pytest.fixture(scope="session")
def little(tmp_path_factory):
    """The root of MotionPairs at a scale for tests, "little": one training and one test clip per class."""
    prepare.DRAWN_SIZES["little"] = prepare.DrawnSize(size=32, frames=8, train=1, test=1)
    yield prepare.prepare("motionpairs", "little", tmp_path_factory.mktemp("little"), workers=2).parent
    del prepare.DRAWN_SIZES["little"]


def copy_of_grid(folder: Path) -> Path:
    """Write a tiny packed copy of GRID: four words, two digits and two letters; two sentences per split."""
    if folder.exists():
        return folder
    words = ("bin", "red", "at", "now", "zero", "one", "a", "b")
    (folder / "videos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (folder / "words.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "split", "slot", "word", "label", "start_frame", "end_frame", "video_frames"])
        for split in ("train", "val"):
            for video in (f"{split}0", f"{split}1"):
                write_video(folder / "videos" / f"{video}.avi", rng.integers(0, 255, (80, 24, 24, 3), np.uint8))
                made = (folder / "videos" / f"{video}.avi").rename(folder / "videos" / f"{video}.mp4")
                for slot, word in enumerate(words):
                    table.writerow([made.stem, split, slot, word, slot, 10 * slot + 1, 10 * slot + 6, 80])
    return folder
