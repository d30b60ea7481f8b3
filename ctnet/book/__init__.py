"""From records to pages: reports on the paper's tables, notebooks that run with papermill, and the book itself.

The exported names are imported when they are first used, so that `import ctnet.book` does not import pandas.

    report, Report                                   a table of the paper and its records at one scale
    networks_on, networks_table, networks_compared   networks on a data set that need not be in the paper
    validation_table                                 accuracies on which the settings of a scale were chosen
"""

from ctnet import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        "Report": "reports",
        "report": "reports",
        "networks_on": "networks",
        "networks_table": "networks",
        "networks_compared": "networks",
        "validation_table": "networks",
    },
)
