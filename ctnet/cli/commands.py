"""What each command of `python -m ctnet` does with its options; `cli` says what these are."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from ctnet import console, distributed
from ctnet.errors import ConfigError


def list_models(options):
    from ctnet.models import list_models

    print("\n".join(list_models()))


def cost(options):
    import torch

    from ctnet.models import create_model
    from ctnet.models.cost import cost
    from ctnet.protocol import Protocol

    protocol = Protocol(options.frames, options.crops, options.clips, options.size)
    with torch.device("meta"):
        model = create_model(options.model, num_classes=options.classes)
    c = cost(model, protocol=protocol)
    if options.json:
        print(json.dumps({"model": options.model, "protocol": str(protocol), **asdict(c)}))
    else:
        print(
            f"{options.model} {protocol}: {c.gflops:.3f} GFLOPs (the paper's count), {c.gmacs:.3f} GMACs, "
            f"{c.params_m:.3f} M parameters, {c.activations_mb:.1f} MB of fp32 activations a view"
        )


def rows(options):
    from ctnet.paper import studies
    from ctnet.paper.studies import recorded_for

    if not options.json:
        print(f"{'table':>5} {'row':<22} {'paper':>8} {'ours':>10} {'parameters':>10}")
    for row in studies.rows_json(recorded_for):
        if options.json:
            print(json.dumps(row, ensure_ascii=False))
        elif row["ours"]:
            stated = row["paper"].get("gflops", "–")
            ours = f"{row['ours']['gflops']:>9.3f} G {row['ours']['params_m']:>7.2f} M"
            print(f"{row['table']:>5} {row['row']:<22} {stated:>8} {ours}")


def data(options):
    from ctnet.data import home, prepare
    from ctnet.data.writing import REPORT

    if options.action == "prepare":
        folder = prepare.prepare(options.name, options.scale, None, options.workers, options.source, options.lists)
        if (folder / REPORT).exists():
            summary, _, left_out = (folder / REPORT).read_text(encoding="utf-8").partition("\n\n")
            print(summary + (f"\nsee {folder / REPORT}" if left_out else ""), file=sys.stderr)
        print(folder)
        return 0
    folder = home.locate(options.name, options.scale)
    broken = prepare.verify(folder, options.workers)
    print("\n".join(broken) or f"{folder}: every clip can be read")
    if broken:
        console.tell(f"{folder}: {len(broken)} named above; {prepare.mend(folder, options.name, options.scale)}")
    return 1 if broken else 0


def several(options) -> bool:
    """Whether a job of several processes is asked for that is not under way yet."""
    return (options.devices, options.nodes) != (1, 1) and not distributed.started()


def launch(options):
    """The command again, in each of the job's processes."""
    from ctnet.training.launch import launch as start

    return start(["ctnet", *options.words], options.devices, options.nodes, options.rendezvous)


def share_cores(options) -> int:
    """How many processes read videos; without a GPU PyTorch computes on the other cores."""
    import torch

    from ctnet.data.loading import cores, readers

    workers = readers() if options.workers is None else options.workers
    if options.threads or not torch.cuda.is_available():
        torch.set_num_threads(options.threads or max(cores() - workers, 1))
    return workers


def summarise(name: str, found: dict) -> None:
    """`NAME: top-1 61.5 % (strict 50.0 %, appearance 71.2 %)` on standard error, of what `evaluation.metrics` gave."""
    tiers = ", ".join(f"{tier} {top1:.1f} %" for tier, top1 in found.get("tiers", {}).items())
    print(f"{name}: top-1 {found['top1']:.1f} %" + (f" ({tiers})" if tiers else ""), file=sys.stderr)


def train(options):
    from ctnet.experiments.plan import WEIGHTS, folder_of
    from ctnet.experiments.records import recorded
    from ctnet.experiments.run import run
    from ctnet.experiments.scales import experiments
    from ctnet.models.zoo import same_as

    wanted = experiments(options.model, options.scale, options.data, options.seeds, options.init, options.epochs)
    if several(options) and (options.fresh or len(recorded(wanted)) < len(wanted)):
        return launch(options)
    workers = share_cores(options)
    distributed.join()
    if known := 0 if options.fresh else distributed.from_rank_0(lambda: len(recorded(wanted))):
        console.note(f"{known} of {len(wanted)} recorded already, and not run again; --fresh trains anew")
    if alike := same_as(options.model, **dict(wanted[0].overrides)):
        console.note(f"at the {options.scale} scale {options.model} is the same network as {alike}")
    for e in wanted:
        result = run(e, options.fresh, workers)
        if distributed.rank() == 0:
            print(json.dumps({"result": result.key, **result.metrics}))
            summarise(result.key, result.metrics)
            if (weights := folder_of(e) / WEIGHTS).exists():
                print(f"weights: {weights}", file=sys.stderr)
    distributed.leave()


