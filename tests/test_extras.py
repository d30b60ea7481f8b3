"""What works without the extras, what each extra brings, and what a user is told without it."""

import ast
import json
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ctnet import errors
from ctnet.errors import CtnetError, explain_missing_packages
from ctnet.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Start of a process that finds only Python, ctnet, and the imports and distributions in its first argument.
BLOCKED = """
import json, os, re, sys
imports, distributions = map(set, json.loads(sys.argv[1]))
imports |= {*sys.stdlib_module_names, "ctnet"}
class Allowed:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        if "." not in name and name not in imports and not name.startswith("_sysconfigdata"):
            return None
        return self.finder.find_spec(name, path, target)
    def find_distributions(self, context):
        known = context.name is None or re.sub("[-_.]+", "-", context.name).lower() in distributions
        return getattr(self.finder, "find_distributions", lambda context: ())(context) if known else ()
sys.meta_path[:] = map(Allowed, sys.meta_path)
"""


@cache
def distributions_of(*extras: str) -> frozenset[str]:
    """Names of all distributions that `pip install ctnet[extras]` installs, of those that are installed here."""
    lines = PROJECT["dependencies"] + [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    found, todo = set(), [Requirement(line) for line in lines]
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(key)
        try:
            children = [Requirement(line) for line in requires(wanted.name) or ()]
        except PackageNotFoundError:
            continue
        for child in children:
            if any(child.marker is None or child.marker.evaluate({"extra": e}) for e in ("", *wanted.extras)):
                child.marker = None
                todo.append(child)
    return frozenset(name for name, _ in found)


def run_with(code: str, *words: str, extras: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run code in a process that finds what `pip install ctnet[extras]` installs, and nothing else."""
    installed = distributions_of(*extras)
    owners = packages_distributions()
    imports = [name for name, owned in owners.items() if installed & {canonicalize_name(o) for o in owned}]
    command = [sys.executable, "-c", BLOCKED + code, json.dumps([imports, sorted(installed)]), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


LIBRARY = """
import ctnet
import numpy as np
import torch

os.chdir(sys.argv[2])
rng = np.random.default_rng(0)
for split in ("train", "test"):
    for label in ("left", "right"):
        os.makedirs(f"videos/{split}/{label}")
        ctnet.data.write_video(f"videos/{split}/{label}/0.avi", rng.integers(0, 256, (8, 32, 40, 3), np.uint8))
video = "videos/test/left/0.avi"
assert ctnet.data.count_frames(video) == 8
assert ctnet.data.read_frames(video, [0, 7]).shape == (2, 32, 40, 3)

folder = ctnet.data.from_folders("videos", "set", workers=1)
assert ctnet.data.verify(folder, workers=1) == []
data = ctnet.data.VideoDataset(folder, "test", frames=4, size=32, train=False)
clips, label = data[0][:2]

model = ctnet.create_model("ctnet_resnet50", num_classes=2, width=16).eval()
assert ctnet.cost(model, frames=4, size=64).gflops > 0
assert model(torch.rand(1, 3, 4, 64, 64)).shape == (1, 2)
ctnet.save(model, "weights.safetensors")
network = ctnet.load("weights.safetensors")
found = ctnet.predict(network, video, ctnet.Protocol(frames=4, size=64))
assert len(found) == 2 and abs(sum(p for _, p in found) - 1) < 1e-5
assert ctnet.saliency.saliency(network, torch.zeros(3, 4, 64, 64, dtype=torch.uint8)).shape == (4, 64, 64)
assert ctnet.Experiment("ctnet_resnet50", recipe=ctnet.Recipe(epochs=1)).seed == 0
"""

MISSING = """
def message(call):
    try:
        call()
    except ctnet.errors.CtnetError as error:
        return str(error)

from ctnet.inference import metrics, Scores
print(message(lambda: ctnet.training.train))
print(message(lambda: metrics(None)))
print(message(lambda: ctnet.predict(network, video, ctnet.Protocol(frames=4, size=64), save="picture.png")))
print(message(lambda: ctnet.data.read_frames(video, [0], backend="decord")))
print(message(lambda: ctnet.export.to_onnx(network, "model.onnx", frames=4, size=64)))
"""


def test_library_works_without_extras(tmp_path):
    done = run_with(LIBRARY + "import ctnet.training" + MISSING, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "needs the package lightning; run: pip install 'ctnet[train]'",
        "needs the package torchmetrics; run: pip install 'ctnet[train]'",
        "needs the package matplotlib; run: pip install 'ctnet[notebooks]'",
        "needs the package decord; run: pip install 'ctnet[decord]'",
        "model.onnx: ONNX needs the package onnxruntime; run: pip install 'ctnet[export]'",
    ]


COMMAND = "from ctnet.cli.main import main; sys.exit(main(sys.argv[2:]))"


@pytest.mark.parametrize(
    "words, package, extra",
    [
        (["train", "tsn_resnet50", "--scale", "smoke"], "lightning", "train"),
        (["run", "notebooks/cost.ipynb"], "nbformat", "notebooks"),
    ],
    ids=["train", "run"],
)
def test_command_without_its_extra_is_one_line(places, words, package, extra):
    done = run_with(COMMAND, *words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == f"ctnet: needs the package {package}; run: pip install 'ctnet[{extra}]'"
    assert "Traceback" not in done.stderr


def test_train_extra_is_enough_to_train(places):
    words = [
        "train",
        "tsn_resnet50",
        "--scale",
        "smoke",
        "--seeds",
        "0",
        "--epochs",
        "1",
        "--workers",
        "0",
        "--threads",
        "1",
    ]
    done = run_with(COMMAND, *words, extras=("train",))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["top1"] >= 0


def imported() -> set[str]:
    """Top-level names that ctnet imports anywhere, also in functions."""
    found = set()
    for path in (ROOT / "ctnet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"ctnet"}


def declared_in(lines: list[str]) -> set[str]:
    """Names of the imports of declared dependencies."""
    names = {canonicalize_name(Requirement(line).name) for line in lines}
    other = {"pillow": "PIL", "ipython": "IPython", "pyyaml": "yaml"}  # a distribution with another name
    return {other.get(name, name.replace("-", "_")) for name in names}


def test_every_import_is_a_declared_dependency():
    """What is not in the base dependencies is known to `ctnet.errors`, under the extra that declares it."""
    optional = imported() - declared_in(PROJECT["dependencies"])
    assert optional == {package for packages in errors._EXTRAS.values() for package in packages}
    for extra, packages in errors._EXTRAS.items():
        assert set(packages) <= declared_in(PROJECT["optional-dependencies"][extra])


def test_base_dependencies_bring_no_package_of_an_extra():
    optional = {canonicalize_name(Requirement(x).name) for e in PROJECT["optional-dependencies"].values() for x in e}
    assert sorted(optional & distributions_of()) == []


def test_other_missing_packages_are_not_explained():
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), explain_missing_packages():
        import no_such_package  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name"), explain_missing_packages():
        from pandas import no_such_name  # noqa: F401


def test_missing_optional_package_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(CtnetError, match=r"^needs the package pandas; run: pip install 'ctnet\[notebooks\]'$"):
        with explain_missing_packages():
            import pandas  # noqa: F401
