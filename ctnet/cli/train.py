"""Commands that train and test networks: train, evaluate, ensemble."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ctnet import console, distributed, paths
from ctnet.cli.models import network_of
from ctnet.cli.options import DATA_SCALE, MODEL, WEIGHTS, add_command, add_job_options, at_least, data_scale
from ctnet.errors import ConfigError
from ctnet.protocol import PROTOCOLS, Protocol, named


def add_commands(commands) -> None:
    """Add the commands of this module to what `add_subparsers` returned."""
    text = "train a network at a scale, test it and record the results"
    _train_options(add_command(commands, "train", _train, text))
    _evaluate_options(add_command(commands, "evaluate", _evaluate, "test a weights file on a data set"))
    text = "test several networks together: the average of their scores"
    _ensemble_options(add_command(commands, "ensemble", _ensemble, text))


def _train_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", help=MODEL)
    add("--scale", default="cpu", help="smoke, cpu, gpu or paper (default: %(default)s)")
    add("--data", help="a prepared data set (default: motionpairs; at the paper scale something_v1)")
    text = "initial weights: scratch, imagenet, or the data set of an earlier training (default: the scale's)"
    add("--init", help=text)
    add("--seeds", type=at_least(0), nargs="+", help="one training for each seed (default: the scale's)")
    text = "epochs, counted as another experiment than the recipe's (default: the recipe's)"
    add("--epochs", type=at_least(1), help=text)
    add("--split", help="split to test on, such as validation (default: test)")
    add_job_options(parser, "the clips of each step")
    text = "train again and replace the record (default: recorded experiments are not run again)"
    add("--fresh", action="store_true", help=text)


def _train(options: argparse.Namespace) -> int | None:
    from ctnet.experiments import plan
    from ctnet.experiments.records import recorded
    from ctnet.experiments.runner import run
    from ctnet.experiments.scales import per_seed
    from ctnet.models.zoo import same_as

    wanted = per_seed(options.model, options.scale, options.data, options.seeds, options.init, options.epochs)
    if options.split:
        wanted = [replace(e, test_split=options.split) for e in wanted]
    if _wants_launch(options) and (options.fresh or len(recorded(wanted)) < len(wanted)):
        return _launch(options)
    workers = _share_cores(options)
    distributed.join()
    if known := 0 if options.fresh else distributed.from_rank_0(lambda: len(recorded(wanted))):
        console.note(f"{known} of {len(wanted)} already recorded and not run again; --fresh trains them again")
    if alike := same_as(options.model, **dict(wanted[0].overrides)):
        console.note(f"at the {options.scale} scale {options.model} is the same network as {alike}")
    for experiment in wanted:
        result = run(experiment, options.fresh, workers)
        if distributed.rank() == 0:
            print(json.dumps({"result": result.key, **result.metrics}))
            _summarise(result.key, result.metrics)
            if (weights := plan.folder_of(experiment) / plan.WEIGHTS).exists():
                print(f"weights: {weights}", file=sys.stderr)
    distributed.leave()
    return None


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("weights", type=Path, help=WEIGHTS)
    add("--data", type=Path, required=True, help="a prepared data set: its name, or its folder")
    add("--scale", type=data_scale, default="cpu", help=DATA_SCALE)
    add("--split", default="test", help="a split of the set: train, test, ... (default: %(default)s)")
    add("--protocol", help=f"{', '.join(PROTOCOLS)} (default: that of the training with one clip and one crop)")
    add("--clips", type=at_least(1), help="clips of a video (default: the protocol's)")
    add("--crops", type=at_least(1), help="crops of a clip: 1 or 3 (default: the protocol's)")
    add("--scores", type=Path, metavar="FILE", help="also save the scores (.npz), for `ensemble` (default: no file)")
    add_job_options(parser, "the clips")


def _evaluate(options: argparse.Namespace) -> int | None:
    from ctnet.data.home import locate
    from ctnet.data.manifest import DataInfo
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import metrics

    if options.scores:
        paths.writable(options.scores)
    distributed.join()
    folder = options.data if options.data.is_dir() else locate(str(options.data), options.scale)
    network = network_of(options.weights)
    protocol = _protocol(options, getattr(network, "protocol", None) or Protocol())
    info = DataInfo.read(folder)
    known = getattr(network, "classes", None) or info.classes
    _check_classes(options.weights, network.config.num_classes, known, folder, info.classes)
    if _wants_launch(options):
        return _launch(options)
    workers = _share_cores(options)
    scores = score(network, test_split(folder, protocol, options.split), protocol, workers=workers)
    if distributed.rank() == 0:
        if options.scores:
            scores.save(options.scores)
        print(json.dumps({"protocol": str(protocol), **(found := metrics(scores))}))
        _summarise(f"{options.weights} on {info.name}, {options.split}", found)
    distributed.leave()
    return None


def _protocol(options: argparse.Namespace, trained: Protocol) -> Protocol:
    """The protocol asked for: a named one with the network's frames, else one view of the training's."""
    protocol = named(options.protocol, trained.frames) if options.protocol else replace(trained, clips=1, crops=1)
    views = {"clips": options.clips, "crops": options.crops}
    return replace(protocol, **{key: n for key, n in views.items() if n is not None})


def _check_classes(weights: Path, count: int, known: Sequence[str], folder: Path, classes: Sequence[str]) -> None:
    """ConfigError unless network and data set have the same classes in the same order."""
    if len(classes) != count:
        raise ConfigError(f"{weights}: a network of {count} classes, but {folder} has {len(classes)}")
    for k, (theirs, ours) in enumerate(zip(known, classes, strict=True)):
        if theirs != ours:
            raise ConfigError(
                f"{weights}: its class {k} is '{theirs}', that of {folder} is '{ours}'; "
                "evaluate it on the set that it was trained on, or on one with the same classes in the same order"
            )


def _ensemble_options(parser: argparse.ArgumentParser) -> None:
    text = "files that `evaluate --scores` wrote, all for the same split"
    parser.add_argument("scores", type=Path, nargs="+", metavar="FILE", help=text)


def _ensemble(options: argparse.Namespace) -> None:
    from ctnet.inference.scores import Scores, ensemble, metrics

    if len({path.resolve() for path in options.scores}) < len(options.scores):
        raise ConfigError("ensemble: a file of scores is given twice; each network counts once")
    together = ensemble({str(path): Scores.load(path) for path in options.scores})
    print(json.dumps({"protocol": together.protocol, **metrics(together)}))


def _wants_launch(options: argparse.Namespace) -> bool:
    """Whether several processes are asked for and torchrun has not started them yet."""
    return (options.devices, options.nodes) != (1, 1) and not distributed.started()


def _launch(options: argparse.Namespace) -> int | None:
    """Run this same command in every process of the job."""
    from ctnet.training.launch import launch

    return launch(["ctnet", *options.words], options.devices, options.nodes, options.rendezvous)


def _share_cores(options: argparse.Namespace) -> int:
    """Divide the cores between PyTorch and the workers that read videos; returns the number of workers."""
    import torch

    from ctnet.data.loading import cores, readers

    workers = readers() if options.workers is None else options.workers
    if options.threads or not torch.cuda.is_available():
        torch.set_num_threads(options.threads or max(cores() - workers, 1))
    return workers


def _summarise(name: str, metrics: Mapping) -> None:
    """Print `NAME: top-1 61.5 % (strict 50.0 %, appearance 71.2 %)` on standard error."""
    tiers = ", ".join(f"{tier} {top1:.1f} %" for tier, top1 in metrics.get("tiers", {}).items())
    print(f"{name}: top-1 {metrics['top1']:.1f} %" + (f" ({tiers})" if tiers else ""), file=sys.stderr)
