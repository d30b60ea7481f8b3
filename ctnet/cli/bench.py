"""`python -m ctnet bench`: run the benchmarks, which are in the checkout and not in the package."""

import sys
from importlib import import_module

from ctnet import paths
from ctnet.errors import ConfigError


def main(args: list[str] | None = None) -> int:
    """Run `benchmarks.bench` with its own options.

    Args:
        args: The words after `bench`; by default those of this program.

    Returns:
        The exit code.

    Raises:
        ConfigError: The package is installed without a checkout, or an option is wrong.
    """
    if not (paths.ROOT / "benchmarks" / "bench.py").is_file():
        raise ConfigError("bench: needs a checkout of the repository, because the package does not hold benchmarks/")
    sys.path.insert(0, str(paths.ROOT))
    return import_module("benchmarks.bench").main(args)
