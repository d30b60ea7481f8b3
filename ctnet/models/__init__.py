"""The networks of the paper: the CT-Module, the backbones that hold it, their names, weights and costs.

Names are loaded on first use, so that importing this package does not import torch.
"""

from importlib import import_module

_WHERE = {
    "CTConfig": "network",
    "CTModule": "ct_module",
    "Cost": "cost",
    "FrameNetwork": "network",
    "InceptionConfig": "inception",
    "InceptionV3": "inception",
    "ResNet": "resnet",
    "ResNetConfig": "resnet",
    "balanced_sizes": "ct_module",
    "create_model": "zoo",
    "list_models": "zoo",
    "same_network": "zoo",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return __all__
