"""What a trained network is used for: scores of a test split, predictions, saliency, and export to other programs.

Names are imported on first use, so that `import ctnet.inference` does not load torch. `saliency` and `export` are
modules, as `ctnet.saliency` and `ctnet.export` are.
"""

from importlib import import_module

_WHERE = {
    "Clips": "scores",
    "Scores": "scores",
    "class_map": "saliency",
    "ensemble": "scores",
    "metrics": "scores",
    "overlay": "saliency",
    "predict": "prediction",
    "score": "evaluate",
    "test_split": "evaluate",
    "to_onnx": "export",
    "to_program": "export",
}
_MODULES = ("export", "saliency")
__all__ = sorted([*_WHERE, *_MODULES])


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return __all__
