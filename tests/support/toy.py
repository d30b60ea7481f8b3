"""Small networks, and a small data set to train them on."""

import json
from pathlib import Path

import numpy as np

import ctnet
from ctnet.data.dataset import VideoDataset
from ctnet.data.video import write_video
from ctnet.training.recipe import Recipe

CLASSES = ("red", "green")
SMALL = {"width": 16, "depths": (2, 1, 1, 1), "ct_blocks": ((1,), (), (), ())}
PLAIN = {"width": 16, "depths": (1, 1, 1, 1)}
RECIPE = Recipe(epochs=3, batch_size=4, lr=0.32, warmup=0, dropout=0.5, scales=(1.0, 0.875))


def write_set(folder: Path, clips: int = 16, seed: int = 0, split: str = "train") -> Path:
    """Write a data set of noise clips of 6 frames, 32 x 32 pixels: odd clips are greener, even ones redder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(seed), ["path,label,start,frames"]
    for i in range(clips):
        frames = rng.integers(0, 90, (6, 32, 32, 3)).astype(np.uint8)
        frames[..., i % 2] += 110
        write_video(folder / f"{split}{i:02d}.avi", frames)
        rows.append(f"{split}{i:02d}.avi,{i % 2},0,6")
    (folder / f"{split}.csv").write_text("\n".join(rows))
    (folder / "dataset.json").write_text(json.dumps({"name": "toy", "classes": CLASSES, "splits": {split: clips}}))
    return folder


def training_set(folder: Path, **options) -> VideoDataset:
    """Return the training split of such a set, with 4 frames per clip."""
    return VideoDataset(folder, "train", 4, 32, True, scales=RECIPE.scales, **options)


def network(dropout: float = 0.5):
    """Return a small CT-Net for such a set."""
    return ctnet.create_model("ctnet_resnet50", num_classes=len(CLASSES), num_frames=4, dropout=dropout, **SMALL)
