"""What a trained network is used for: scores of a test split, predictions, saliency, and export to other programs.

Names are imported on first use, so that `import ctnet.inference` does not load torch. `saliency` and `export` are
modules, as `ctnet.saliency` and `ctnet.export` are.
"""

from ctnet import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
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
    },
    {"export": "ctnet.inference.export", "saliency": "ctnet.inference.saliency"},
)
