"""Costs: layers counted by hand, and whole networks against the counters of torch and fvcore."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import ctnet
from ctnet.errors import ConfigError
from ctnet.protocol import Protocol

SMALL = {"width": 16, "depths": (2, 2, 2)}


class Net(nn.Module):
    """Layers on each frame of clips (1, 3, T, H, W)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, clips):
        return self.layers(clips.transpose(1, 2).flatten(0, 1))


class Clip(nn.Sequential):
    """Layers on whole clips (1, 3, T, H, W)."""


# (layers, paper's count, multiply-adds, numbers written) on 2 frames of 4 x 4
BY_HAND = {
    "convolution": (Net(nn.Conv2d(3, 5, 3, padding=1)), 160 * 27, 160 * 27, 160),  # 2 x 5 x 4 x 4 outputs of 3 x 3 x 3
    "grouped": (Net(nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)), 48 * 9, 48 * 9, 48),
    "3-d": (Clip(nn.Conv3d(3, 2, (3, 1, 1), padding=(1, 0, 0))), 64 * 9, 64 * 9, 64),
    "linear": (Net(nn.Flatten(), nn.Linear(48, 7)), 14 * 48, 14 * 48, 14),
    "batch norm": (Net(nn.BatchNorm2d(3)), 2 * 96, 0, 96),
    "average": (Net(nn.AdaptiveAvgPool2d(1)), 6 * 17, 0, 6),  # 16 additions and a division for each of 2 x 3
    "average to 2 x 2": (Net(nn.AdaptiveAvgPool2d(2)), 24 * 5, 0, 24),
    "maximum": (Net(nn.MaxPool2d(2)), 0, 0, 24),
    "activations": (Net(nn.ReLU(inplace=True), nn.ReLU(), nn.Sigmoid(), nn.Dropout(), nn.Identity()), 0, 0, 0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_layer_counts_equal_counts_by_hand(name):
    net, flops, macs, written = BY_HAND[name]
    c = ctnet.cost(net, frames=2, size=4)
    assert (c.gflops * 1e9, c.gmacs * 1e9) == pytest.approx((flops, macs), abs=1e-3)
    assert c.activations_mb * 1e6 == pytest.approx(4 * written, abs=1e-6)
    assert c.params_m * 1e6 == pytest.approx(sum(p.numel() for p in net.parameters()))


def test_ctnet_resnet50_has_the_count_of_the_released_network():
    c = ctnet.cost("ctnet_resnet50", frames=8, size=256)
    assert round(c.gflops * 1e9) == 37_320_483_840
    assert round(c.gmacs * 1e9) == 37_038_145_536


def test_protocol_multiplies_operations_by_views():
    net = ctnet.create_model("ctnet_resnet50", **SMALL)
    one, six = ctnet.cost(net, 4, 64), ctnet.cost(net, protocol=Protocol(frames=4, crops=3, clips=2, size=64))
    assert (six.gflops, six.gmacs) == pytest.approx((6 * one.gflops, 6 * one.gmacs))
    assert (six.params_m, six.activations_mb) == (one.params_m, one.activations_mb)


@pytest.mark.parametrize("wrong", [{"frames": -1}, {"frames": 0}, {"size": 0}], ids=str)
def test_clip_without_frames_or_pixels_is_refused(wrong):
    with pytest.raises(ConfigError, match="needs at least 1 frame and 1 pixel"):
        ctnet.cost("ctnet_resnet50", **wrong)


def test_cost_leaves_the_network_unchanged():
    net = ctnet.create_model("ctnet_resnet50", **SMALL).train()
    for module in (net.bn1, net.layer2):  # frozen parts of a network in training
        module.eval()
    modes = {name: m.training for name, m in net.named_modules()}
    weight, mean = net.conv1.weight.clone(), net.bn1.running_mean.clone()
    ctnet.cost(net, 2, 32)
    assert {name: m.training for name, m in net.named_modules()} == modes
    assert torch.equal(net.conv1.weight, weight) and torch.equal(net.bn1.running_mean, mean)
    assert not any(m._forward_hooks for m in net.modules())


@pytest.mark.parametrize("name", ["ctnet_resnet50", "tsm_resnet50", "csn_resnet50", "ctnet_inception_v3"])
def test_multiply_adds_equal_those_of_torch(name):
    overrides = {"width": 32} if "inception" in name else SMALL
    frames, size = 3, 80
    with torch.device("meta"):
        net, clip = ctnet.create_model(name, **overrides).eval(), torch.empty(1, 3, frames, size, size)
    with FlopCounterMode(display=False) as counter:
        net(clip)
    assert round(ctnet.cost(net, frames, size).gmacs * 1e9) == counter.get_total_flops() / 2


def fvcore_count(net: nn.Module, frames: int, size: int) -> tuple[float, float]:
    """Count one clip with fvcore: (convolutions, linear layers and batch norms; everything)."""
    from fvcore.nn import FlopCountAnalysis

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the tracer
        analysis = FlopCountAnalysis(net.eval(), torch.zeros(1, 3, frames, size, size))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        counts = analysis.by_operator()
    return counts["conv"] + counts["linear"] + counts["batch_norm"], analysis.total()


@pytest.mark.parametrize("name", ["ctnet_resnet50", "tsn_resnet50", "c3d_resnet50"])
def test_count_equals_fvcore(name):
    frames, size = 3, 64
    net = ctnet.create_model(name, **SMALL)
    theirs, total = fvcore_count(net, frames, size)
    c = ctnet.cost(net, frames, size)
    features = net.fc.in_features
    pooled = frames * features * ((size // 16) ** 2 + 1)  # fvcore counts the last pooling by another rule
    assert round(c.gflops * 1e9) == theirs + pooled
    assert total == pytest.approx(c.gflops * 1e9, rel=1e-3)


def test_full_network_count_equals_fvcore():
    net = ctnet.create_model("ctnet_resnet50")
    theirs, _ = fvcore_count(net, 1, 64)
    assert round(ctnet.cost(net, 1, 64).gflops * 1e9) == theirs + 2048 * (2 * 2 + 1)
