"""The entry point: help texts, exit codes, one-line errors, and what is imported when."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ctnet import paths
from ctnet.cli.main import main, parser
from ctnet.data import prepare
from tests.support.commands import mistake


def commands_of(top: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """(name, parser) of every command, such as `data prepare`."""
    groups = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, top
    for group in groups:
        for word, sub in group.choices.items():
            yield from commands_of(sub, f"{name} {word}".strip())


COMMANDS = dict(commands_of(parser()))


def test_commands_are_those_of_the_readme():
    names = "list cost predict export train evaluate ensemble rows claims run book bench"
    assert set(COMMANDS) == {*names.split(), "data prepare", "data verify", "data probe"}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_have_descriptions_and_options_show_their_defaults(name):
    command = COMMANDS[name]
    assert command.description
    command.format_help()
    for action in command._actions:
        assert action.help, action.dest
        if action.default not in (None, False, argparse.SUPPRESS, []):
            assert "default: %(default)s" in action.help, action.dest
        elif action.option_strings and not action.required and action.dest not in ("help", "source"):
            assert "(default: " in action.help, action.dest


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "required: COMMAND; see python -m ctnet --help"),
        (["trian"], "invalid choice: 'trian'"),
        (["list", "--seed"], "arguments: --seed; see"),
        (["predict", "a.mp4"], "required: --weights; see python -m ctnet predict --help"),
        (["data"], "required: ACTION; see python -m ctnet data --help"),
        (["data", "prepare"], "required: name; see python -m ctnet data prepare --help"),
    ],
)
def test_usage_error_is_one_line_that_points_at_the_help(capsys, words, message):
    assert message in mistake(capsys, *words)


WRONG_NUMBERS = [
    ("train --workers -1", 0),
    ("train --seeds x", 0),
    ("train --threads 1.5", 1),
    ("train --threads 0", 1),
    ("train --devices 0", 1),
    ("train --nodes 0", 1),
    ("train --epochs 0", 1),
    ("cost --frames 0", 1),
    ("cost --classes -1", 1),
    ("run --timeout 0", 1),
]


@pytest.mark.parametrize("words, least", WRONG_NUMBERS)
def test_wrong_number_is_refused_before_anything_runs(capsys, words, least):
    command, option, number = words.split()
    message = mistake(capsys, command, "tsn_resnet50", option, number)
    assert f"argument {option}: a whole number from {least} up is needed, not '{number}'" in message


def test_huge_number_is_refused_in_one_line(capsys):
    nines = "9" * 5000
    for words in (("train", "tsn_resnet50", "--seeds", nines), ("cost", "tsn_resnet50", "--size", 10**6)):
        assert "is needed, not '" in mistake(capsys, *words)
    assert "--rounds: give a whole number from 1" in mistake(capsys, "bench", "--rounds", "x")
    assert "'no' (choose from" in mistake(capsys, "bench", "--only", "no")


def test_unknown_name_is_one_line_with_the_similar_names(capsys, places):
    assert "unknown model 'ctnet_resnet5'; did you mean ctnet_resnet50" in mistake(capsys, "cost", "ctnet_resnet5")
    assert "unknown model 'tsn'" in mistake(capsys, "train", "tsn", "--scale", "smoke")
    assert "did you mean smoke?" in mistake(capsys, "train", "tsn_resnet50", "--scale", "smok")
    assert "did you mean smoke?" in mistake(capsys, "data", "prepare", "motionpairs", "--scale", "smok")
    assert "did you mean smoke?" in mistake(capsys, "data", "probe", "motionpairs", "--scale", "smok")
    assert "motionpair" in mistake(capsys, "data", "prepare", "motionpair", "--scale", "smoke")
    for words in ("data verify mine", "evaluate w --data set", "data prepare hmdb51 --source x"):
        known = ", ".join(sorted(prepare.DRAWN_SIZES))  # tests may have added some
        assert f"'huge'; known: {known}\n" in mistake(capsys, *words.split(), "--scale", "huge")
    assert "'huge'; known: cpu, gpu, paper, smoke" in mistake(capsys, "train", "tsn_resnet50", "--scale", "huge")
    assert "crops must be 1 or 3, not 2" in mistake(capsys, "cost", "tsn_resnet50", "--crops", 2)
    assert "at least 75 x 75" in mistake(capsys, "cost", "tsn_inception_v3", "--size", 64)


def test_closed_output_pipe_ends_quietly_with_141(monkeypatch, capfd):
    def closed(options):
        raise BrokenPipeError

    monkeypatch.setattr("ctnet.cli.models._list", closed)
    monkeypatch.setattr(sys, "stderr", open(os.devnull, "w"))
    assert main(["list"]) == 141
    assert sys.stderr.closed and capfd.readouterr() == ("", "")


def python(*words):
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment)


def test_mistake_in_the_shell_is_one_line_without_traceback():
    done = python("-m", "ctnet", "data", "prepare", "motionpairs", "--scale", "smok")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("ctnet: unknown scale") and done.stderr.count("\n") == 1


HELP = """
import sys
import ctnet
from ctnet.cli.main import main
for words in {commands}:
    try:
        main([*words.split(), "--help"])
    except SystemExit as done:
        assert done.code == 0, words
print([name for name in ("torch", "numpy", "pandas", "papermill", "nbformat") if name in sys.modules], file=sys.stderr)
"""


def test_help_of_every_command_loads_neither_torch_nor_numpy():
    commands = ["", "data", *(name for name in COMMANDS if name != "bench")]  # bench shows the benchmarks' own help
    done = python("-c", HELP.format(commands=commands))
    assert done.stderr == "[]\n" and done.stdout.count("usage: ctnet") == len(commands)


HEAVY = ("torchvision", "lightning", "torchmetrics", "matplotlib", "pandas", "decord", "av", "scipy", "plotly")
LIGHT = f"""
import sys
import ctnet
def loaded():
    print("torch" in sys.modules, "numpy" in sys.modules, [name for name in {HEAVY} if name in sys.modules])
loaded()
model = ctnet.create_model("ctnet_resnet50", num_classes=5, width=16)
import torch
model(torch.rand(1, 3, 2, 64, 64))
ctnet.cost(model)
loaded()
"""


def test_import_and_create_model_load_only_what_they_need():
    done = python("-c", LIGHT)
    assert done.stdout == "False False []\nTrue True []\n", done.stderr
