"""Sets made once for all tests of this folder: drawn with one clip a class, and in the layouts of published sets."""

from pathlib import Path

import numpy as np
import pytest

from ctnet.data import prepare
from ctnet.data.motionpairs import CLASSES, clip
from tests.support.layouts import LAYOUTS


@pytest.fixture(scope="session", autouse=True)
def tiny_scale():
    prepare.DRAWN_SIZES["tiny"] = prepare.DrawnSize(size=24, frames=6, train=1, test=1)
    yield
    del prepare.DRAWN_SIZES["tiny"]


@pytest.fixture(scope="session")
def tiny(tiny_scale, tmp_path_factory):
    """The folder of a finished set: 44 training and 44 test clips of 6 frames, 24 x 24."""
    return prepare.prepare("motionpairs", "tiny", tmp_path_factory.mktemp("sets"), workers=2)


@pytest.fixture(scope="session")
def clips() -> list[list[np.ndarray]]:
    """Five clips of 8 frames, 32 x 32, of each of three classes."""
    size = len(CLASSES)
    return [[clip("train", 0, k * size + label, 32, 8)[0] for k in range(5)] for label in (0, 1, 38)]


@pytest.fixture(scope="session")
def sources(clips, tmp_path_factory):
    """{name: a folder in the layout of the set's owners}; not to be changed."""
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
    """As `sources`, but to be broken."""

    def source(name: str) -> Path:
        folder = tmp_path / "source"
        folder.mkdir()
        LAYOUTS[name](folder, clips)
        return folder

    return source
