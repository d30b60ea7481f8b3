"""`python -m ctnet`: list | cost | rows | data | train | evaluate | ensemble | predict | export | run | bench."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ctnet import console
from ctnet.cli import commands
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
        console.tell(error)
        return 2
    except KeyboardInterrupt as interrupt:
        console.tell(str(interrupt) or "interrupted; the same command goes on")
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
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")

    def command(call, name: str, text: str, **kwargs):
        made = subparsers.add_parser(name, help=text, description=text, **kwargs)
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

    command(commands.list_models, "list", "the name of every network")

    c = command(commands.cost, "cost", "GFLOPs, multiply-adds, parameters and activations of a network")
    c.add_argument("model", help=MODEL)
    c.add_argument("--frames", type=at_least(1, 1000), default=8, help="of a clip (default: %(default)s)")
    c.add_argument("--crops", type=at_least(1), default=1, help="of a clip: 1 or 3 (default: %(default)s)")
    c.add_argument("--clips", type=at_least(1), default=1, help="of a video (default: %(default)s)")
    c.add_argument("--size", type=at_least(1, 4096), default=256, help="of a crop, in pixels (default: %(default)s)")
    c.add_argument("--classes", type=at_least(1, 10**6), default=174, help="of the last layer (default: %(default)s)")
    c.add_argument("--json", action="store_true", help="one JSON object")

    c = command(
        commands.rows, "rows", "the networks' rows of the paper's Tables 2a-8: GFLOPs as printed, and as counted here"
    )
    c.add_argument("--json", action="store_true", help="one JSON object a line, for every row of every table")

    c = command(commands.data, "data", "make or check a data set")
    text = "prepare: draw it, or write manifests over its videos; verify: read every clip to its end"
    c.add_argument("action", choices=("prepare", "verify"), help=text)
    c.add_argument("name", help="motionpairs, a set of data/README.md, or a name for class folders of your own videos")
    c.add_argument("--source", type=Path, help="folder of the videos (all but motionpairs)")
    c.add_argument("--lists", type=Path, nargs="+", default=[], help="files of 'path frames label' lines, instead")
    c.add_argument("--scale", type=drawn_scale, default="cpu", help=DRAWN_SCALE)
    c.add_argument(
        "--workers", type=at_least(1), help="processes that draw or read videos (default: one for each core)"
    )

    c = command(commands.train, "train", "run the experiments of a network at a scale: train, evaluate, record")
    c.add_argument("model", help=MODEL)
    c.add_argument("--scale", default="cpu", help="smoke, cpu, gpu or paper (default: %(default)s)")
    c.add_argument("--data", help="a prepared data set (default: motionpairs; at the paper scale something_v1)")
    c.add_argument("--init", help="scratch, imagenet, or a data set to take weights from (default: the scale's)")
    c.add_argument("--seeds", type=at_least(0), nargs="+", help="one run for each (default: the scale's)")
    c.add_argument("--epochs", type=at_least(1), help="instead of the recipe's; the result is another experiment's")
    job_options(c, "each step's clips")
    c.add_argument("--fresh", action="store_true", help="run it even if recorded, and replace the record")

    c = command(commands.evaluate, "evaluate", "accuracies of a weights file on a data set")
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

    c = command(commands.ensemble, "ensemble", "accuracies of several networks together: the average of their scores")
    c.add_argument("scores", type=Path, nargs="+", help="files of `evaluate --scores`, of the same split")

    c = command(commands.predict, "predict", "the likeliest classes of a video")
    c.add_argument("video", type=Path, help="a video file, or a folder of its frames as images")
    c.add_argument("--weights", type=Path, required=True, help=OURS_OR_THEIRS)
    c.add_argument("--top", type=at_least(1), default=5, help="how many classes (default: %(default)s)")
    c.add_argument("--json", action="store_true", help="one JSON list")
    c.add_argument("--save", type=Path, help="picture or video of frames, class and saliency: .png .jpg .mp4 .gif")

    c = command(commands.export, "export", "a network as a file for other programs: ONNX or torch.export")
    c.add_argument("weights", type=Path, help=OURS_OR_THEIRS)
    c.add_argument("--to", type=Path, required=True, help="the file to write: .onnx or .pt2")

    c = command(commands.run, "run", "execute a notebook with parameters")
    c.add_argument("notebook", type=Path, help="a file of notebooks/")
    c.add_argument("--out", type=Path, help="default: book/runs/NAME.ipynb")
    c.add_argument("--params", default="{}", help='JSON, such as {"scale": "smoke"} (default: %(default)s)')

    # of another prefix here, so that its own options pass through
    c = command(commands.bench, "bench", "speed of the networks on this machine", prefix_chars="+")
    c.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="its own options: ctnet bench --help")
    return top
