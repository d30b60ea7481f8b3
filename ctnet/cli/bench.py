"""`python -m ctnet bench`: the benchmarks of a checkout, which measure against the plain networks of its tests."""

import sys

from ctnet import paths
from ctnet.errors import ConfigError


def main(args: list[str] | None = None) -> int:
    if not (paths.ROOT / "benchmarks" / "bench.py").is_file():
        raise ConfigError("bench: runs in a checkout of the repository, which holds benchmarks/ and tests/")
    sys.path.insert(0, str(paths.ROOT))
    from benchmarks import bench

    return bench.main(args)
