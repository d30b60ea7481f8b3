"""CTModule against a reference written from the equations, its special cases, and its interaction field (Table 1)."""

from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from ctnet.errors import ConfigError
from ctnet.models.ct_module import CTModule
from tests.models import reference

S, T, ST, P = (1, 3, 3), (3, 1, 1), (3, 3, 3), (1, 1, 1)
S5, T5 = (1, 5, 5), (5, 1, 1)
TWO = [(4, 4), (8, 4), (4, 3), (12, 8), (16, 1), (1, 8)]
TENSORISED = [(16,), *TWO, (4, 2, 2), (3, 2, 4), (4, 4, 4), (2, 3, 2, 2), (2, 2, 3, 4)]
BRANCHES = [(S, T), (ST,), (T, S), (P, P), (S,)]
FULL = [(8, 8), (16, 8), (4, 4), (12, 8)]  # sizes divisible by 4, as TE needs


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Set random weights and statistics, such that each part of the module changes its output."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            noise = torch.empty(value.shape, dtype=torch.float64).normal_(0, 0.3, generator=generator)
            positive = name.endswith("running_var") or ("bn." in name and name.endswith("weight"))
            value.copy_(noise.abs() + 0.5 if positive else noise)
    return module


def check(shape, sizes, kernels, training=False, in_channels=None, **options) -> None:
    """Compare a random module with the reference on random clips; shape is (N, T, H, W)."""
    channels = prod(sizes)
    module = randomise(CTModule(channels, sizes, kernels, in_channels=in_channels, **options).double())
    state = {k: v.clone() for k, v in module.state_dict().items()}  # a copy: training updates the statistics
    x = clips((shape[0], in_channels or channels, *shape[1:]))
    expected = reference.ct_module(x, state, sizes, kernels, training=training, **options)
    torch.testing.assert_close(module.train(training)(x), expected, rtol=1e-10, atol=1e-10)


def clips(shape, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


shapes = st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 7), st.integers(1, 7))
connects = st.sampled_from(["parallel", "serial"])


@settings(max_examples=80)
@given(shapes, st.sampled_from(TENSORISED), st.sampled_from(BRANCHES), connects, st.booleans())
def test_module_equals_reference(shape, sizes, branches, connect, pointwise):
    check(shape, sizes, (branches,) * len(sizes), connect=connect, pointwise=pointwise)


@given(shapes, st.sampled_from(FULL), connects, st.booleans(), st.sampled_from(["te", "se"]))
def test_module_with_excitation_equals_reference(shape, sizes, connect, pointwise, excitation):
    check(shape, sizes, ((S, T),) * 2, connect=connect, pointwise=pointwise, excitation=excitation)


@pytest.mark.parametrize("sizes", [(16,), (4, 4, 4), (4, 4, 4, 4)], ids=str)
def test_module_with_excitation_equals_reference_for_other_k(sizes):
    check((1, 2, 3, 3), sizes, ((S, T),) * len(sizes), pointwise=True, excitation="te")


@pytest.mark.parametrize("kernels", [((P, P), (S, T)), ((S, T), (S5, T5)), ((S5, T5), (S5, T5))], ids=str)
def test_module_with_kernels_of_table_2f_equals_reference(kernels):
    check((2, 4, 5, 6), (8, 4), kernels)


@pytest.mark.parametrize("excitation", [None, "te", "se"])
@pytest.mark.parametrize("connect", ["parallel", "serial"])
def test_module_in_training_equals_reference(connect, excitation):
    check((2, 3, 4, 5), (8, 4), ((S, T),) * 2, True, connect=connect, pointwise=True, excitation=excitation)


@pytest.mark.parametrize("connect", ["parallel", "serial"])
def test_module_that_changes_the_channels_equals_reference(connect):
    options = {"connect": connect, "pointwise": True, "excitation": "te"}
    check((2, 2, 3, 4), (12, 8), ((S, T),) * 2, in_channels=64, **options)


@pytest.mark.parametrize("sizes,k", [(s, k) for s in ((4, 3), (2, 3, 2)) for k in range(len(s))])
def test_reference_convolution_equals_equation_1_with_a_sparse_kernel(sizes, k):
    channels = prod(sizes)
    weight, x = clips((channels, sizes[k], *ST)), clips((2, channels, 3, 4, 5), seed=1)
    y = reference.convolve(reference.enter(x, sizes, k, channels), weight, ST)
    dense = F.conv3d(x, reference.dense_weight(weight, sizes, k, ST), padding=1)
    torch.testing.assert_close(reference.leave(y, sizes, k), dense, rtol=1e-10, atol=1e-10)


# The special cases of Section 3.3


