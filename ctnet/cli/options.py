"""What the commands share: the parser, types of option values, and options that several commands have.

Nothing here, nor at the top of the command modules, imports torch or numpy: `--help` answers at once.
"""

import argparse
from collections.abc import Callable
from typing import NoReturn

from ctnet.errors import ConfigError

MODEL = "a network name, as printed by `list`"
WEIGHTS = "a weights file: ours (.safetensors), or the authors' checkpoint (.pth, .pt, .tar)"
DATA_SCALE = "size of motionpairs: smoke, cpu or gpu (default: %(default)s)"

Action = Callable[[argparse.Namespace], int | None]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ConfigErrors, so that `main` reports them like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise a ConfigError that points at the help of this command.

        Args:
            message: What argparse found wrong.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{message}; see python -m {self.prog} --help")


def add_command(commands, name: str, action: Action, text: str, **kwargs) -> argparse.ArgumentParser:
    """Add one command.

    Args:
        commands: What `add_subparsers` returned.
        name: The word that selects the command.
        action: Called with the parsed options; returns the exit status, None for 0.
        text: The help text.
        **kwargs: Passed on to the parser.

    Returns:
        The command's parser, to add options to.
    """
    parser = commands.add_parser(name, help=text, description=text, **kwargs)
    parser.set_defaults(action=action)
    return parser


def at_least(least: int, most: int = 10**9) -> Callable[[str], int]:
    """Return the `type` of an option that takes a whole number.

    Args:
        least: The smallest number allowed.
        most: The largest number allowed.

    Returns:
        A function that converts the text of an option, or raises `argparse.ArgumentTypeError`.
    """

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 10 or not least <= int(text) <= most:
            span = f"from {least} to {most}" if text.isdecimal() and text.strip("0") else f"from {least} up"
            raise argparse.ArgumentTypeError(f"a whole number {span} is needed, not '{text[:20]}'")
        return int(text)

    return read


def data_scale(text: str) -> str:
    """Return a scale of MotionPairs unchanged; the `type` of `--scale` where it names prepared data.

    Args:
        text: The scale; it is checked for every data set, also those without scales.

    Raises:
        ConfigError: MotionPairs has no such scale.
    """
    from ctnet.data.motionpairs.draw import known

    return known(text)


def add_job_options(parser: argparse.ArgumentParser, shared: str) -> None:
    """Add the options of commands that can run in several processes.

    Args:
        parser: The command's parser.
        shared: What the processes share, for the help text.
    """
    add = parser.add_argument
    text = "processes that read videos, for each device (default: the number of cores minus one, at most 8)"
    add("--workers", type=at_least(0), help=text)
    text = "threads of PyTorch (default: PyTorch's own choice; without a GPU, the cores that do not read videos)"
    add("--threads", type=at_least(1), help=text)
    text = f"GPUs of this machine (without a GPU: processes) that share {shared} (default: %(default)s)"
    add("--devices", type=at_least(1), default=1, help=text)
    text = "machines; give the same command on each of them (default: %(default)s)"
    add("--nodes", type=at_least(1), default=1, help=text)
    text = "address of one of several machines, with a free port of it (default: none)"
    add("--rendezvous", metavar="HOST:PORT", help=text)
