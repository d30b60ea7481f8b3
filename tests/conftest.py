"""One thread, fixed seeds, no time limits: tests that give the same answer everywhere."""

import hypothesis
import pytest
import torch

torch.set_num_threads(1)
hypothesis.settings.register_profile("ctnet", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("ctnet")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
