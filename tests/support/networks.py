"""Networks and clips that the tests of the zoo share."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import ctnet

NAMES = ctnet.list_models()
every = pytest.mark.parametrize("name", NAMES)


def network(name: str, shallow: bool = False, **overrides) -> nn.Module:
    """A narrow network with 5 classes and logits of order one; shallow: with one block of the name's kind."""
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
    size = size or (75 if "inception" in name else 64)
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


def settled(net: nn.Module, x: torch.Tensor) -> nn.Module:
    """In eval mode, with batch norms as after training: none is the identity, features keep their size."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.momentum = 1.0  # the statistics become those of x
    with torch.no_grad():
        net.train()(torch.cat([x, x.flip(-1)]))
    return net.eval()


def random_statistics(net: nn.Module) -> nn.Module:
    """In eval mode, with batch norms that are not the identity, and mild enough for single precision."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.35, 1.0)
            nn.init.normal_(module.bias, std=0.1)
    return net.eval()


def snapshot(net: nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items()}


def unchanged(net: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


class Payload:
    """What is made of it when it is unpickled is an open file: if one appears, the pickle ran."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")
