"""All networks under torch.compile and torch.export."""

import io

import pytest
import torch

from tests.support.networks import clips, every, network, settled


@every
def test_network_compiles_as_one_graph(name):
    torch.compiler.reset()
    net, x = network(name, shallow=True).eval(), clips(name, frames=2)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    with torch.inference_mode():
        torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.parametrize("train", [True, False])
def test_network_compiles_in_training_and_when_fused(train):
    """The aot_eager backend makes the forward and backward graphs, but no machine code."""
    torch.compiler.reset()
    net, x = network("ctnet_resnet50", shallow=True), clips("ctnet_resnet50", batch=2)
    net = net.train() if train else settled(net, x).fuse()
    expected = net(x).detach()
    logits = torch.compile(net, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(logits, expected)
    if train:
        logits.sum().backward()
        assert all(p.grad.isfinite().all() for p in net.parameters())


def test_fused_network_compiles_to_machine_code():
    torch.compiler.reset()
    x = clips("ctnet_resnet50", frames=2)
    net = settled(network("ctnet_resnet50", shallow=True), x).fuse()
    with torch.inference_mode():
        torch.testing.assert_close(torch.compile(net, fullgraph=True)(x), net(x), rtol=1e-4, atol=1e-4)


@every
def test_exported_network_keeps_logits(name):
    net, x = network(name, shallow=True).eval(), clips(name, frames=2)
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(net, (x,)), buffer)
    buffer.seek(0)
    with torch.inference_mode():
        torch.testing.assert_close(torch.export.load(buffer).module()(x), net(x))
