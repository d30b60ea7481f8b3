"""The recipe of A.1: the learning rate of each epoch, and the settings of each parameter."""

import math

import pytest
import torch
from torch import nn

import ctnet
from ctnet.training import Recipe, VideoClassifier
from ctnet.training.fit import rate_line

A1 = Recipe()


def groups(name="ctnet_resnet50", recipe=A1):
    """Return a network, the optimizer's settings of each parameter, and the schedule; no parameter is in two groups."""
    with torch.device("meta"):
        network = ctnet.create_model(name, num_classes=7)
    module = VideoClassifier(network, recipe)
    (optimizer,), (scheduler,) = module.configure_optimizers()
    found = {}
    for group in optimizer.param_groups:
        for p in group["params"]:
            assert p not in found, "a parameter in two groups"
            found[p] = group
    assert set(found) == set(network.parameters())
    return network, found, scheduler


def test_default_numbers_are_those_of_a1():
    assert (A1.epochs, A1.batch_size, A1.lr, A1.warmup) == (45, 64, 0.02, 10)
    assert (A1.dropout, A1.weight_decay, A1.momentum, A1.clip_norm) == (0.3, 5e-4, 0.9, 20.0)


def test_learning_rate_of_each_of_the_45_epochs():
    """Ten epochs of linear warm-up from a tenth of the rate, then a cosine that would be 0 in epoch 45."""
    factors = [A1.lr_factor(epoch) for epoch in range(45)]
    assert factors[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert factors[10] == 1.0
    # 0.5 (1 + cos(pi k / 35)), k = 5, 10, 15, 20, 25, 30, 34
    golden = {15: 0.950484, 20: 0.811745, 25: 0.611260, 30: 0.388740, 35: 0.188255, 40: 0.049516, 44: 0.002013}
    assert {e: factors[e] for e in golden} == pytest.approx(golden, abs=1e-6)
    assert all(a > b > 0 for a, b in zip(factors[10:], factors[11:], strict=False))
    assert A1.lr_factor(45) == pytest.approx(0, abs=1e-15)


def test_recipe_without_warm_up_or_with_one_epoch_starts_at_the_full_rate():
    assert Recipe(epochs=4, warmup=0).lr_factor(0) == 1.0
    assert Recipe(epochs=4, warmup=0).lr_factor(2) == pytest.approx(0.5)
    assert Recipe(epochs=1, warmup=1).lr_factor(0) == 1.0


@pytest.mark.parametrize("name", ["ctnet_resnet50", "tsn_resnet50", "ctnet_inception_v3"])
def test_only_weights_of_convolutions_and_linear_layers_decay(name):
    network, settings, _ = groups(name)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            assert settings[module.weight]["weight_decay"] == settings[module.bias]["weight_decay"] == 0
        elif isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            assert settings[module.weight]["weight_decay"] == 5e-4
            assert module.bias is None or settings[module.bias]["weight_decay"] == 0


def test_last_layer_learns_faster_and_all_have_momentum():
    network, settings, _ = groups()
    last = {network.fc.weight: 5 * 0.02, network.fc.bias: 10 * 0.02}
    for p, group in settings.items():
        assert group["initial_lr"] == pytest.approx(last.get(p, 0.02))
        assert group["momentum"] == 0.9


@pytest.mark.parametrize("batch_size, lr", [(64, 0.02), (16, 0.005), (512, 0.16)])
def test_learning_rate_is_scaled_with_the_batch_size(batch_size, lr):
    """The batch size is that of all ranks together, so their number changes neither the rate nor the key."""
    network, settings, _ = groups(recipe=Recipe(batch_size=batch_size))
    assert settings[network.conv1.weight]["initial_lr"] == pytest.approx(lr)
    assert f"lr 0.02 for 64 clips: {lr:g} at {batch_size} clips a step" == rate_line(Recipe(batch_size=batch_size), 1)
    shared = rate_line(Recipe(batch_size=batch_size), 8)
    assert shared.endswith(f"{lr:g} at {batch_size} clips a step, {batch_size // 8} on each of 8 processes")


def test_schedule_scales_every_group_alike():
    network, settings, scheduler = groups()
    seen = []
    for _ in range(3):
        seen.append({p: group["lr"] for p, group in settings.items()})
        scheduler.optimizer.step()
        scheduler.step()
    for epoch, rates in enumerate(seen):
        for p, rate in rates.items():
            assert math.isclose(rate, settings[p]["initial_lr"] * A1.lr_factor(epoch))


def test_no_parameter_is_frozen():
    network, settings, _ = groups()
    assert all(p.requires_grad for p in settings)
