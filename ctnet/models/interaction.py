"""Table 1 measured: which inputs one output of a module depends on, read off a gradient, and its special cases."""

from dataclasses import dataclass

import torch
from torch import nn

from ctnet.models.ct_module import FULL, PARALLEL, POINT, SPATIAL, TEMPORAL, CTModule, balanced_sizes


@dataclass(frozen=True)
class Field:
    """channels: how many input channels reach an output · extent: (t, h, w) of the box that they reach it from ·
    positions: how many of the t·h·w positions of that box do."""

    channels: int
    extent: tuple[int, int, int]
    positions: int


def field_of(module: CTModule, channels: int, size: int = 11) -> Field:
    """The interaction field of the central output of channel 0; extents of up to `size` can be seen.

    All weights are set to 1, so that no path is cancelled or cut by a ReLU: what is connected has a gradient.
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


def after(operations: int, channels: int, sizes: tuple[int, ...]) -> Field:
    """The field of the first `operations` sub-operations of a CT-Module."""
    module = CTModule(channels, sizes, (PARALLEL,) * len(sizes))
    module.ops = module.ops[:operations]
    return field_of(module, channels)


def table_1(channels: int = 64) -> dict[str, list[Field]]:
    """Method -> the field after each of its sub-operations."""

    def special(sizes, kernels):
        fields = []
        for k in range(1, len(sizes) + 1):
            fields.append(field_of(CTModule(channels, sizes[:k], kernels[:k]), channels))
        return fields

    found = {
        "C3D": special((channels,), ((FULL,),)),
        "R(2+1)D": special((channels, channels), ((SPATIAL,), (TEMPORAL,))),
    }
    csn = CTModule(channels, (channels, 1), ((POINT,), (FULL,)))
    first = CTModule(channels, (channels,), ((POINT,),))
    found["CSN"] = [field_of(first, channels), field_of(csn, channels)]
    for k in (1, 2, 3, 4):
        sizes = balanced_sizes(channels, k)
        found[f"CT-Module, K = {k}"] = [after(i, channels, sizes) for i in range(1, k + 1)]
    return found


# Section 3.3, Discussion: sizes and kernels of a CT-Module on C channels, and kernel and groups of the plain
# convolutions that it must equal
SPECIAL = {
    "C3D": (("C",), ((FULL,),), ((FULL, 1),)),
    "R(2+1)D": (("C", "C"), ((SPATIAL,), (TEMPORAL,)), ((SPATIAL, 1), (TEMPORAL, 1))),
    "CSN": (("C", 1), ((POINT,), (FULL,)), ((POINT, 1), (FULL, "C"))),
}


@torch.no_grad()
def special_case_gap(name: str, channels: int = 8) -> float:
    """The largest difference, on random clips, between a CT-Module as `name` and conv3d -> BN -> ReLU layers of the
    same weights and statistics, relative to the largest output; in double precision."""
    sizes, kernels, plain = SPECIAL[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = CTModule(channels, [channels if s == "C" else s for s in sizes], kernels).double().eval()
        layers = []
        for op, (kernel, groups) in zip(module.ops, plain, strict=True):
            (branch,) = op.branches
            nn.init.normal_(branch.bn.running_mean, std=0.1)
            for values in (branch.bn.running_var, branch.bn.weight):
                nn.init.uniform_(values, 0.5, 1.5)
            pad, groups = tuple(k // 2 for k in kernel), channels if groups == "C" else groups
            conv = nn.Conv3d(channels, channels, kernel, padding=pad, groups=groups, bias=False).double()
            conv.weight.copy_(branch.conv.weight.view_as(conv.weight))
            norm = nn.BatchNorm3d(channels).double()
            norm.load_state_dict(branch.bn.state_dict())
            layers += [conv, norm, nn.ReLU()]
        x = torch.randn(2, channels, 4, 5, 6, dtype=torch.float64)
    expected = nn.Sequential(*layers).eval()(x)
    return float((module(x) - expected).abs().max() / expected.abs().max())


def measured() -> dict[str, bool]:
    """Claim id -> whether Table 1's statement holds in the measurement."""
    fields = table_1()
    modules = {k: fields[f"CT-Module, K = {k}"] for k in (1, 2, 3, 4)}
    others = [fields[name][-1] for name in ("C3D", "R(2+1)D", "CSN")]
    return {
        "field-one": all(
            (f[0].channels, f[0].extent) == (balanced_sizes(64, k)[0], (3, 3, 3)) for k, f in modules.items()
        ),
        "field-k": all(f[-1].extent == (2 * k + 1,) * 3 for k, f in modules.items()),
        "field-others": all(f.extent == (3, 3, 3) for f in others),
        "all-channels": all(f[-1].channels == 64 for f in modules.values()),
        "special-cases": all(special_case_gap(name) < 1e-12 for name in SPECIAL),
    }
