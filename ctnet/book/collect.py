"""From experiments to records: read what is recorded, and run what is asked for."""

from collections.abc import Mapping, Sequence
from time import time

from ctnet.data.home import DRAWN, home
from ctnet.data.prepare import prepare
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.experiments.records import Result, recorded
from ctnet.experiments.runner import run_all


def obtain(
    wanted: Mapping[str, Sequence[Experiment | Ensemble]], fresh: bool, missing: bool
) -> dict[str, list[Result]]:
    """The records of experiments, by name: run them if asked, else read what is recorded.

    What is run gets MotionPairs drawn at its scale if it is not there.

    Args:
        wanted: Name -> experiments.
        fresh: Run everything again and replace the records.
        missing: Run what has no record.

    Returns:
        Name -> records, fewer than experiments where some are missing.
    """
    every = [e for made in wanted.values() for e in made]
    if fresh or (missing and len(recorded(every)) < len(every)):
        for scale in {e.scale for e in every if DRAWN in _sets(e)}:
            prepare(DRAWN, scale)
    since = time()  # shared by all rows, so that rows of one training train once
    return {name: run_all(made, fresh, missing, since) for name, made in wanted.items()}


def at_hand(wanted: Mapping[str, Sequence[Experiment | Ensemble]]) -> bool:
    """Whether the videos are there that experiments need, MotionPairs aside; if not, a printed line names the sets.

    Args:
        wanted: Name -> experiments.
    """
    every = [m for made in wanted.values() for e in made for m in _members(e)]
    named = {(name, m.scale) for m in every for name in (m.data, m.tested_on) if name != DRAWN}
    absent = sorted({name for name, scale in named if not home(name, scale).exists()})
    if absent:
        print(f"rows without a record are not run: the videos of {', '.join(absent)} are absent (see data/README.md)")
    return not absent


def _members(e: Experiment | Ensemble) -> Sequence[Experiment]:
    """The experiment itself, or the members of an ensemble."""
    return getattr(e, "members", [e])


def _sets(e: Experiment | Ensemble) -> set[str | None]:
    """Names of the data sets that an experiment or an ensemble needs."""
    return {name for m in _members(e) for name in (m.data, m.init, m.test_data)}
