"""Files are written whole or not at all."""

import os
import resource
import signal

import numpy as np
import pytest

import ctnet
from ctnet.inference.scores import Clips, Scores
from tests.support.toy import PLAIN

SAVES = {
    "weights": ctnet.create_model("tsn_resnet50", num_classes=2, **PLAIN),
    "scores": Scores(
        np.random.default_rng(0).random((99, 99)), np.zeros(99, np.int64), "8x1x1@32", Clips("a", "test", "", ("b",))
    ),
}


def save(kind: str, path):
    ctnet.save(SAVES[kind], path) if kind == "weights" else SAVES[kind].save(path)


@pytest.mark.parametrize("kind", SAVES)
def test_kill_during_a_write_keeps_the_old_file(kind, tmp_path):
    path = tmp_path / "file"
    save(kind, path)
    before = path.read_bytes()
    if not (child := os.fork()):
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it by default
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            save(kind, path)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ
    assert path.read_bytes() == before
    save(kind, path)
    assert not list(tmp_path.glob(".part-*"))
