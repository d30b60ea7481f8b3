"""Video data sets: prepare a set, sample frames, read them and make batches.

The exported names are imported when they are first used, so that `import ctnet.data` does not import torch.

    locate, from_folders, write_set, verify, DRAWN_SIZES    data sets on disk
    DataInfo, Manifest                                      what is in a data set
    sample, read_frames, count_frames, write_video          frames of one video
    VideoDataset, loader, Batch, normalize                  clips and batches
"""

from importlib import import_module

# name -> module
_EXPORTS = {
    "sample": "ctnet.data.sampling",
    "normalize": "ctnet.clips",
    "read_frames": "ctnet.data.video",
    "count_frames": "ctnet.data.video",
    "write_video": "ctnet.data.video",
    "DataInfo": "ctnet.data.manifest",
    "Manifest": "ctnet.data.manifest",
    "VideoDataset": "ctnet.data.dataset",
    "Batch": "ctnet.data.loading",
    "loader": "ctnet.data.loading",
    "DRAWN_SIZES": "ctnet.data.motionpairs.draw",
    "verify": "ctnet.data.prepare",
    "locate": "ctnet.data.home",
    "from_folders": "ctnet.data.prepare",
    "write_set": "ctnet.data.writing",
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
