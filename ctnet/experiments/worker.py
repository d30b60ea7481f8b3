"""One of the processes of `experiments.run(e, devices=N)`: `python -m ctnet.experiments.worker JSON`, started by torchrun."""

import json
import sys

from ctnet import console, distributed
from ctnet.errors import CtnetError
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.run import run
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe


def read(text: str) -> Experiment:
    """The experiment that `json.dumps(asdict(experiment))` wrote: its lists are tuples again."""

    def tuples(value):
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    fields = json.loads(text, object_pairs_hook=lambda pairs: {name: tuples(value) for name, value in pairs})
    return Experiment(**fields | {"recipe": Recipe(**fields["recipe"]), "protocol": Protocol(**fields["protocol"])})


def main(experiment: str, options: str) -> int:
    try:
        run(read(experiment), **json.loads(options))
    except CtnetError as error:
        console.tell(error)
        return 2
    distributed.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
