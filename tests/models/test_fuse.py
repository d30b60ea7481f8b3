"""Fused networks give the same logits as the networks, and as a plain Conv3d network."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.plain import load_plain
from tests.support.networks import clips, every, network, random_statistics, settled


@every
def test_fuse_keeps_logits(name):
    x = clips(name).double()
    net = settled(network(name).double(), x)
    with torch.inference_mode():
        logits, fused = net(x), net.fuse()
        assert logits.std() > 0.05
        torch.testing.assert_close(fused(x), logits, rtol=0, atol=1e-9)
        assert torch.equal(net(x), logits), "fuse() changed the original"
        assert torch.equal(fused.fuse()(x), fused(x))
    assert not fused.training and not [m for m in fused.modules() if isinstance(m, _BatchNorm)]


@pytest.mark.parametrize("name", ["ctnet_resnet50", "tsn_resnet50", "tsm_resnet50", "ctnet_inception_v3"])
def test_fuse_keeps_logits_at_full_width_in_single_precision(name):
    x = clips(name, frames=2)
    net = random_statistics(network(name, width=64))
    with torch.inference_mode():
        assert net(x).std() > 0.05 and (net.fuse()(x) - net(x)).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["ctnet_resnet50", "tsn_resnet50"])
def test_network_equals_plain_network(name):
    """The plain network uses Conv3d, NCTHW memory and permutes."""
    x = clips(name, frames=5)
    net = random_statistics(network(name, width=64))
    with torch.inference_mode():
        expected = load_plain(net)(x)
        assert expected.std() > 0.05
        assert (net(x) - expected).abs().max() < 1e-4
        assert (net.fuse()(x) - expected).abs().max() < 1e-4
