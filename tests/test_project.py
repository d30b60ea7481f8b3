"""The files of the project: dependencies, lock, notebooks, style, README and the size of the repository."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ctnet.book.notebook import parameter_names
from ctnet.book.status import notebooks
from ctnet.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
PINS = [Requirement(line) for line in LOCK]
LINUX = {
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "os_name": "posix",
}
MAC = {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin", "os_name": "posix"}


def pins_on(machine: dict[str, str], python: str) -> dict[str, str]:
    """Return package -> version that the lock installs on a machine."""
    environment = {**machine, "python_version": python, "python_full_version": f"{python}.9"}
    chosen = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate(environment)]
    names = [canonicalize_name(pin.name) for pin in chosen]
    assert len(names) == len(set(names)), "two pins for one package"
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in chosen}


def declared() -> list[Requirement]:
    """Return the dependencies of pyproject.toml with those of all extras."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [Requirement(line) for lines in (PROJECT["project"]["dependencies"], *extras) for line in lines]


def test_lock_pins_exact_versions_and_names_no_index():
    for pin in PINS:
        assert re.fullmatch(r"==[^,*]+", str(pin.specifier)), f"{pin} is not one exact version"
        assert pin.url is None, f"{pin} names a URL"
    assert not [line for line in LOCK if line.startswith("-") or "://" in line]


@pytest.mark.parametrize("python", ["3.11", "3.12"])
@pytest.mark.parametrize("machine", [LINUX, MAC], ids=["linux", "mac"])
def test_lock_meets_pyproject_with_all_extras(machine, python):
    pins = pins_on(machine, python)
    environment = {**machine, "python_version": python}
    for wanted in declared():
        if wanted.marker is None or wanted.marker.evaluate(environment):
            version = pins.get(canonicalize_name(wanted.name))
            assert version and wanted.specifier.contains(version, prereleases=True), f"{wanted} is locked at {version}"


def test_linux_packages_are_not_installed_on_mac():
    linux, mac = pins_on(LINUX, "3.11"), pins_on(MAC, "3.11")
    only_linux = {name for name in linux if name.startswith(("nvidia-", "cuda-")) or name in ("decord", "triton")}
    assert "decord" in only_linux and len(only_linux) > 10
    assert not only_linux & set(mac)
    assert mac["torch"] == linux["torch"] and mac["av"] == linux["av"]


def test_environment_has_locked_versions():
    """Only the packages that results depend on are compared."""
    from importlib.metadata import version

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (sys.platform == "linux" and (ROOT / ".venv") == Path(sys.prefix)):
        pytest.skip("not run from .venv on Linux, so other versions are allowed")
    pins = pins_on(LINUX, python)
    names = ("torch", "torchvision", "lightning", "numpy", "jupyter-book", "pydata-sphinx-theme")
    assert {name: version(name) for name in names} == {name: pins[name] for name in names}


def test_conda_environment_installs_the_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, _, pip = conda["dependencies"]
    assert pip == {"pip": ["-r requirements.lock"]}
    assert python.partition("=")[2] in ("3.11", "3.12")


def test_every_dependency_has_a_comment_with_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    text = text[text.index("\ndependencies = [") : text.index("\n[project.scripts]")]
    lines = [line for line in text.splitlines() if re.match(r'    "[A-Za-z].*",', line)]
    assert len(lines) == len(declared())
    assert not [line for line in lines if not re.search(r"  # \w", line)]


SOURCES = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_table_of_contents_lists_every_notebook():
    assert sorted(notebooks(ROOT / "book")) == [path.stem for path in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs"), "it has outputs; clear them"
        assert cell.get("execution_count") is None, "it has execution counts; clear them"
        assert not {"papermill", "execution"} & set(cell.metadata), "it has metadata of a run"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert "scale" in parameter_names(path)
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")


def test_ruff_finds_nothing():
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format=concise", "."]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_make_help_lists_every_target():
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "book", "test", "pages", "lab", "bench", "soak", "clean"):
        assert f"make {target} " in listed


def test_names_in_the_readme_need_only_import_ctnet():
    snippet = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    names = set(re.findall(r"ctnet((?:\.[a-z_]+)+)\(", snippet))
    assert {".data.normalize", ".saliency.saliency", ".export.to_onnx", ".load_released"} <= names
    code = "import ctnet; " + "; ".join(f"ctnet{name}" for name in sorted(names))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_repository_is_below_20_mb_without_generated_files():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if files.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in files.stdout.split("\0") if name]
    sizes = {path: path.stat().st_size for path in paths if path.exists()}
    assert sum(sizes.values()) < 20e6
    generated = tuple(str(ROOT / folder) + "/" for folder in ("book/_build", "book/runs", "data/sets", "runs", ".venv"))
    assert not [path for path in sizes if str(path).startswith(generated)]


def test_import_works_beside_a_folder_named_ctnet(tmp_path):
    """A clone in the working directory is such a folder; Python must not take it for a namespace package."""
    (tmp_path / "ctnet").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", "import ctnet; print(ctnet.create_model.__name__)"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "create_model\n", done.stderr
