"""`python -m ctnet`: list | cost | rows | data | train | evaluate | ensemble | predict | export | run | bench."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ctnet import processes
from ctnet.errors import ConfigError, CtnetError
from ctnet.protocol import PROTOCOLS

OURS_OR_THEIRS = "a file of weights: ours, or the authors' (.pth, .pt, .tar)"
MODEL = "a name that `list` shows"
DRAWN_SCALE = "of motionpairs: smoke, cpu or gpu (default: %(default)s)"


def main(words: list[str] | None = None) -> int:
    """Runs a command; an error that the user can mend is one line on standard error and exit status 2."""
    try:
        options = parser().parse_args(words)
        options.words = sys.argv[1:] if words is None else words
        return options.call(options) or 0
    except CtnetError as error:
        processes.tell(error)
        return 2
    except KeyboardInterrupt as interrupt:
        processes.tell(str(interrupt) or "interrupted; the same command goes on")
        return 130
    except BrokenPipeError:  # the reader of our output (`| head`) has seen enough
        sys.stderr.close()
        return 141


class Parser(argparse.ArgumentParser):
    """One whose errors are as all others of ctnet."""

    def error(self, message: str):
        raise ConfigError(f"{message}; see python -m {self.prog} --help")


def at_least(least: int, most: int = 10**9) -> Callable[[str], int]:
    """What reads an option that is a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 10 or not least <= int(text) <= most:
            up = f"from {least} to {most}" if text.isdecimal() and text.strip("0") else f"from {least} up"
            raise argparse.ArgumentTypeError(f"a whole number {up} is needed, not '{text[:20]}'")
        return int(text)

    return read


def drawn_scale(text: str) -> str:
    """A scale of MotionPairs; ConfigError for another word, also where the data set is one that has no scales."""
    from ctnet.data.motionpairs.draw import known

    return known(text)


