"""Saliency Tubes against a plain loop, the identity with the logit, and a clip with evidence in one corner."""

import numpy as np
import pytest
import torch
from torch import nn

import ctnet
from ctnet.clips import normalize
from ctnet.errors import ConfigError
from ctnet.inference.saliency import class_map, overlay, saliency
from tests.support.networks import clips, every, network, settled


class Mean(nn.Module):
    """A network on means of 8 x 8 pixels: red speaks for class 0 and against class 1, nothing for class 2."""

    def __init__(self):
        super().__init__()
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 3)
        self.fc.weight.data = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0, 0]])

    def forward(self, x):
        n, _, t = x.shape[:3]
        x = nn.functional.avg_pool2d(x.transpose(1, 2).flatten(0, 1), 8)
        return self.fc(self.avgpool(x).flatten(1)).unflatten(0, (n, t)).mean(1)


def corner():
    """Return a black clip with a red square in the upper right corner of frame 3."""
    clip = torch.zeros(3, 5, 32, 48, dtype=torch.uint8)
    clip[0, 3, :8, 40:] = 255
    return clip


def test_saliency_is_largest_at_the_evidence_for_the_class():
    tube = saliency(Mean(), corner(), 0)
    assert tube.shape == (5, 32, 48) and tube.dtype == np.float32 and (tube.min(), tube.max()) == (0, 1)
    t, y, x = np.nonzero(tube > 0.9)
    assert set(t) == {3} and y.max() < 8 and x.min() >= 40
    assert tube[[0, 1, 2, 4]].max() < 1e-6, "no other frame"
    against = saliency(Mean(), corner(), 1)
    assert np.allclose(against, 1 - tube, atol=1e-6), "evidence against a class is lowest"


def test_constant_map_is_zero():
    assert not saliency(Mean(), corner(), 2).any()


def by_loops(net, clip, label):
    """Compute the tube from its definition with loops in double precision, then scale one axis after the other."""
    kept = []
    with net.avgpool.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0])), torch.no_grad():
        net(clip[None])
    frames, channels, h, w = kept[0].shape
    found = np.zeros((frames, h, w))
    for t, y, x in np.ndindex(frames, h, w):
        for c in range(channels):
            found[t, y, x] += net.fc.weight[label, c].item() * kept[0][t, c, y, x].item()
    for axis, size in ((1, clip.shape[2]), (2, clip.shape[3])):
        old = found.shape[axis]
        places = (np.arange(size) + 0.5) * old / size - 0.5
        found = np.apply_along_axis(lambda line, p=places, n=old: np.interp(p, np.arange(n), line), axis, found)
    return (found - found.min()) / (found.max() - found.min())


@pytest.mark.parametrize("name, size", [("ctnet_resnet50", (64, 96)), ("tsm_resnet50", (65, 40))])
def test_saliency_follows_its_definition(name, size):
    clip = torch.randn(3, 3, *size, dtype=torch.float64)
    net = settled(network(name, shallow=True).double(), clip[None])
    for label in (0, 4):
        expected = by_loops(net, clip, label)
        np.testing.assert_allclose(saliency(net, clip, label), expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(saliency(net.fuse(), clip, label), expected, rtol=0, atol=1e-6)


@every
def test_mean_of_the_class_map_is_the_logit_without_bias(name):
    """For every network of the zoo, fused or not; its saliency is finite and has the shape of the clip."""
    x = clips(name, frames=3).double()
    net = settled(network(name, shallow=True).double(), x)
    nn.init.normal_(net.fc.bias)
    for each in (net, net.fuse()):
        with torch.inference_mode():
            logits = each(x)[0]
        means = torch.stack([class_map(each, x[0], label).mean() for label in range(5)])
        torch.testing.assert_close(means, logits - each.fc.bias, rtol=0, atol=1e-9)
        assert means.std() > 0.05
    tube = saliency(net, x[0])
    assert tube.shape == x.shape[2:] and np.isfinite(tube).all() and (tube.min(), tube.max()) == (0, 1)


def test_default_class_is_the_most_likely_one():
    clip = (torch.rand(3, 4, 64, 64) * 255).byte()
    net = network("ctnet_resnet50", shallow=True).train()
    named = class_map(net, clip, int(net.eval()(normalize(clip)[None]).argmax()))
    assert torch.equal(class_map(net.train(), clip), named), "the network is set to eval mode"
    assert torch.equal(class_map(net, normalize(clip)), named), "uint8 and normalised clips give the same"
    assert not net.avgpool._forward_pre_hooks


@pytest.mark.parametrize("label", [-1, 5])
def test_unknown_class_is_an_error(label):
    net = network("tsn_resnet50", shallow=True)
    with pytest.raises(ConfigError, match=f"there is no class {label}: the network has 5 classes"):
        saliency(net, clips("tsn_resnet50")[0], label)


def test_wrong_clip_shape_leaves_no_hook():
    net = network("tsn_resnet50", shallow=True)
    with pytest.raises(ConfigError, match="N, 3, T, H, W"):
        saliency(net, torch.zeros(4, 2, 64, 64))
    assert not net.avgpool._forward_pre_hooks


def test_overlay_is_the_mean_of_frame_and_heat_colour():
    clip = torch.full((3, 1, 2, 2), 200, dtype=torch.uint8)
    tube = np.array([[[0.0, 0.5], [0.5, 1.0]]], np.float32)
    shown = overlay(clip, tube)
    assert shown.shape == clip.shape and shown.dtype == torch.uint8 and shown.min() >= 100
    cold, hot = shown[:, 0, 0, 0].tolist(), shown[:, 0, 1, 1].tolist()
    assert cold[2] > cold[0] and hot[0] > hot[2], "blue is low, red is high"


def test_saliency_and_export_are_modules_of_the_package():
    assert ctnet.saliency.saliency is saliency and ctnet.export.__name__ == "ctnet.inference.export"
