"""Training with the recipe of A.1: `Recipe` holds its numbers, `VideoClassifier` applies them, `train` runs it.

Names are imported on first use, so that `import ctnet.training` loads neither torch nor lightning.
"""

from ctnet import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "Recipe": "recipe",
        "VideoClassifier": "classifier",
        "train": "fit",
    },
)
