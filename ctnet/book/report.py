"""TODO."""

from collections.abc import Sequence

from ctnet.experiments import experiment, records, run, scales
from ctnet.experiments.records import Result
from ctnet.paper import printed


def measure(table: str, scale: str, fresh: bool = False, missing: bool = False) -> dict[str, list[Result]]:
    """Row -> its results, one for each seed of the scale (fewer or none where they are not recorded).

    missing: run what is not recorded · fresh: run everything again and replace the records.
    """
    found = {}
    for row in printed.rows():
        if row.table == table and len(row.models) == 1:
            wanted = scales.experiments(row.models[0], scale)
            found[row.row] = obtain(wanted, fresh, missing)
    return found


def obtain(wanted: Sequence[experiment.Experiment], fresh: bool, missing: bool) -> list[Result]:
    """Their results, run if asked; else of those that are recorded."""
    return [run.run(e, fresh) for e in wanted] if fresh or missing else records.recorded(wanted)


def measure_on(
    data: str,
    models: Sequence[str],
    scale: str,
    fresh: bool = False,
    missing: bool = False,
    init: str | None = None,
    epochs: int | None = None,
) -> dict[str, list[Result]]:
    """Network -> its results on a data set, one for each seed; `fresh` and `missing` as in `measure`."""
    found = {}
    for model in models:
        wanted = scales.experiments(model, scale, data, init=init, epochs=epochs)
        found[model] = obtain(wanted, fresh, missing)
    return found
