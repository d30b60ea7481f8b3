"""A drawn set of one clip a class, made once for all tests of this folder."""

import pytest

from ctnet.data import prepare as preparing


@pytest.fixture(scope="session", autouse=True)
def tiny_scale():
    preparing.SCALES["tiny"] = preparing.Scale(size=24, frames=6, train=1, test=1)
    yield
    del preparing.SCALES["tiny"]


@pytest.fixture(scope="session")
def tiny(tiny_scale, tmp_path_factory):
    """The folder of a finished set: 44 training and 44 test clips of 6 frames, 24 x 24."""
    return preparing.prepare("motionpairs", "tiny", tmp_path_factory.mktemp("sets"), workers=2)
