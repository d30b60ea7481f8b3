"""All names, as narrow networks: forward, backward, saving, and errors for wrong names, values and clips."""

import io
import subprocess
import sys

import pytest
import torch
from torch import nn

import ctnet
from ctnet import models
from ctnet.errors import ConfigError
from tests.support.networks import clips, every, network, settled


@every
def test_network_takes_any_number_of_frames(name, capfd):
    net = network(name).eval()
    with torch.inference_mode():
        for frames in (8, 5, 12):
            logits = net(clips(name, frames))
            assert logits.shape == (1, 5) and logits.isfinite().all()
    assert all(p.requires_grad for p in net.parameters())
    assert capfd.readouterr() == ("", "")


@every
def test_all_parameters_get_a_gradient(name):
    wide = {"width": 64} if name.endswith("_se") else {}  # SE on 16 channels has one ReLU, which may be dead
    net = network(name, **wide).train()
    nn.functional.cross_entropy(net(clips(name, batch=2)), torch.tensor([1, 3])).backward()
    grads = {n: p.grad for n, p in net.named_parameters()}
    assert not [n for n, g in grads.items() if g is None or not g.isfinite().all() or not g.any()]


@every
def test_state_dict_keeps_logits(name):
    net, other, x = network(name).eval(), network(name, dropout=0.5).eval(), clips(name)
    for p in other.parameters():
        nn.init.zeros_(p)
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    with torch.inference_mode():
        assert torch.equal(net(x), other(x))


@every
def test_gradients_are_finite_under_bf16_autocast(name):
    net = network(name).train()
    with torch.autocast("cpu", torch.bfloat16):  # with 2 frames torch leaves bits of 3-D gradients unset
        loss = nn.functional.cross_entropy(net(clips(name, frames=4, batch=2)), torch.tensor([1, 3]))
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in net.parameters())


@every
def test_only_tsn_ignores_the_order_of_frames(name):
    x = clips(name).double()
    net = settled(network(name).double(), x)
    with torch.inference_mode():
        change = (net(x) - net(x[:, :, [2, 0, 3, 1]])).abs().max()
    assert change < 1e-9 if name.startswith("tsn") else change > 1e-3


@pytest.mark.parametrize("size", [64, 65, 96, (64, 80)], ids=str)
def test_network_takes_images_of_64_or_more(size):
    height, width = size if isinstance(size, tuple) else (size, size)
    with torch.inference_mode():
        assert network("ctnet_resnet50").eval()(torch.randn(2, 3, 3, height, width)).shape == (2, 5)


@pytest.mark.parametrize("frames", [1, 16, 24])
def test_logits_do_not_depend_on_other_clips_in_the_batch(frames):
    x = clips("ctnet_resnet50", frames, batch=2).double()
    net = settled(network("ctnet_resnet50", shallow=True).double(), x)
    with torch.inference_mode():
        torch.testing.assert_close(net(x), torch.cat([net(clip[None]) for clip in x]), rtol=0, atol=1e-9)


def test_logits_do_not_depend_on_memory_format():
    x, net = clips("ctnet_resnet50", batch=2), network("ctnet_resnet50").eval()
    with torch.inference_mode():
        for other in (x.contiguous(memory_format=torch.channels_last_3d), x.mT.contiguous().mT):
            torch.testing.assert_close(net(other), net(x))


@pytest.mark.parametrize("name,key,near", [
    ("ctnet_resnet5", {}, "ctnet_resnet50"),
    ("csn", {}, "csn_resnet50"),
    ("ctnet_resnet50", {"widht": 16}, "width"),
    ("tsn_inception_v3", {"droput": 0.1}, "dropout"),
])  # fmt: skip
def test_unknown_name_or_key_lists_similar_ones(name, key, near):
    with pytest.raises(ConfigError, match=near) as error:
        ctnet.create_model(name, **key)
    assert "\n" not in str(error.value) and (next(iter(key), name)) in str(error.value)


@pytest.mark.parametrize("overrides", [
    {"num_classes": 0},
    {"num_frames": 0},
    {"ct_blocks": ((0,), (), (), ())},
    {"ct_blocks": ((), (), (), (3,))},
    {"depths": ()},
    {"depths": (3, 4, 6, 3, 3)},
])  # fmt: skip
def test_values_without_network_raise(overrides):
    with pytest.raises(ConfigError):
        ctnet.create_model("ct_resnet50", **overrides)


def test_clips_too_small_for_inception_raise():
    with pytest.raises(ConfigError, match="75.*64"):
        network("tsn_inception_v3").eval()(torch.zeros(1, 3, 1, 64, 64))


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 4, 8, 64, 64), (1, 8, 3, 64, 64)], ids=str)
def test_clips_of_wrong_shape_raise(shape):
    with pytest.raises(ConfigError, match=r"N, 3, T, H, W"):
        network("ctnet_resnet50").eval()(torch.zeros(shape))


def test_models_package_imports_without_torch():
    code = "import sys, ctnet.models; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(models, name).__doc__ for name in models.__all__)
    with pytest.raises(AttributeError, match="ctnet.models.*'resnet18'"):
        models.resnet18  # noqa: B018
