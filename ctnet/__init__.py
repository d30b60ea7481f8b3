"""A reproduction of CT-Net: Channel Tensorization Network for Video Classification (Li et al., ICLR 2021)."""

from importlib import import_module

__version__ = "0.1.0"

# name -> module; imported on first use, so that `import ctnet` stays light
_PUBLIC = {
    "list_models": "ctnet.models.zoo",
    "create_model": "ctnet.models.zoo",
    "CTModule": "ctnet.models.ct_module",
    "cost": "ctnet.models.cost",
    "load_released": "ctnet.models.pretrained",
    "load_imagenet": "ctnet.models.pretrained",
    "load": "ctnet.models.weights",
    "save": "ctnet.models.weights",
    "predict": "ctnet.inference.prediction",
    "Protocol": "ctnet.protocol",
    "Experiment": "ctnet.experiments.experiment",
}
_MODULES = {"data": "ctnet.data", "export": "ctnet.inference.export", "saliency": "ctnet.inference.saliency"}
__all__ = [*_PUBLIC, *_MODULES, "__version__"]


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ctnet' has no attribute '{name}'")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
