"""Experiments as values, how they are run, and the records that they leave.

Names are loaded when they are used, so that `import ctnet.experiments` stays light.
"""

from ctnet import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "Experiment": "experiment",
        "Ensemble": "experiment",
        "SCALES": "scales",
        "per_seed": "scales",
        "Plan": "plan",
        "resolve": "plan",
        "run": "runner",
        "run_all": "runner",
        "run_ensemble": "runner",
        "Result": "records",
        "recorded": "records",
    },
)
