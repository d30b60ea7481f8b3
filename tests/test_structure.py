"""The structure of the code: layers, circular imports, sizes of files, the README's map, and what an import loads."""

import ast
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import ctnet
from ctnet.paths import ROOT

PACKAGES = ("ctnet", "benchmarks", "tests")
LIBRARY = sorted((ROOT / "ctnet").rglob("*.py"))
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(root: Path) -> subprocess.CompletedProcess:
    """Run import-linter with the contracts of `root`/pyproject.toml."""
    command = [sys.executable, "-c", LINT, "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_imports_keep_every_contract():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    "file, line, contract, message",
    [
        pytest.param(
            "ctnet/data/sampling.py",
            "from ctnet.cli import main",
            "ctnet imports from its upper layers to its lower ones",
            "ctnet.data.sampling -> ctnet.cli.main",
            id="upwards",
        ),
        pytest.param(
            "ctnet/models/cost.py",
            "def late():\n    from ctnet.data import sampling",
            "ctnet imports from its upper layers to its lower ones",
            "ctnet.models.cost -> ctnet.data.sampling",
            id="sideways-in-a-function",
        ),
        pytest.param(
            "ctnet/utilities.py",
            "",
            "ctnet imports from its upper layers to its lower ones",
            "ctnet.utilities",
            id="module-without-a-layer",
        ),
        pytest.param(
            "ctnet/data/sampling.py",
            "from ctnet.data import dataset",
            "no circular imports",
            "No cycles are allowed in ctnet.data.",
            id="circular",
        ),
        pytest.param(
            "benchmarks/timing.py",
            "from tests.support import toy",
            "tests import benchmarks, and both import ctnet",
            "benchmarks.timing -> tests.support.toy",
            id="tests-in-a-benchmark",
        ),
        pytest.param(
            "benchmarks/timing.py",
            "from ctnet.cli import main",
            "benchmarks do not import the command line",
            "benchmarks.timing -> ctnet.cli.main",
            id="command-line-in-a-benchmark",
        ),
    ],
)
def test_planted_import_breaks_its_contract(tmp_path, file, line, contract, message):
    for package in PACKAGES:
        not_python = shutil.ignore_patterns("*.json", "*.npz", "__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=not_python)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / file, "a", encoding="utf-8") as planted:
        planted.write(f"\n\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout
    assert message in done.stdout


def test_no_module_imports_itself_through_others():
    """A cycle of single modules; the contract compares siblings, so it misses a package and a module in it."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # CycleError names the modules


def test_at_most_ten_modules_lie_beside_the_layers():
    assert len(list((ROOT / "ctnet").glob("*.py"))) <= 10


def test_no_file_has_more_than_350_lines():
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in LIBRARY}
    assert {name: n for name, n in lines.items() if n > 350} == {}


def test_readme_map_names_every_folder_and_module():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## The map\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)[1]
    words = set(re.findall(r"\w+", section))
    folders = {path.parent.name for path in LIBRARY}
    modules = {path.stem for pattern in ("*.py", "*/*.py") for path in (ROOT / "ctnet").glob(pattern)}
    assert sorted((folders | modules) - words - {"__init__", "__main__"}) == []


def test_import_ctnet_loads_no_heavy_package():
    code = "import sys, ctnet; print([name for name in ('torch', 'numpy', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_help_loads_no_torch():
    command = [sys.executable, "-X", "importtime", "-m", "ctnet", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("usage: ctnet")
    assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)
    assert re.search(r"\| +ctnet$", done.stderr, re.MULTILINE), "the list of imports has another form"


def test_editors_see_every_public_name():
    """`if TYPE_CHECKING:` imports the names that `__getattr__` finds, from the same modules."""
    tree = ast.parse((ROOT / "ctnet" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    found = {alias.asname: (node.module, alias.name) for node in block.body for alias in node.names}
    public = {name: (module, name) for name, module in ctnet._PUBLIC.items()}
    modules = {name: tuple(module.rsplit(".", 1)) for name, module in ctnet._MODULES.items()}
    assert found == public | modules


@pytest.mark.parametrize("name", sorted(set(ctnet.__all__) - {"__version__"}))
def test_public_name_is_found(name):
    assert getattr(ctnet, name).__name__.rpartition(".")[2] == name
    assert name in dir(ctnet)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ctnet' has no attribute 'modles'"):
        ctnet.modles  # noqa: B018
