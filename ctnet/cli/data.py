"""Commands about data sets: data prepare, data verify, data probe."""

import argparse
import sys
from pathlib import Path

from ctnet import console
from ctnet.cli.options import DATA_SCALE, add_command, at_least, data_scale

NAME = "motionpairs, a set of data/README.md, or a name for class folders of your own videos"


def add_commands(commands) -> None:
    """Add the commands of this module to what `add_subparsers` returned."""
    text = "make or check a data set, or fit linear classifiers to its pixels"
    group = commands.add_parser("data", help=text, description=text)
    actions = group.add_subparsers(required=True, metavar="ACTION")
    text = "draw motionpairs, or write the manifests of another set over its videos"
    _prepare_options(add_command(actions, "prepare", _prepare, text))
    _verify_options(add_command(actions, "verify", _verify, "read every clip of a prepared set to its end"))
    text = "fit linear classifiers to the pixels of a prepared set and record their accuracies"
    _probe_options(add_command(actions, "probe", _probe, text))


def _prepare_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", help=NAME)
    add("--source", type=Path, metavar="DIR", help="folder of the videos; every set but motionpairs needs it")
    text = "files of 'path frames label' lines that list the videos (default: the layout of the set's owners)"
    add("--lists", type=Path, nargs="+", default=[], metavar="FILE", help=text)
    add("--scale", type=data_scale, default="cpu", help=DATA_SCALE)
    add("--workers", type=at_least(1), help="processes that draw or read videos (default: one for each core)")


def _prepare(options: argparse.Namespace) -> None:
    from ctnet.data import prepare
    from ctnet.data.writing import REPORT

    folder = prepare.prepare(options.name, options.scale, None, options.workers, options.source, options.lists)
    if (folder / REPORT).exists():
        summary, _, left_out = (folder / REPORT).read_text(encoding="utf-8").partition("\n\n")
        print(summary + (f"\nsee {folder / REPORT}" if left_out else ""), file=sys.stderr)
    print(folder)


def _verify_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", help=NAME)
    add("--scale", type=data_scale, default="cpu", help=DATA_SCALE)
    add("--workers", type=at_least(1), help="processes that read videos (default: one for each core)")


def _verify(options: argparse.Namespace) -> int:
    """Returns 1 if any clip cannot be read."""
    from ctnet.data import home, prepare

    folder = home.locate(options.name, options.scale)
    broken = prepare.verify(folder, options.workers)
    print("\n".join(broken) or f"{folder}: every clip can be read")
    if broken:
        advice = prepare.repair_advice(folder, options.name, options.scale)
        console.tell(f"{folder}: {len(broken)} listed above cannot be read; {advice}")
    return 1 if broken else 0


def _probe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a prepared data set")
    text = "scale whose frames, crop and size the classifiers see: smoke, cpu, gpu or paper (default: %(default)s)"
    parser.add_argument("--scale", default="cpu", help=text)


def _probe(options: argparse.Namespace) -> None:
    from ctnet.experiments import probes

    print(probes.record(options.name, options.scale).to_string(index=False))