def plain(module: CTModule, *convs: nn.Conv3d) -> nn.Sequential:
    """conv -> BN -> ReLU for each sub-operation of the module, with its weights."""
    layers = []
    for op, conv in zip(module.ops, convs, strict=True):
        (branch,) = op.branches
        conv = conv.double()
        conv.weight.data = branch.conv.weight.detach().reshape(conv.weight.shape)
        norm = nn.BatchNorm3d(conv.out_channels).double()
        norm.load_state_dict(branch.bn.state_dict())
        layers += [conv, norm, nn.ReLU()]
    return nn.Sequential(*layers).eval()


def conv3d(kernel, groups=1) -> nn.Conv3d:
    return nn.Conv3d(16, 16, kernel, padding=tuple(k // 2 for k in kernel), groups=groups, bias=False)


SPECIAL = {
    "C3D": ((16,), ((ST,),), [conv3d(ST)]),
    "R(2+1)D": ((16, 16), ((S,), (T,)), [conv3d(S), conv3d(T)]),
    "CSN": ((16, 1), ((P,), (ST,)), [conv3d(P), conv3d(ST, groups=16)]),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases_equal_plain_conv3d_networks(name):
    sizes, kernels, convs = SPECIAL[name]
    module, x = randomise(CTModule(16, sizes, kernels).double()).eval(), clips((2, 16, 5, 6, 7))
    torch.testing.assert_close(module(x), plain(module, *convs)(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(module(x), reference.ct_module(x, module.state_dict(), sizes, kernels))


# Table 1: the interaction field


def positive(module: CTModule) -> CTModule:
    """Set positive weights, so that with positive inputs no ReLU and no cancellation hides a path."""
    for name, value in module.state_dict().items():
        if name.endswith("conv.weight"):
            value.uniform_(0.5, 1.5)
    return module.double().eval()


def keep_first(module: CTModule, ops: int, serial: bool) -> CTModule:
    """Turn all sub-operations after the first `ops` into the identity: if branches are summed, all but one are zero."""
    for op in list(module.ops)[ops:]:
        for j, branch in enumerate(op.branches):
            weight = branch.conv.weight.data.zero_()
            if j == 0 or serial:
                middle = tuple(s // 2 for s in weight.shape[2:])
                for row in range(len(weight)):
                    weight[(row, row % weight.shape[1], *middle)] = 1
    return module


def field(module: CTModule, channels: int, size: int = 11) -> tuple[int, tuple[int, ...]]:
    """(number of channels, extent in T, H, W) of the inputs that one output value depends on."""
    x = torch.rand(1, channels, size, size, size, dtype=torch.float64) + 0.5
    x.requires_grad_()
    module(x)[0, channels // 2, size // 2, size // 2, size // 2].backward()
    seen = x.grad[0].abs() > 1e-12
    spans = [seen.any(0).movedim(axis, 0).flatten(1).any(1).nonzero().flatten() for axis in range(3)]
    return int(seen.flatten(1).any(1).sum()), tuple(int(s.max() - s.min() + 1) for s in spans)


@pytest.mark.parametrize("connect", ["parallel", "serial"])
@pytest.mark.parametrize("sizes", [(24,), (4, 6), (4, 3, 2), (2, 3, 2, 2)], ids=str)
def test_interaction_field_after_k_sub_operations(sizes, connect):
    channels, total = prod(sizes), len(sizes)
    for done in range(1, total + 1):
        module = positive(CTModule(channels, sizes, ((S, T),) * total, connect=connect))
        reached, extent = field(keep_first(module, done, connect == "serial"), channels)
        assert reached == prod(sizes[:done])
        assert extent == (2 * done + 1,) * 3


@pytest.mark.parametrize("name", SPECIAL)
def test_interaction_field_of_special_cases(name):
    sizes, kernels, _ = SPECIAL[name]
    assert field(positive(CTModule(16, sizes, kernels)), 16) == (16, (3, 3, 3))


def test_interaction_field_of_depthwise_convolution():
    assert field(positive(CTModule(16, (1,), ((ST,),))), 16) == (1, (3, 3, 3))


# Errors


@pytest.mark.parametrize("sizes,kernels,numbers", [
    ((8, 4), ((S, T),) * 2, ("32", "64")),
    ((8, 8, 2), ((S, T),) * 3, ("128", "64")),
    ((8, 8), ((S, T),), ("2", "1")),
])  # fmt: skip
def test_wrong_sizes_raise_with_their_numbers(sizes, kernels, numbers):
    with pytest.raises(ConfigError) as error:
        CTModule(64, sizes, kernels)
    assert all(number in str(error.value) for number in numbers)


@pytest.mark.parametrize("kwargs", [{"connect": "both"}, {"excitation": "cbam"}])
def test_unknown_option_is_named(kwargs):
    with pytest.raises(ConfigError, match=next(iter(kwargs.values()))):
        CTModule(64, (8, 8), ((S, T),) * 2, **kwargs)


def test_tensor_excitation_raises_for_sizes_not_divisible_by_four():
    with pytest.raises(ConfigError):
        CTModule(36, (6, 6), ((S, T),) * 2, excitation="te")
