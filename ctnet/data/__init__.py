"""Video data sets: prepare a set, sample frames, read them and make batches.

The exported names are imported when they are first used, so that `import ctnet.data` does not import torch.

    locate, from_folders, write_set, verify, DRAWN_SIZES    data sets on disk
    DataInfo, Manifest                                      what is in a data set
    sample, read_frames, count_frames, write_video          frames of one video
    VideoDataset, loader, Batch, normalize                  clips and batches
"""

from ctnet import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
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
        "DRAWN_SIZES": "ctnet.data.motionpairs.draw",
        "verify": "prepare",
        "locate": "home",
        "from_folders": "prepare",
        "write_set": "writing",
    },
)