def parser() -> argparse.ArgumentParser:
    top = Parser("ctnet", description="CT-Net: models, costs, data, training, the book's notebooks.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(call, name: str, text: str, **kwargs):
        made = commands.add_parser(name, help=text, description=text, **kwargs)
        made.set_defaults(call=call)
        return made

    def job_options(c: argparse.ArgumentParser, what: str):
        add = c.add_argument
        add("--workers", type=at_least(0), help="processes that read videos (default: the cores but one, at most 8)")
        add("--threads", type=at_least(1), help="threads of PyTorch (default: its own; without a GPU the other cores)")
        text = f"GPUs, or without any processes, of this machine that share {what} (default: %(default)s)"
        add("--devices", type=at_least(1), default=1, help=text)
        text = "machines; the same command is given on each of them (default: %(default)s)"
        add("--nodes", type=at_least(1), default=1, help=text)
        add("--rendezvous", metavar="HOST:PORT", help="where several machines meet: one of them, a free port")

    command(list_models, "list", "the name of every network")

    c = command(cost, "cost", "GFLOPs, multiply-adds, parameters and activations of a network")
    c.add_argument("model", help=MODEL)
    c.add_argument("--frames", type=at_least(1, 1000), default=8, help="of a clip (default: %(default)s)")
    c.add_argument("--crops", type=at_least(1), default=1, help="of a clip: 1 or 3 (default: %(default)s)")
    c.add_argument("--clips", type=at_least(1), default=1, help="of a video (default: %(default)s)")
    c.add_argument("--size", type=at_least(1, 4096), default=256, help="of a crop, in pixels (default: %(default)s)")
    c.add_argument("--classes", type=at_least(1, 10**6), default=174, help="of the last layer (default: %(default)s)")
    c.add_argument("--json", action="store_true", help="one JSON object")

    c = command(rows, "rows", "the networks' rows of the paper's Tables 2a-8: GFLOPs as printed, and as counted here")
    c.add_argument("--json", action="store_true", help="one JSON object a line, for every row of every table")

    c = command(data, "data", "make or check a data set")
    text = "prepare: draw it, or write manifests over its videos; verify: read every clip to its end"
    c.add_argument("action", choices=("prepare", "verify"), help=text)
    c.add_argument("name", help="motionpairs, a set of data/README.md, or a name for class folders of your own videos")
    c.add_argument("--source", type=Path, help="folder of the videos (all but motionpairs)")
    c.add_argument("--lists", type=Path, nargs="+", default=[], help="files of 'path frames label' lines, instead")
    c.add_argument("--scale", type=drawn_scale, default="cpu", help=DRAWN_SCALE)
    c.add_argument(
        "--workers", type=at_least(1), help="processes that draw or read videos (default: one for each core)"
    )

    c = command(train, "train", "run the experiments of a network at a scale: train, evaluate, record")
    c.add_argument("model", help=MODEL)
    c.add_argument("--scale", default="cpu", help="smoke, cpu, gpu or paper (default: %(default)s)")
    c.add_argument("--data", help="a prepared data set (default: motionpairs; at the paper scale something_v1)")
    c.add_argument("--init", help="scratch, imagenet, or a data set to take weights from (default: the scale's)")
    c.add_argument("--seeds", type=at_least(0), nargs="+", help="one run for each (default: the scale's)")
    c.add_argument("--epochs", type=at_least(1), help="instead of the recipe's; the result is another experiment's")
    job_options(c, "each step's clips")
    c.add_argument("--fresh", action="store_true", help="run it even if recorded, and replace the record")

    c = command(evaluate, "evaluate", "accuracies of a weights file on a data set")
    c.add_argument("weights", type=Path, help=OURS_OR_THEIRS)
    c.add_argument("--data", type=Path, required=True, help="a prepared data set: its name, or its folder")
    c.add_argument("--scale", type=drawn_scale, default="cpu", help=DRAWN_SCALE)
    c.add_argument("--split", default="test", help="one that the set has: train, test, ... (default: %(default)s)")
    text = f"{', '.join(PROTOCOLS)} (default: as trained, one clip, one crop)"
    c.add_argument("--protocol", help=text)
    c.add_argument("--clips", type=at_least(1), help="of a video, instead of the protocol's")
    c.add_argument("--crops", type=at_least(1), help="of a clip, 1 or 3, instead of the protocol's")
    c.add_argument("--scores", type=Path, help="save the scores here (.npz), for ensembles")
    job_options(c, "the clips")

    c = command(ensemble, "ensemble", "accuracies of several networks together: the average of their scores")
    c.add_argument("scores", type=Path, nargs="+", help="files of `evaluate --scores`, of the same split")

    c = command(predict, "predict", "the likeliest classes of a video")
    c.add_argument("video", type=Path, help="a video file, or a folder of its frames as images")
    c.add_argument("--weights", type=Path, required=True, help=OURS_OR_THEIRS)
    c.add_argument("--top", type=at_least(1), default=5, help="how many classes (default: %(default)s)")
    c.add_argument("--json", action="store_true", help="one JSON list")
    c.add_argument("--save", type=Path, help="picture or video of frames, class and saliency: .png .jpg .mp4 .gif")

    c = command(export, "export", "a network as a file for other programs: ONNX or torch.export")
    c.add_argument("weights", type=Path, help=OURS_OR_THEIRS)
    c.add_argument("--to", type=Path, required=True, help="the file to write: .onnx or .pt2")

    c = command(run, "run", "execute a notebook with parameters")
    c.add_argument("notebook", type=Path, help="a file of notebooks/")
    c.add_argument("--out", type=Path, help="default: book/runs/NAME.ipynb")
    c.add_argument("--params", default="{}", help='JSON, such as {"scale": "smoke"} (default: %(default)s)')

    c = command(bench, "bench", "speed of the networks on this machine", prefix_chars="+")  # options pass through
    c.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="its own options: ctnet bench --help")
    return top


def list_models(options):
    from ctnet.models import list_models

    print("\n".join(list_models()))


def cost(options):
    import torch

    from ctnet.complexity import cost
    from ctnet.models import create_model
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
    from ctnet import paper
    from ctnet.experiments import recorded_for

    if not options.json:
        print(f"{'table':>5} {'row':<22} {'paper':>8} {'ours':>10} {'parameters':>10}")
    for row in paper.rows_json(recorded_for):
        if options.json:
            print(json.dumps(row, ensure_ascii=False))
        elif row["ours"]:
            stated = row["paper"].get("gflops", "–")
            ours = f"{row['ours']['gflops']:>9.3f} G {row['ours']['params_m']:>7.2f} M"
            print(f"{row['table']:>5} {row['row']:<22} {stated:>8} {ours}")


