"""Figure 3 as a measurement: Saliency Tubes of three networks against the masks of the things that act."""

import numpy as np
import pandas as pd
import torch

from ctnet.book.pictures import show_clips
from ctnet.book.tables import interval, mean_sd, p_value
from ctnet.data.home import DRAWN
from ctnet.data.prepare import prepare
from ctnet.errors import unknown
from ctnet.experiments.scales import settings
from ctnet.inference.evaluate import test_split
from ctnet.inference.localization import acting
from ctnet.inference.saliency import overlay, saliency
from ctnet.models import weights
from ctnet.paper import evidence

COLUMNS = {"energy in space": "energy", "pointing": "pointing", "energy in time": "energy_time"}
UNIFORM = {"energy": "mask", "pointing": "mask", "energy_time": "moving"}  # what a tube without information has
_METRIC = {metric: column for column, metric in COLUMNS.items()}


def scores(scale: str) -> pd.DataFrame:
    """Scores of each network of Figure 3, mean and standard deviation over seeds, and those of a uniform tube.

    Args:
        scale: Scale of the records.
    """
    runs, lines = evidence.saliency_runs(scale), []
    for name, results in runs.items():
        line = {"network": name}
        for column, metric in COLUMNS.items():
            line[column] = mean_sd([r.record["localization"][metric] for r in results])
        lines.append(
            line | {"strict tier": mean_sd([r.metric("tiers.strict") for r in results]), "seeds": len(results)}
        )
    first = next((r for results in runs.values() for r in results), None)
    uniform = {
        column: f"{first.record['localization'][UNIFORM[m]]:.1f}" if first else "–" for column, m in COLUMNS.items()
    }
    return pd.DataFrame([*lines, {"network": "a uniform tube"} | uniform | {"strict tier": "–", "seeds": "–"}])


def differences(scale: str) -> pd.DataFrame:
    """CT-Net's scores minus those of the other networks, paired by seed, in points.

    Args:
        scale: Scale of the records.
    """
    lines = []
    for (other, metric), gap in evidence.saliency_gaps(scale).items():
        line = {"CT-Net minus": other, "score": _METRIC[metric], "points": round(gap.mean, 1) if gap.points else None}
        line["95 % interval"] = interval(gap.interval)
        lines.append(line | {"p": p_value(gap.p()) if gap.error else "–", "seeds": len(gap.points)})
    return pd.DataFrame(lines)


def verdict() -> str:
    """How the claim of Section 4.3 stands, in one line."""
    found = evidence.saliency().get("saliency")
    return f"{found.verdict}: {found.found}" if found else "not yet measured"


def tubes(name: str, scale: str = "cpu"):
    """A clip of a class, the things that act in it, and the tubes of the shipped networks of seed 0.

    Args:
        name: A class of MotionPairs in which something acts.
        scale: Which MotionPairs the clip is from.

    Returns:
        A picture.

    Raises:
        ConfigError: There is no such class in the tiers with acting things.
    """
    split = test_split(prepare(DRAWN, scale), settings(scale).protocol)
    chosen = {split.info.classes[label]: (clip, label, mask) for clip, label, mask in reversed(list(acting(split)))}
    if name not in chosen:
        raise unknown("class in which something acts", name, chosen)
    clip, label, mask = chosen[name]
    marked = overlay(clip, np.asarray(mask, np.float32))
    rows = {"frames": clip, "what acts": torch.where(torch.from_numpy(mask > 0.5), marked, clip // 3)}
    for network, model in evidence.SALIENCY.items():
        tube = saliency(weights.load(weights.shipped(model)), clip, label)
        rows[network] = overlay(clip, tube)
    return show_clips(list(rows.values()), list(rows), height=0.9)
