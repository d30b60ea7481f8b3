"""Experiments as values, how they are run, and the records that they leave.

Names are loaded when they are used, so that `import ctnet.experiments` stays light.
"""

from importlib import import_module

_WHERE = {
    "Experiment": "experiment",
    "Ensemble": "experiment",
    "SCALES": "scales",
    "experiments": "scales",
    "Plan": "plan",
    "resolve": "plan",
    "Result": "records",
    "recorded": "records",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str):
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return __all__
