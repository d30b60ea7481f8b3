"""Linear probes: how well linear classifiers on the pixels of a set do, as a baseline for the networks.

`python -m ctnet data probe grid16 --scale cpu` records the accuracies in data/results/<scale>/probes-grid16.csv.
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

# name of a probe -> its features of clips, (N, C, T, H, W) -> (N, D)
FEATURES: dict[str, Callable[[Tensor], Tensor]] = {
    "middle frame": lambda clips: clips[:, :, clips.shape[2] // 2].flatten(1),
    "mean of the frames": lambda clips: clips.mean(2).flatten(1),
    "frames in order": lambda clips: clips.flatten(1),
}
PENALTIES = (0.001, 0.01, 0.1, 1.0)


def _choose_penalty(train: Tensor, labels: Tensor) -> float:
    """Choose the penalty that is best on the last fifth of the training clips, when fitted on the others.

    Args:
        train: Training features (N, D).
        labels: Their labels (N,), int64.

    Returns:
        One of `PENALTIES`.
    """
    cut = len(train) * 4 // 5
    right = {p: (ridge(train[:cut], labels[:cut], train[cut:], p) == labels[cut:]).sum() for p in PENALTIES}
    return max(right, key=right.get)


def _read_clips(folder: Path, split: str, protocol: Protocol) -> tuple[Tensor, Tensor]:
    """Read all clips of a split with the frames and the crop of a test protocol.

    Args:
        folder: A prepared data set.
        split: Name of the split.
        protocol: The protocol; only the first view of each clip is read.

    Returns:
        Clips (N, C, T, H, W) in [0, 1] and labels (N,).
    """
    from ctnet.inference.evaluate import test_split

    dataset = test_split(folder, protocol, split)
    clips = torch.stack([dataset[i][0][0] for i in range(len(dataset))])
    return clips.float() / 255, torch.from_numpy(dataset.manifest.labels)


def table(data: str, scale: str) -> pd.DataFrame:
    """Measure the accuracy of each probe on the test split, under the protocol of a scale.

    Args:
        data: Name of a prepared set.
        scale: Scale whose protocol is used.

    Returns:
        A line for each probe: top-1 in per cent, protocol, number of clips, commit and time.

    Raises:
        ConfigError: There is no such scale.
        DataError: The set is not prepared.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    folder, protocol = locate(data, scale), SCALES[scale].protocol
    (train, labels), (test, truth) = (_read_clips(folder, split, protocol) for split in ("train", "test"))
    lines = []
    for name, extract in FEATURES.items():
        features = extract(train)
        right = ridge(features, labels, extract(test), _choose_penalty(features, labels)) == truth
        lines.append({"a linear classifier on": name, "top-1": round(100 * right.double().mean().item(), 1)})
    made = provenance.provenance()
    facts = {"protocol": str(protocol), "clips": len(truth), "commit": made["commit"], "run (UTC)": made["started"]}
    return pd.DataFrame(lines).assign(**facts)


def path_of(data: str, scale: str) -> Path:
    """Return the file of the accuracies of a set (CTNET_RESULTS moves its folder)."""
    return paths.results_root() / scale / f"probes-{data}.csv"


def recorded(data: str, scale: str) -> pd.DataFrame:
    """Return the recorded accuracies as `table` does; a table without lines if there are none."""
    path = path_of(data, scale)
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["a linear classifier on", "top-1"])


def record(data: str, scale: str) -> pd.DataFrame:
    """Measure the probes on a prepared set, record the accuracies and return them.

    Args:
        data: Name of a prepared set.
        scale: Scale whose protocol is used.

    Returns:
        What `table` returns.

    Raises:
        ConfigError: There is no such scale.
        DataError: The set is not prepared.
    """
    frame, path = table(data, scale), path_of(data, scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.atomic(path) as part:
        frame.to_csv(part, index=False)
    return frame
