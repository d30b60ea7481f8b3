"""One rank of `run(experiment, devices=N)`: torchrun starts `python -m ctnet.experiments.worker EXPERIMENT OPTIONS`."""

import json
import sys

from ctnet import console, distributed
from ctnet.errors import CtnetError
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.runner import run


def main(experiment: str, options: str) -> int:
    """Run the experiment on this rank.

    Args:
        experiment: `dataclasses.asdict` of the experiment, as JSON.
        options: Keyword arguments of `run`, as JSON.

    Returns:
        Exit status: 0, or 2 after an error that was printed as one line.
    """
    try:
        run(Experiment.from_dict(json.loads(experiment)), **json.loads(options))
    except CtnetError as error:
        console.tell(error)
        return 2
    distributed.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
