"""Training with the recipe of A.1: `Recipe` holds its numbers, `VideoClassifier` applies them, `train` runs it.

Names are imported on first use, so that `import ctnet.training` loads neither torch nor lightning.
"""

from importlib import import_module

from ctnet.errors import explain_missing_packages

_WHERE = {"Recipe": "recipe", "VideoClassifier": "classifier", "train": "fit"}
__all__ = sorted(_WHERE)


def __getattr__(name: str):
    if name in _WHERE:
        with explain_missing_packages():
            return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return __all__