def evaluate(options):
    from dataclasses import replace

    from ctnet import paths
    from ctnet.data.home import locate
    from ctnet.data.manifest import DataInfo
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import metrics
    from ctnet.protocol import Protocol, named

    if options.scores:
        paths.writable(options.scores)
    distributed.join()
    folder = options.data if options.data.is_dir() else locate(str(options.data), options.scale)
    network = network_of(options.weights)
    trained = getattr(network, "protocol", None) or Protocol()
    protocol = named(options.protocol, trained.frames) if options.protocol else replace(trained, clips=1, crops=1)
    views = {"clips": options.clips, "crops": options.crops}
    protocol = replace(protocol, **{key: n for key, n in views.items() if n is not None})
    info = DataInfo.read(folder)
    if len(info.classes) != network.config.num_classes:
        raise ConfigError(
            f"{options.weights}: a network of {network.config.num_classes} classes, {folder} has {len(info.classes)}"
        )
    known = getattr(network, "classes", None) or info.classes
    for k, (theirs, ours) in enumerate(zip(known, info.classes, strict=True)):
        if theirs != ours:
            raise ConfigError(
                f"{options.weights}: its class {k} is '{theirs}', that of {folder} is '{ours}'; "
                "evaluate it on the set that it was trained on, or on one with the same classes in the same order"
            )
    if several(options):
        return launch(options)
    workers = share_cores(options)
    scores = score(network, test_split(folder, protocol, options.split), protocol, workers=workers)
    if distributed.rank() == 0:
        if options.scores:
            scores.save(options.scores)
        print(json.dumps({"protocol": str(protocol), **(found := metrics(scores))}))
        summarise(f"{options.weights} on {info.name}, {options.split}", found)
    distributed.leave()


def ensemble(options):
    from ctnet.inference.scores import Scores, ensemble, metrics

    if len({path.resolve() for path in options.scores}) < len(options.scores):
        raise ConfigError("ensemble: a file of scores is given twice; each network counts once")
    together = ensemble({str(path): Scores.load(path) for path in options.scores})
    print(json.dumps({"protocol": together.protocol, **metrics(together)}))


def network_of(path: Path):
    """The network of our own file or, by its suffix, of the authors' checkpoint, which is told on standard error."""
    from ctnet.models.pretrained import load_released
    from ctnet.models.weights import load

    if path.suffix.lower() not in (".pth", ".pt", ".tar"):
        return load(path)
    network = load_released(path).eval()
    console.note(f"{path}: read as the authors' checkpoint of CT-Net on ResNet-50")
    return network


def predict(options):
    from ctnet.inference import drawing, predict

    if options.save:
        drawing.check(options.save)
    network = network_of(options.weights)
    best = predict(network, options.video, k=options.top, save=options.save)
    if options.save:
        print(options.save, file=sys.stderr)
    if options.json:
        print(json.dumps([{"label": label, "probability": p} for label, p in best], ensure_ascii=False))
    else:
        width = max(len(label) for label, _ in best)
        for label, p in best:
            print(f"{label:<{width}}  {100 * p:5.1f} %  {'█' * round(30 * p)}")


def export(options):
    from ctnet.inference.export import export, writer
    from ctnet.protocol import Protocol

    writer(options.to)
    network = network_of(options.weights)
    p = getattr(network, "protocol", None) or Protocol()
    gap = export(network, options.to, p.frames, p.size)
    shapes = f"clips (N, 3, {p.frames}, {p.size}, {p.size}) -> logits (N, {network.config.num_classes})"
    print(f"{options.to}: {shapes}, equal to the network's within {gap:.0e}")


def run(options):
    from ctnet import paths
    from ctnet.book.notebook import run

    try:
        params = json.loads(options.params)
    except ValueError as error:
        raise ConfigError(f"--params is not JSON: {error}") from error
    if not isinstance(params, dict):
        raise ConfigError(f'--params must be a JSON object, such as \'{{"scale": "smoke"}}\', not {options.params}')
    out = options.out or paths.ROOT / "book" / "runs" / options.notebook.name
    run(options.notebook, out, params)
    print(out)


def bench(options):
    from ctnet.cli.bench import main

    return main(options.rest)
