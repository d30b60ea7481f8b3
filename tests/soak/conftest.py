"""Options and hooks of `pytest tests/soak --soak`: the long runs of reads, kills and damaged files.

Without `--soak`, only short cases of the same checks run, as a part of `make test`.
"""

from pathlib import Path

import pytest

from tests.soak.session import SoakSession

SOAK = pytest.StashKey[SoakSession]()


def pytest_addoption(parser):
    """Add the options of a long run."""
    group = parser.getgroup("soak", "long reliability runs")
    group.addoption("--soak", action="store_true", help="run the long tests of tests/soak instead of the short ones")
    group.addoption("--minutes", type=float, default=9, help="time limit of each long test (default: %(default)s)")
    group.addoption("--reads", type=int, default=2000, help="random reads of videos (default: %(default)s)")
    group.addoption("--kills", type=int, default=200, help="kills, over all three tasks (default: %(default)s)")
    group.addoption("--seed", type=int, default=0, help="seed of all random choices (default: %(default)s)")
    group.addoption("--out", type=Path, help="file of the record (default: runs/soak.json)")
    group.addoption("--record", action="store_true", help="also keep the record in data/results/soak, for the book")


def pytest_configure(config):
    """Register the marker `soak`; with `--soak`, check the options and start a record."""
    config.addinivalue_line("markers", "soak: a long test, which runs only with --soak")
    if config.getoption("soak", False):
        o = config.option
        config.stash[SOAK] = SoakSession(o.minutes, o.reads, o.kills, o.seed, o.out, o.record)


def pytest_collection_modifyitems(config, items):
    """Keep only the long tests with `--soak`, and only the others without it."""
    long = SOAK in config.stash
    config.hook.pytest_deselected(items=[item for item in items if bool(item.get_closest_marker("soak")) != long])
    items[:] = [item for item in items if bool(item.get_closest_marker("soak")) == long]
    if long:
        for item in items:
            item.add_marker(pytest.mark.timeout(0))  # --minutes ends it, and each harness ends what hangs


def pytest_sessionfinish(session):
    """Keep the record if all long tests were run to their end."""
    if soak := session.config.stash.get(SOAK, None):
        soak.finish(planned=session.testscollected)


def pytest_terminal_summary(terminalreporter, config):
    """Print what was tried, the first failures and where the record is."""
    if soak := config.stash.get(SOAK, None):
        terminalreporter.section("soak")
        terminalreporter.write_line(soak.summary())


@pytest.fixture
def soak(request) -> SoakSession:
    """The options and the record of this run; only with `--soak`."""
    return request.config.stash[SOAK]
