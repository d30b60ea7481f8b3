"""What a linear classifier reads off the pixels of a set: the floor under the networks' accuracies.

`python -m ctnet data probe grid16 --scale cpu` keeps the figures in data/results/<scale>/probes-grid16.csv.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ctnet import paths
from ctnet.data.home import locate
from ctnet.data.motionpairs.order_probes import ridge
from ctnet.errors import unknown
from ctnet.experiments import provenance
from ctnet.experiments.scales import SCALES
from ctnet.protocol import Protocol

# (N, C, T, H, W) -> (N, D)
SEEN: dict[str, Callable[[Tensor], Tensor]] = {
    "middle frame": lambda clips: clips[:, :, clips.shape[2] // 2].flatten(1),
    "mean of the frames": lambda clips: clips.mean(2).flatten(1),
    "frames in order": lambda clips: clips.flatten(1),
}
PENALTIES = (0.001, 0.01, 0.1, 1.0)


def choose(train: Tensor, labels: Tensor) -> float:
    """The penalty that is best on the last fifth of the training clips, fitted on the others."""
    cut = len(train) * 4 // 5
    right = {p: (ridge(train[:cut], labels[:cut], train[cut:], p) == labels[cut:]).sum() for p in PENALTIES}
    return max(right, key=right.get)


def clips_of(folder: Path, split: str, protocol: Protocol) -> tuple[Tensor, Tensor]:
    """(clips (N, C, T, H, W) in [0, 1], labels (N,)) of a split, the frames and crop that a network is tested on."""
    from ctnet.inference.evaluate import test_split

    dataset = test_split(folder, protocol, split)
    clips = torch.stack([dataset[i][0][0] for i in range(len(dataset))])
    return clips.float() / 255, torch.from_numpy(dataset.manifest.labels)


def table(data: str, scale: str) -> pd.DataFrame:
    """Accuracy in per cent of each probe on the test split, at the scale's protocol."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    folder, protocol = locate(data, scale), SCALES[scale].protocol
    (train, labels), (test, truth) = (clips_of(folder, split, protocol) for split in ("train", "test"))
    lines = []
    for name, see in SEEN.items():
        features = see(train)
        right = ridge(features, labels, see(test), choose(features, labels)) == truth
        lines.append({"a linear classifier on": name, "top-1": round(100 * right.double().mean().item(), 1)})
    made = provenance.provenance()
    facts = {"protocol": str(protocol), "clips": len(truth), "commit": made["commit"], "run (UTC)": made["started"]}
    return pd.DataFrame(lines).assign(**facts)


def path_of(data: str, scale: str) -> Path:
    return paths.results_root() / scale / f"probes-{data}.csv"


def recorded(data: str, scale: str) -> pd.DataFrame:
    """The kept figures; without rows where there are none."""
    path = path_of(data, scale)
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["a linear classifier on", "top-1"])


def record(data: str, scale: str) -> pd.DataFrame:
    """Measure the probes on a prepared set and keep the figures; returns them.

    Raises:
        ConfigError: There is no such scale.
        DataError: The set is not prepared.
    """
    frame, path = table(data, scale), path_of(data, scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.atomic(path) as part:
        frame.to_csv(part, index=False)
    return frame
