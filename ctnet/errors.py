"""Errors that a user can mend: one clear line that names the thing and the mend."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ConfigError",
    "CtnetError",
    "DataError",
    "ExportError",
    "ResultError",
    "TrainingError",
    "VideoError",
    "WeightsError",
]


class CtnetError(Exception):
    """Base of all errors that ctnet raises on purpose; the command line prints it and exits with 2."""


class ConfigError(CtnetError):
    """An unknown name, key or value."""


class DataError(CtnetError):
    """A missing, unfinished or inconsistent data set or manifest."""


class VideoError(CtnetError):
    """A video that cannot be read; the message starts with its path."""


class WeightsError(CtnetError):
    """Weights that do not fit the network; nothing was loaded."""


class ExportError(CtnetError):
    """A network that could not be written for other programs, or whose file gave other logits; no file is left."""


class TrainingError(CtnetError):
    """Training that cannot go on (NaN loss, full disk, too many broken videos)."""


class ResultError(CtnetError):
    """A recorded result that is missing, damaged or would be overwritten."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """`unknown("model", "ctnet_resnet5", names)` -> an error that lists the near names; all, where there are few."""
    known = sorted(known)
    few = len(known) <= 8
    near = get_close_matches(name, known, n=5, cutoff=0.6 if few else 0.4)
    hints = [f"did you mean {', '.join(near)}?"] if near else []
    if few or not near:
        hints.append(f"known: {', '.join(known)}")
    return ConfigError(f"unknown {kind} '{name}'; {' '.join(hints)}")
