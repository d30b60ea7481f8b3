"""Networks on a data set that need not be in the paper: their records, tabulated and compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from ctnet.book.collect import obtain
from ctnet.book.tables import mean_sd, paired, size_cells
from ctnet.data.home import DRAWN
from ctnet.experiments.experiment import Experiment
from ctnet.experiments.records import Result, every
from ctnet.experiments.scales import per_seed
from ctnet.paper import costs


def networks_on(
    data: str,
    models: Sequence[str],
    scale: str,
    fresh: bool = False,
    missing: bool = False,
    init: str | None = None,
    epochs: int | None = None,
    seeds: Sequence[int] | None = None,
) -> dict[str, list[Result]]:
    """Collect the records of networks on one data set, which need not be in the paper.

    Args:
        data: Name of the data set.
        models: Names of networks.
        scale: `smoke`, `cpu`, `gpu` or `paper`.
        fresh: Run everything again and replace the records.
        missing: Run what has no record.
        init: What the weights start from. Default: the scale's.
        epochs: Epochs to train. Default: the recipe's.
        seeds: Seeds to use. Default: the scale's.

    Returns:
        Network -> its records, one for each seed.

    Example:
        >>> list(networks_on("grid16", ["tsn_resnet50", "ctnet_resnet50"], "cpu"))
        ['tsn_resnet50', 'ctnet_resnet50']
    """
    wanted = {model: per_seed(model, scale, data, seeds, init, epochs) for model in models}
    return obtain(wanted, fresh, missing)


def networks_table(results: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """Accuracies of networks on a data set without tiers, beside the size of the networks.

    Args:
        results: Network -> its records.

    Returns:
        In order, shuffled, and the gap between the two: mean ± standard deviation over seeds, in per cent.

    Example:
        >>> networks_table(networks_on("grid16", ["tsn_resnet50"], "cpu"))["seeds"].tolist()
        [3]
    """
    lines = []
    for model, runs in results.items():
        line = {"network": model}
        for column, metric in (("in order", "top1"), ("shuffled", "shuffled.top1"), ("order gap", "order_gap")):
            line[column] = mean_sd([r.metric(metric) for r in runs])
        line |= {"seeds": len(runs), "test clips": runs[0].metrics["clips"] if runs else "–"}
        lines.append(line | size_cells(_size(runs[0]) if runs else None))
    return pd.DataFrame(lines)


def validation_table(scale: str) -> pd.DataFrame:
    """Accuracies on the validation split of MotionPairs, on which the settings of a scale were chosen.

    Args:
        scale: `smoke`, `cpu` or `gpu`.

    Returns:
        A line for each network and recipe that was tried: the strict tier (mean over the levels of noise) and its
        pairs, mean and standard deviation over seeds, in per cent.

    Example:
        >>> list(validation_table("cpu"))[:3]
        ['network', 'epochs', 'learning rate']
    """
    tried: dict[tuple, list[Result]] = {}
    for result in every(scale):
        e = result.record["experiment"]
        if e.get("test_split") == "validation" and e["data"] == DRAWN:
            e = Experiment.from_dict(e)
            chosen = e == replace(per_seed(e.model, scale, seeds=[e.seed])[0], test_split="validation")
            tried.setdefault((e.model, e.recipe.epochs, e.recipe.lr, "yes" if chosen else "no"), []).append(result)
    lines = []
    for (model, epochs, lr, chosen), runs in sorted(tried.items()):
        line = {"network": model, "epochs": epochs, "learning rate": lr, "chosen": chosen}
        for column, metric in (("strict tier", "tiers.strict"), ("within pairs", "pairs.strict")):
            line[column] = mean_sd([r.metric(metric) for r in runs])
        lines.append(line | {"seeds": len(runs)})
    return pd.DataFrame(lines or [{"network": "not yet measured"}])


def networks_compared(results: Mapping[str, Sequence[Result]], pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Top-1 of one network minus another's, paired by seed, in points.

    Args:
        results: Network -> its records.
        pairs: Names of two networks each.

    Example:
        >>> networks_compared(results, [("ctnet_resnet50", "tsn_resnet50")])["ours"]
    """
    return pd.DataFrame({"network": a, "minus": b} | paired(results[a], results[b]) for a, b in pairs)


def _size(result: Result) -> costs.NetworkSize:
    """The size of the network of a record."""
    return costs.network_size(Experiment.from_dict(result.record["experiment"]), result.num_classes)
