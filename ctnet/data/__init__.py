"""Videos in, clips out: sampling, transforms, reading, manifests and the embedded MotionPairs set.

Names are loaded when they are used, so that drawing MotionPairs needs no torch.
"""

from importlib import import_module

_WHERE = {
    "sample": "sampling",
    "normalize": "transforms",
    "read_frames": "video",
    "count_frames": "video",
    "write_video": "video",
    "DataInfo": "datasets",
    "Manifest": "datasets",
    "VideoDataset": "datasets",
    "Batch": "loading",
    "loader": "loading",
    "SCALES": "prepare",
    "verify": "prepare",
    "locate": "prepare",
    "from_folders": "own",
    "write_set": "own",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
