"""The networks of the paper: the CT-Module, the backbones that hold it, their names, weights and costs.

Names are loaded on first use, so that importing this package does not import torch.
"""

from ctnet import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
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
    },
)
