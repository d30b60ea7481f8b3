"""From records to pages: reports on the paper's tables, notebooks that run with papermill, and the book itself.

The exported name is imported when it is first used, so that `import ctnet.book` does not import pandas.

    Report    a table of the paper and its records at one scale
"""

from importlib import import_module

# name -> module
_EXPORTS = {"Report": "ctnet.book.report"}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
