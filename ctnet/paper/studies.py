"""TODO."""

from collections.abc import Callable
from dataclasses import asdict

from ctnet.experiments import records
from ctnet.experiments.scales import SCALES, experiments
from ctnet.paper.costs import row_cost
from ctnet.paper.printed import Row, rows


def recorded_for(row) -> str | None:
    """The key of a recorded result for a row of the paper's tables, from the largest scale that has one; or None."""
    if len(row.models) != 1:
        return None
    wanted = (e for scale in reversed(SCALES) for e in experiments(row.models[0], scale))
    return next((e.key for e in wanted if records.path_of(e.key, e.scale).exists()), None)


def rows_json(experiment: Callable[[Row], str | None] = lambda row: None) -> list[dict]:
    """One object for each row: {table, row, paper, ours: {gflops, gmacs, params_m} | None, experiment}.

    experiment: row -> the id of its recorded experiment, or None where there is none.
    """
    return [
        {
            "table": row.table,
            "row": row.row,
            "paper": row.paper,
            "ours": asdict(cost) if (cost := row_cost(row)) else None,
            "experiment": experiment(row),
        }
        for row in rows()
    ]
