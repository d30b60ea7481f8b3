"""What is measured so far: the rows of each table, the hours of their trainings, and those of training everything."""

from collections.abc import Callable, Sequence
from functools import cache

from ctnet.experiments import records
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.experiments.records import Result
from ctnet.paper import printed
from ctnet.paper.studies import STUDIES


def progress_table(scale: str = "cpu") -> str:
    """Return the Markdown table of what is recorded at a scale, and a sentence on the hours of all trainings.

    Args:
        scale: `smoke`, `cpu`, `gpu` or `paper`.
    """
    lines = [
        "| table | rows measured | experiments recorded | hours of training, recorded |",
        "|---|---:|---:|---:|",
    ]
    find = cache(records.read)  # tables share records
    hours: dict[str, float | None] = {}  # key of a training -> its hours, None where it is not recorded
    for table, study in STUDIES.items():
        rows = [study.experiments(row, scale, column) for row in printed.rows_of(table) for column in study.columns]
        rows = [made for made in rows if made]
        every = {e.key: e for made in rows for e in made}
        done = {key for key, e in every.items() if find(key, e.scale)}
        own = trainings(list(every.values()), find)
        hours |= own
        measured = sum(all(e.key in done for e in made) for made in rows)
        took = sum(h for h in own.values() if h is not None)
        name = f"{{doc}}`{table} </runs/table_{table}>`"
        cells = (name, f"{measured} of {len(rows)}", f"{len(done)} of {len(every)}", f"{took:.1f}") if rows else (
            name, "not measured at this scale", "–", "–")  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    known = [h for h in hours.values() if h is not None]
    text = f"\nThe tables share trainings: together they need {len(hours)}, of which {len(known)} are recorded. "
    if known:
        each = sum(known) / len(known)
        text += (
            f"Those took {sum(known):.1f} hours on one core each, {60 * each:.0f} minutes on average. At that rate "
            f"`make book FRESH=1` takes about {each * len(hours):.0f} core-hours, if the videos of GRID are there."
        )
    return "\n".join(lines) + "\n" + text + "\n"


def trainings(
    every: Sequence[Experiment | Ensemble], find: Callable[[str, str], Result | None] = records.read
) -> dict[str, float | None]:
    """Hours of each training behind some experiments, by its key; None where no test of its weights is recorded.

    Args:
        every: Experiments and ensembles.
        find: Finds a record by its key and scale.
    """
    found: dict[str, float | None] = {}
    for e in (m for one in every for m in getattr(one, "members", [one])):
        known = find(e.key, e.scale)
        if known or e.training.key not in found:
            found[e.training.key] = known.record["training"]["seconds"] / 3600 if known else None
    return found
