"""Table 1, measured: the inputs that an output of a module depends on, and the special cases of the CT-Module."""

from dataclasses import dataclass

import torch
from torch import nn

from ctnet.models.ct_module import FULL, PARALLEL, POINT, SPATIAL, TEMPORAL, CTModule, balanced_sizes

# Section 3.3, Discussion: sizes and kernels of a CT-Module on C channels, and the kernels and groups of the plain
# convolutions that it equals
SPECIAL = {
    "C3D": (("C",), ((FULL,),), ((FULL, 1),)),
    "R(2+1)D": (("C", "C"), ((SPATIAL,), (TEMPORAL,)), ((SPATIAL, 1), (TEMPORAL, 1))),
    "CSN": (("C", 1), ((POINT,), (FULL,)), ((POINT, 1), (FULL, "C"))),
}


@dataclass(frozen=True)
class Field:
    """The interaction field of an output value.

    Attributes:
        channels: Number of input channels that it depends on.
        extent: (t, h, w) of the box of positions around those that it depends on.
        positions: Number of positions in that box that it depends on.
    """

    channels: int
    extent: tuple[int, int, int]
    positions: int


def field_of(module: CTModule, channels: int, size: int = 11) -> Field:
    """Measure the interaction field of a module, for the central output of channel 0.

    All weights are set to 1, so that no path is cancelled or stopped by a ReLU: each input that is connected to the
    output has a gradient.

    Args:
        module: Its weights and dtype change.
        channels: Number of its input channels.
        size: Frames, height and width of the input; the largest extent that can be seen.
    """
    module = module.double().eval()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    x = torch.ones(1, channels, size, size, size, dtype=torch.float64, requires_grad=True)
    centre = size // 2
    module(x)[0, 0, centre, centre, centre].backward()
    c, *box = x.grad[0].nonzero(as_tuple=True)
    extent = tuple(int(b.max() - b.min()) + 1 for b in box)
    return Field(len(c.unique()), extent, int(x.grad[0].any(0).sum()))


def after(operations: int, channels: int, sizes: tuple[int, ...], kernels=None) -> Field:
    """The interaction field after the first `operations` sub-operations of a CT-Module.

    Args:
        operations: From 1 to K.
        channels: Number of channels (C).
        sizes: (C_1, .., C_K).
        kernels: Its kernels; by default a spatial and a temporal one in parallel in each sub-operation.
    """
    module = CTModule(channels, sizes, kernels or (PARALLEL,) * len(sizes))
    module.ops = module.ops[:operations]
    return field_of(module, channels)


def table_1(channels: int = 64) -> dict[str, list[Field]]:
    """Measure Table 1.

    Args:
        channels: Number of channels (C).

    Returns:
        For each method, the interaction field after each of its sub-operations.
    """
    modules = {name: (_sizes(sizes, channels), kernels) for name, (sizes, kernels, _) in SPECIAL.items()}
    modules |= {f"CT-Module, K = {k}": (balanced_sizes(channels, k), None) for k in (1, 2, 3, 4)}
    return {
        name: [after(k, channels, sizes, kernels) for k in range(1, len(sizes) + 1)]
        for name, (sizes, kernels) in modules.items()
    }


def _sizes(sizes: tuple[int | str, ...], channels: int) -> tuple[int, ...]:
    """Sizes with "C" replaced by the number of channels."""
    return tuple(channels if s == "C" else s for s in sizes)


@torch.no_grad()
def special_case_gap(name: str, channels: int = 8) -> float:
    """Compare a CT-Module with the plain network that it is a special case of.

    The plain network is conv3d -> BN -> ReLU for each sub-operation, with the same random weights and statistics.

    Args:
        name: A key of SPECIAL.
        channels: Number of channels (C).

    Returns:
        The largest difference of their outputs on random clips, relative to the largest output, in double precision.
    """
    sizes, kernels, plain = SPECIAL[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = CTModule(channels, _sizes(sizes, channels), kernels).double().eval()
        layers = []
        for op, (kernel, groups) in zip(module.ops, plain, strict=True):
            (branch,) = op.branches
            nn.init.normal_(branch.bn.running_mean, std=0.1)
            for values in (branch.bn.running_var, branch.bn.weight):
                nn.init.uniform_(values, 0.5, 1.5)
            padding, groups = tuple(k // 2 for k in kernel), channels if groups == "C" else groups
            conv = nn.Conv3d(channels, channels, kernel, padding=padding, groups=groups, bias=False).double()
            conv.weight.copy_(branch.conv.weight.view_as(conv.weight))
            norm = nn.BatchNorm3d(channels).double()
            norm.load_state_dict(branch.bn.state_dict())
            layers += [conv, norm, nn.ReLU()]
        x = torch.randn(2, channels, 4, 5, 6, dtype=torch.float64)
    expected = nn.Sequential(*layers).eval()(x)
    return float((module(x) - expected).abs().max() / expected.abs().max())


def measured() -> dict[str, bool]:
    """Check the statements of Table 1: id of the claim (`data/paper/claims.csv`) -> whether it holds."""
    fields = table_1()
    modules = {k: fields[f"CT-Module, K = {k}"] for k in (1, 2, 3, 4)}
    others = [fields[name][-1] for name in SPECIAL]
    return {
        "field-one": all(
            (f[0].channels, f[0].extent) == (balanced_sizes(64, k)[0], (3, 3, 3)) for k, f in modules.items()
        ),
        "field-k": all(f[-1].extent == (2 * k + 1,) * 3 for k, f in modules.items()),
        "field-others": all(f.extent == (3, 3, 3) for f in others),
        "all-channels": all(f[-1].channels == 64 for f in modules.values()),
        "special-cases": all(special_case_gap(name) < 1e-12 for name in SPECIAL),
    }
