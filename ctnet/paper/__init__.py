"""The paper as data: its tables, what their networks cost, the experiments behind them, and its claims.

The exported names are imported when they are first used, so that `import ctnet.paper` does not import torch or pandas.

    tables, table, rows, rows_of, row, Row             the tables as printed
    row_cost, RowCost, NetworkSize                     what the networks of the rows cost
    STUDIES, Study, StandIn, study_of, rows_json       the experiments behind a table
    Claim, Verdict, Evidence, claims_json              the claims and their verdicts
    Difference, Measurement                            what decides them
"""

from ctnet import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "Row": "printed",
        "row": "printed",
        "rows": "printed",
        "rows_of": "printed",
        "table": "printed",
        "tables": "printed",
        "NetworkSize": "costs",
        "RowCost": "costs",
        "row_cost": "costs",
        "STUDIES": "studies",
        "StandIn": "studies",
        "Study": "studies",
        "rows_json": "studies",
        "study_of": "studies",
        "Claim": "claims",
        "Measurement": "claims",
        "Verdict": "claims",
        "Difference": "statistics",
        "Evidence": "evidence",
        "claims_json": "evidence",
    },
)
