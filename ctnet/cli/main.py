"""The entry point of `python -m ctnet`: all commands in one parser, and how errors become exit codes."""

import argparse
import sys
from collections.abc import Sequence

from ctnet import console
from ctnet.cli import book, data, models, paper, train
from ctnet.cli.options import Parser
from ctnet.errors import CtnetError, explain_missing_packages

GROUPS = (models, data, train, paper, book)  # in the order of --help


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands; after parsing, `options.action` is the function to call."""
    top = Parser("ctnet", description="CT-Net: models, costs, data, training, the paper's tables and claims, the book.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for group in GROUPS:
        group.add_commands(commands)
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The words after `python -m ctnet`; None for those of this process.

    Returns:
        The exit status: 0 for success, 2 for an error that the user can fix (one line on standard error),
        130 after Ctrl-C, 141 when the reader of the output has closed it. Commands may return others.
    """
    try:
        options = parser().parse_args(words)
        options.words = list(sys.argv[1:] if words is None else words)
        with explain_missing_packages():
            return options.action(options) or 0
    except CtnetError as error:
        console.tell(error)
        return 2
    except KeyboardInterrupt as interrupt:
        console.tell(str(interrupt) or "interrupted; the same command resumes")
        return 130
    except BrokenPipeError:  # the reader, such as `| head`, has closed the pipe
        sys.stderr.close()
        return 141
