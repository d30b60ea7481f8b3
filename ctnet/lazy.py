"""The names that a package exports, imported when they are first used: `import ctnet` must not import torch."""

from collections.abc import Callable, Mapping
from importlib import import_module


def attach(
    package: str, names: Mapping[str, str], modules: Mapping[str, str] | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Make what a package's `__init__` needs to export names of its modules.

    Args:
        package: `__name__` of the package.
        names: Exported name -> the module that has it; without a dot, a module of this package.
        modules: Exported name -> the module that it stands for.

    Returns:
        (`__getattr__`, `__dir__`, `__all__`).

    Example:
        >>> __getattr__, __dir__, __all__ = attach(__name__, {"Experiment": "experiment"})
    """
    modules = modules or {}
    exported = sorted([*names, *modules])

    def load(name: str) -> object:
        if name not in exported:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        from ctnet.errors import explain_missing_packages

        with explain_missing_packages():
            if name in modules:
                return import_module(modules[name])
            module = names[name]
            return getattr(import_module(module if "." in module else f"{package}.{module}"), name)

    return load, lambda: exported, exported
