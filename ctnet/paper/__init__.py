"""The paper as data: its tables, what their networks cost, the experiments behind them, and its claims.

The exported names are imported when they are first used, so that `import ctnet.paper` does not import torch or pandas.

    tables, table, rows, rows_of, row, Row             the tables as printed
    row_cost, RowCost, NetworkSize                     what the networks of the rows cost
    STUDIES, Study, StandIn, study_of, rows_json       the experiments behind a table
    Claim, Verdict, Evidence, claims_json              the claims and their verdicts
"""

from importlib import import_module

# name -> module
_EXPORTS = {
    "Row": "ctnet.paper.printed",
    "row": "ctnet.paper.printed",
    "rows": "ctnet.paper.printed",
    "rows_of": "ctnet.paper.printed",
    "table": "ctnet.paper.printed",
    "tables": "ctnet.paper.printed",
    "NetworkSize": "ctnet.paper.costs",
    "RowCost": "ctnet.paper.costs",
    "row_cost": "ctnet.paper.costs",
    "STUDIES": "ctnet.paper.studies",
    "StandIn": "ctnet.paper.studies",
    "Study": "ctnet.paper.studies",
    "rows_json": "ctnet.paper.studies",
    "study_of": "ctnet.paper.studies",
    "Claim": "ctnet.paper.claims",
    "Verdict": "ctnet.paper.claims",
    "Evidence": "ctnet.paper.evidence",
    "claims_json": "ctnet.paper.evidence",
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
