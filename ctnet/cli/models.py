"""Commands about networks: list, cost, predict, export."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ctnet import console
from ctnet.cli.options import MODEL, WEIGHTS, add_command, at_least


def add_commands(commands) -> None:
    """Add the commands of this module to what `add_subparsers` returned."""
    add_command(commands, "list", _list, "print the name of every network")
    text = "count the GFLOPs, multiply-adds, parameters and activations of a network"
    _cost_options(add_command(commands, "cost", _cost, text))
    _predict_options(add_command(commands, "predict", _predict, "name the most likely classes of a video"))
    text = "write a network as a file for other programs: ONNX or torch.export"
    _export_options(add_command(commands, "export", _export, text))


def network_of(path: Path):
    """Load the network of a weights file of either kind.

    Args:
        path: Our own file, or the authors' checkpoint, recognised by its suffix and reported on standard error.

    Returns:
        The network, in evaluation mode.

    Raises:
        WeightsError: The file is missing, damaged or of another kind.
    """
    from ctnet.models.pretrained import load_released
    from ctnet.models.weights import load

    if path.suffix.lower() not in (".pth", ".pt", ".tar"):
        return load(path)
    network = load_released(path).eval()
    console.note(f"{path}: read as the authors' checkpoint of CT-Net on ResNet-50")
    return network


def _list(options: argparse.Namespace) -> None:
    from ctnet.models import list_models

    print("\n".join(list_models()))


def _cost_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", help=MODEL)
    add("--frames", type=at_least(1, 1000), default=8, help="frames of a clip (default: %(default)s)")
    add("--crops", type=at_least(1), default=1, help="crops of a clip: 1 or 3 (default: %(default)s)")
    add("--clips", type=at_least(1), default=1, help="clips of a video (default: %(default)s)")
    add("--size", type=at_least(1, 4096), default=256, help="side of a crop in pixels (default: %(default)s)")
    add("--classes", type=at_least(1, 10**6), default=174, help="outputs of the last layer (default: %(default)s)")
    add("--json", action="store_true", help="print one JSON object (default: one line of text)")


def _cost(options: argparse.Namespace) -> None:
    import torch

    from ctnet.models import create_model
    from ctnet.models.cost import cost
    from ctnet.protocol import Protocol

    protocol = Protocol(options.frames, options.crops, options.clips, options.size)
    with torch.device("meta"):
        model = create_model(options.model, num_classes=options.classes)
    counted = cost(model, protocol=protocol)
    if options.json:
        print(json.dumps({"model": options.model, "protocol": str(protocol), **asdict(counted)}))
    else:
        print(
            f"{options.model} {protocol}: {counted.gflops:.3f} GFLOPs (the paper's count), {counted.gmacs:.3f} GMACs, "
            f"{counted.params_m:.3f} M parameters, {counted.activations_mb:.1f} MB of fp32 activations a view"
        )


def _predict_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("video", type=Path, help="a video file, or a folder of its frames as images")
    add("--weights", type=Path, required=True, help=WEIGHTS)
    add("--top", type=at_least(1), default=5, help="number of classes to print (default: %(default)s)")
    add("--json", action="store_true", help="print one JSON list (default: a line for each class)")
    text = "also draw frames, class and saliency as a picture or video: .png .jpg .mp4 .gif (default: no file)"
    add("--save", type=Path, metavar="FILE", help=text)


def _predict(options: argparse.Namespace) -> None:
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


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help=WEIGHTS)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the file to write: .onnx or .pt2")


def _export(options: argparse.Namespace) -> None:
    from ctnet.inference.export import export, writer
    from ctnet.protocol import Protocol

    writer(options.to)  # an unknown suffix or folder fails before the network is read
    network = network_of(options.weights)
    p = getattr(network, "protocol", None) or Protocol()
    gap = export(network, options.to, p.frames, p.size)
    shapes = f"clips (N, 3, {p.frames}, {p.size}, {p.size}) -> logits (N, {network.config.num_classes})"
    print(f"{options.to}: {shapes}, equal to the network's within {gap:.0e}")
