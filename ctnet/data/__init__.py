"""Videos in, clips out: sampling, transforms, reading, manifests and the embedded MotionPairs set.

Names are loaded when they are used, so that drawing MotionPairs needs no torch.
"""

from importlib import import_module

_WHERE = {
    "sample": "sampling",
    "normalize": "ctnet.clips",
    "read_frames": "video",
    "count_frames": "video",
    "write_video": "video",
    "DataInfo": "manifest",
    "Manifest": "manifest",
    "VideoDataset": "dataset",
    "Batch": "loading",
    "loader": "loading",
    "SCALES": "prepare",
    "verify": "prepare",
    "locate": "home",
    "from_folders": "prepare",
    "write_set": "writing",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(where if "." in (where := _WHERE[name]) else f"{__name__}.{where}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
