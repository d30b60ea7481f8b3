"""One thread, fixed seeds, no time limits, and Ctrl-C not ignored: tests that give the same answer everywhere."""

import signal

import hypothesis
import pytest
import torch

pytest_plugins = "tests.support.prepared"
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job and its processes ignore it
torch.set_num_threads(1)
hypothesis.settings.register_profile("ctnet", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("ctnet")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