def data(options):
    from ctnet.data import prepare
    from ctnet.data.own import REPORT

    if options.action == "prepare":
        folder = prepare.prepare(options.name, options.scale, None, options.workers, options.source, options.lists)
        if (folder / REPORT).exists():
            summary, _, left_out = (folder / REPORT).read_text(encoding="utf-8").partition("\n\n")
            print(summary + (f"\nsee {folder / REPORT}" if left_out else ""), file=sys.stderr)
        print(folder)
        return 0
    folder = prepare.locate(options.name, options.scale)
    broken = prepare.verify(folder, options.workers)
    print("\n".join(broken) or f"{folder}: every clip can be read")
    if broken:
        processes.tell(f"{folder}: {len(broken)} named above; {prepare.mend(folder, options.name, options.scale)}")
    return 1 if broken else 0


def several(options) -> bool:
    """Whether a job of several processes is asked for that is not under way yet."""
    return (options.devices, options.nodes) != (1, 1) and not processes.started()


def launch(options):
    """The command again, in each of the job's processes."""
    return processes.launch(["ctnet", *options.words], options.devices, options.nodes, options.rendezvous)


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
    from ctnet.experiments import WEIGHTS, check_form, experiments, folder_of, recorded, run
    from ctnet.models.zoo import same_as

    wanted = experiments(options.model, options.scale, options.data, options.seeds, options.init, options.epochs)
    check_form(wanted[0])
    if several(options) and (options.fresh or len(recorded(wanted)) < len(wanted)):
        return launch(options)
    workers = share_cores(options)
    processes.join()
    if known := 0 if options.fresh else processes.from_rank_0(lambda: len(recorded(wanted))):
        processes.note(f"{known} of {len(wanted)} recorded already, and not run again; --fresh trains anew")
    if alike := same_as(options.model, **dict(wanted[0].overrides)):
        processes.note(f"at the {options.scale} scale {options.model} is the same network as {alike}")
    for e in wanted:
        result = run(e, options.fresh, workers)
        if processes.rank() == 0:
            print(json.dumps({"result": result.key, **result.metrics}))
            summarise(result.key, result.metrics)
            if (weights := folder_of(e) / WEIGHTS).exists():
                print(f"weights: {weights}", file=sys.stderr)
    processes.leave()


def evaluate(options):
    from dataclasses import replace

    from ctnet import paths
    from ctnet.data.datasets import DataInfo
    from ctnet.data.prepare import locate
    from ctnet.evaluation import metrics, score, test_split
    from ctnet.protocol import Protocol, named

    if options.scores:
        paths.writable(options.scores)
    if several(options):
        return launch(options)
    processes.join()
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
    workers = share_cores(options)
    scores = score(network, test_split(folder, protocol, options.split), protocol, workers=workers)
    if processes.rank() == 0:
        if options.scores:
            scores.save(options.scores)
        print(json.dumps({"protocol": str(protocol), **(found := metrics(scores))}))
        summarise(f"{options.weights} on {info.name}, {options.split}", found)
    processes.leave()


def ensemble(options):
    from ctnet.evaluation import Scores, ensemble, metrics

    if len({path.resolve() for path in options.scores}) < len(options.scores):
        raise ConfigError("ensemble: a file of scores is given twice; each network counts once")
    together = ensemble({str(path): Scores.load(path) for path in options.scores})
    print(json.dumps({"protocol": together.protocol, **metrics(together)}))


def network_of(path: Path):
    """The network of our own file or, by its suffix, of the authors' checkpoint, which is told on standard error."""
    from ctnet.models.weights import load, load_released

    if path.suffix.lower() not in (".pth", ".pt", ".tar"):
        return load(path)
    network = load_released(path).eval()
    processes.note(f"{path}: read as the authors' checkpoint of CT-Net on ResNet-50")
    return network


def predict(options):
    from ctnet import drawing
    from ctnet.prediction import predict

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
    from ctnet.export import export, writer
    from ctnet.protocol import Protocol

    writer(options.to)
    network = network_of(options.weights)
    p = getattr(network, "protocol", None) or Protocol()
    gap = export(network, options.to, p.frames, p.size)
    shapes = f"clips (N, 3, {p.frames}, {p.size}, {p.size}) -> logits (N, {network.config.num_classes})"
    print(f"{options.to}: {shapes}, equal to the network's within {gap:.0e}")


def run(options):
    from ctnet import paths
    from ctnet.runner import run

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
    from ctnet.bench import main

    return main(options.rest)
