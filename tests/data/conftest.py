"""Data sets shared by the tests of this folder: a tiny MotionPairs, and sources in the layouts of published sets."""

from pathlib import Path

import numpy as np
import pytest

from ctnet.data import prepare
from ctnet.data.motionpairs import CLASSES, clip
from tests.support.layouts import LAYOUTS


@pytest.fixture(scope="session", autouse=True)
def tiny_scale():
    """A scale of MotionPairs for these tests, "tiny": one clip per class and split."""
    prepare.DRAWN_SIZES["tiny"] = prepare.DrawnSize(size=24, frames=6, train=1, test=1)
    yield
    del prepare.DRAWN_SIZES["tiny"]


@pytest.fixture(scope="session")
def tiny(tiny_scale, tmp_path_factory):
    """MotionPairs at the tiny scale: 44 training and 44 test clips of 6 frames, 24 x 24. Do not change it."""
    return prepare.prepare("motionpairs", "tiny", tmp_path_factory.mktemp("sets"), workers=2)


@pytest.fixture(scope="session")
def clips() -> list[list[np.ndarray]]:
    """Five clips of 8 frames, 32 x 32, for each of three classes."""
    size = len(CLASSES)
    return [[clip("train", 0, k * size + label, 32, 8)[0] for k in range(5)] for label in (0, 1, 38)]


@pytest.fixture(scope="session")
def sources(clips, tmp_path_factory):
    """A function: name of a published set -> a folder in its layout. Do not change the folder."""
    made: dict = {}

    def source(name: str) -> Path:
        layout = LAYOUTS[name]
        if layout not in made:
            made[layout] = tmp_path_factory.mktemp(layout.__name__)
            layout(made[layout], clips)
        return made[layout]

    return source


@pytest.fixture
def own(clips, tmp_path):
    """Like `sources`, but a test may damage the folder."""

    def source(name: str) -> Path:
        folder = tmp_path / "source"
        folder.mkdir()
        LAYOUTS[name](folder, clips)
        return folder

    return source
