"""Networks and clips for the tests of all networks."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import ctnet

NAMES = ctnet.list_models()
every = pytest.mark.parametrize("name", NAMES)


def network(name: str, shallow: bool = False, **overrides) -> nn.Module:
    """Return a narrow network with 5 classes and logits of order one.

    Args:
        name: One of `ctnet.list_models()`.
        shallow: Keep three blocks of a ResNet, one of them a CT-block if the name has any.
        **overrides: As in `ctnet.create_model`.
    """
    torch.manual_seed(0)
    inception = "inception" in name
    if shallow and not inception:
        overrides["depths"] = (1, 2)
        overrides["ct_blocks"] = ((), () if name.startswith("ts") else (1,))
    width = 32 if inception else 16
    net = ctnet.create_model(name, num_classes=5, **{"width": width, "dropout": 0.0, **overrides})
    nn.init.normal_(net.fc.weight, std=net.fc.in_features**-0.5)
    return net


def clips(name: str, frames: int = 4, batch: int = 1, size: int | None = None) -> torch.Tensor:
    """Return random clips (batch, 3, frames, size, size), by default of the smallest size for the network."""
    size = size or (75 if "inception" in name else 64)
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


def settled(net: nn.Module, x: torch.Tensor) -> nn.Module:
    """Return the network in eval mode, with random batch norms that have the statistics of x, as after training."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.momentum = 1.0  # one batch decides the statistics
    with torch.no_grad():
        net.train()(torch.cat([x, x.flip(-1)]))
    return net.eval()


def random_statistics(net: nn.Module) -> nn.Module:
    """Return the network in eval mode, with random batch norms that keep outputs small for single precision."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.35, 1.0)
            nn.init.normal_(module.bias, std=0.1)
    return net.eval()


def snapshot(net: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the state dict."""
    return {k: v.clone() for k, v in net.state_dict().items()}


def unchanged(net: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    """Return whether the state dict equals a snapshot."""
    return all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


class Payload:
    """An object whose pickle creates the file `path` when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")
