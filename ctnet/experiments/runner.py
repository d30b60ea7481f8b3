"""Run experiments and ensembles: load their records, or carry them out and record them."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict

from ctnet import distributed
from ctnet.errors import ConfigError, DataError, ResultError
from ctnet.experiments import provenance, records
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.experiments.plan import resolve
from ctnet.experiments.records import Result
from ctnet.experiments.stages import carry_out


def run(
    experiment: Experiment,
    fresh: bool = False,
    workers: int | None = None,
    progress: bool = True,
    devices: int = 1,
    since: float | None = None,
) -> Result:
    """Return the record of an experiment; run the experiment if it has no record.

    Weights that another experiment with the same training left are scored without training again. Two processes that
    ask for the same experiment do not run it twice: the second waits, then loads. A killed run resumes from its last
    checkpoint, which is removed when the result is recorded. Under torchrun every rank calls this, and rank 0 writes.

    Args:
        experiment: What to run.
        fresh: Train and test again, and replace the record. A record written after this call began is not replaced.
        workers: Processes that read videos, per rank. Default: `loading.readers()` with a GPU, none without one,
            because readers would take cores from the computation.
        progress: Show a progress bar on standard error.
        devices: GPUs (without GPUs: processes) that share the clips of each step. More than one starts torchrun.
        since: With `fresh`, replace only records and weights older than this time (`time.time()`). Default: now.
            Calls that give the same time train weights that they share once.

    Returns:
        The record.

    Raises:
        ConfigError: The network cannot be built at this scale, or `init` is unknown.
        DataError: A data set is missing; the message has the command that prepares it.
        TrainingError: The folder of the run cannot be written, or a process failed.
        ResultError: The record is of other clips, or cannot be written.

    Example:
        >>> run(Experiment("tsn_resnet50", scale="smoke")).metrics["top1"]
    """
    distributed.join()
    since = (since or time.time()) if fresh else None
    entry = records.Entry(experiment.key, experiment.scale, since)
    try:
        plan, problem = resolve(experiment), None
    except (ConfigError, DataError) as error:  # a record can be read without its data
        plan, problem = None, error

    def look() -> Result | None:
        found = entry.find()
        if found and plan:
            plan.check(plan.test_set, found.record.get("data", {}).get("content"), f"{found.key}: was recorded on")
            plan.tidy()
        return found

    def keep() -> Result:
        result = entry.keep(record)
        plan.checkpoint.unlink(missing_ok=True)
        return result

    if found := distributed.from_rank_0(look):
        return found
    if problem:
        raise problem
    distributed.from_rank_0(entry.prepare)
    if devices == 1 or distributed.started():
        with plan.locked():
            if found := distributed.from_rank_0(look):
                return found
            record = carry_out(plan, _readers() if workers is None else workers, progress, since)
            return distributed.from_rank_0(keep)
    from ctnet.training.launch import launch

    options = {"fresh": fresh, "workers": workers, "progress": progress, "since": since}
    launch(["ctnet.experiments.worker", json.dumps(asdict(experiment)), json.dumps(options)], devices)
    return records.read(entry.key, entry.scale)


def run_ensemble(
    ensemble: Ensemble,
    fresh: bool = False,
    workers: int | None = None,
    progress: bool = True,
    since: float | None = None,
) -> Result:
    """Return the record of an ensemble; if it has none, run every member and average their scores.

    Args:
        ensemble: What to run.
        fresh: Run the members again, and replace the record.
        workers: As in `run`.
        progress: As in `run`.
        since: As in `run`.

    Returns:
        The record, which names the members.

    Raises:
        ResultError: A member was recorded elsewhere, and its weights, trained here, give other predictions.
        CtnetError: As in `run`.

    Example:
        >>> run_ensemble(Ensemble((eight_frames, sixteen_frames))).record["experiment"]["members"]
    """
    from ctnet.inference import scores as scoring

    distributed.join()
    since = (since or time.time()) if fresh else None
    entry = records.Entry(ensemble.key, ensemble.scale, since)
    if found := distributed.from_rank_0(entry.find):
        return found
    made, scores = provenance.provenance(), {}
    for e in ensemble.members:
        member, plan = run(e, fresh, workers, progress, since=since), resolve(e)
        if not distributed.from_rank_0(plan.scores.exists):  # the record was shipped without its scores
            with plan.locked():
                again = carry_out(plan, _readers() if workers is None else workers, progress)
            if again["predictions"] != member.record["predictions"]:
                plan.scores.unlink(missing_ok=True)
                raise ResultError(f"{e.key}: trained here, it predicts other classes than its record; run it fresh")
        scores[e.key] = scoring.Scores.load(plan.scores)
    together = scoring.ensemble(scores)
    described = {"members": list(scores), "seed": ensemble.seed, "scale": ensemble.scale, "data": ensemble.tested_on}
    record = {
        "experiment": described | {"protocol_name": together.protocol},
        "data": member.record["data"],
        "metrics": scoring.metrics(together),
        "training": {"seconds": 0.0, "epochs": []},
        "predictions": together.predictions.tolist(),
        "labels": together.labels.tolist(),
        "provenance": made | {"finished": provenance.now()},
    }
    return distributed.from_rank_0(lambda: entry.keep(record))


def run_all(
    wanted: Sequence[Experiment | Ensemble], fresh: bool = False, missing: bool = True, since: float | None = None
) -> list[Result]:
    """Return the records of experiments and ensembles, and run those that are asked for.

    Args:
        wanted: What to run or read.
        fresh: Run everything again, and replace the records. A training that several share runs once.
        missing: Run what has no record.
        since: As in `run`.

    Returns:
        The records, in this order; without `fresh` and `missing`, of those that have one.

    Example:
        >>> [result.seed for result in run_all(per_seed("tsn_resnet50", "cpu"), missing=False)]
        [0, 1, 2]
    """
    if not (fresh or missing):
        return records.recorded(wanted)
    since = since or time.time()
    return [(run_ensemble if isinstance(e, Ensemble) else run)(e, fresh, since=since) for e in wanted]


def _readers() -> int:
    """Return the default number of processes that read videos: none on a CPU, whose cores compute."""
    import torch

    from ctnet.data.loading import readers

    return readers() if torch.cuda.is_available() else 0
