"""Errors that a user can fix. Each message is one line that names the thing and the fix."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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

# extra -> the packages that ctnet imports from it; a checkout on PYTHONPATH has no metadata to read this from
_EXTRAS = {
    "train": ["lightning", "torchmetrics"],
    "notebooks": "IPython matplotlib nbclient nbformat pandas papermill plotly scipy seaborn".split(),
    "book": ["yaml"],
    "export": ["onnxruntime", "onnxscript"],
    "decord": ["decord"],
}


class CtnetError(Exception):
    """Base class of all errors that ctnet raises on purpose; the command line prints them and exits with 2."""


class ConfigError(CtnetError):
    """An unknown name, key or value."""


class DataError(CtnetError):
    """A missing, unfinished or inconsistent data set or manifest."""


class VideoError(CtnetError):
    """A video that cannot be read; the message starts with its path."""


class WeightsError(CtnetError):
    """Weights that do not fit the network; nothing was loaded."""


class ExportError(CtnetError):
    """An export that failed or whose file gave different logits; no file is left."""


class TrainingError(CtnetError):
    """Training that cannot continue: a NaN loss, a full disk, too many broken videos, a failed rank."""


class ResultError(CtnetError):
    """A recorded result that is missing, damaged or would be overwritten."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Return an error about an unknown name that suggests similar ones.

    Args:
        kind: What the name is of, such as `model`.
        name: The unknown name.
        known: All known names; they are listed if there are few, or none is similar.
    """
    known = sorted(known)
    few = len(known) <= 8
    near = get_close_matches(name, known, n=5, cutoff=0.6 if few else 0.4)
    hints = [f"did you mean {', '.join(near)}?"] if near else []
    if few or not near:
        hints.append(f"known: {', '.join(known)}")
    return ConfigError(f"unknown {kind} '{name}'; {' '.join(hints)}")


@contextmanager
def explain_missing_packages() -> Iterator[None]:
    """Turn the failed import of an optional package into an error that names the extra to install.

    Raises:
        CtnetError: An optional package of ctnet is missing. Other import errors pass unchanged.

    Example:
        >>> with explain_missing_packages():
        ...     from matplotlib import colormaps
    """
    try:
        yield
    except ModuleNotFoundError as error:
        for extra, packages in _EXTRAS.items():
            if error.name in packages:
                text = f"needs the package {error.name}; run: pip install 'ctnet[{extra}]'"
                raise CtnetError(text) from None
        raise
