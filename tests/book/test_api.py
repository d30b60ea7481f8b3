"""The API pages of the book: every public name is on one, and its docstring has what a user needs."""

import doctest
import importlib
import inspect
import pkgutil
import re
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

import ctnet
from ctnet.paths import ROOT

INTERNAL = {"ctnet.cli"}  # the command line is not called from Python
LARGEST = 1_500_000  # bytes of a page


def load_extension() -> ModuleType:
    """The Sphinx extension that makes the pages."""
    spec = importlib.util.spec_from_file_location("public_names", ROOT / "book" / "ext" / "public_names.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_error(value) -> bool:
    return inspect.isclass(value) and issubclass(value, Exception)


api = load_extension()
NAMES = [name for names in api.public_names().values() for name in names]
AT_HOME = [name for name in NAMES if name.path == name.home]
DOCUMENTED = [name for name in AT_HOME if api.kind(name.value) in ("class", "function") and not is_error(name.value)]


class Page(HTMLParser):
    """The anchors of a page, and the text of each signature by its anchor."""

    def __init__(self, page: Path):
        super().__init__()
        self.anchors, self.signatures, self._open = set(), {}, None
        self.feed(page.read_text())

    def handle_starttag(self, tag, attributes):
        anchor = dict(attributes).get("id")
        if anchor:
            self.anchors.add(anchor)
        if tag == "dt":
            self._open = anchor
            self.signatures[anchor] = ""

    def handle_endtag(self, tag):
        if tag == "dt":
            self._open = None

    def handle_data(self, data):
        if self._open:
            self.signatures[self._open] += data


@pytest.fixture(scope="module")
def pages(built) -> dict[str, Page]:
    """Package -> its API page."""
    return {package: Page(page_of(built, package)) for package in api.PACKAGES}


def page_of(built: Path, package: str) -> Path:
    return built / "api" / f"{package.rpartition('.')[2]}.html"


def packages() -> list[str]:
    """`ctnet` and its packages, apart from the internal ones."""
    found = [f"ctnet.{module.name}" for module in pkgutil.iter_modules(ctnet.__path__) if module.ispkg]
    return ["ctnet", *(package for package in found if package not in INTERNAL)]


def exported(package: str) -> list[str]:
    return list(importlib.import_module(package).__all__)


@pytest.mark.parametrize("package", packages())
def test_package_exports_names_that_import(package):
    assert package in api.PACKAGES
    module = importlib.import_module(package)
    assert exported(package)
    assert {name for name in exported(package) if getattr(module, name, None) is None} == set()


@pytest.mark.parametrize("package", packages())
def test_exported_name_does_not_hide_a_submodule(package):
    """Else `from package import name` gives the one or the other, depending on what was imported before."""
    module = importlib.import_module(package)
    submodules = {module.name for module in pkgutil.iter_modules(module.__path__)}
    hiding = [name for name in submodules & set(exported(package)) if not inspect.ismodule(getattr(module, name))]
    assert not hiding, listed(hiding)


def test_every_public_name_is_on_its_page(pages):
    missing = []
    for package in packages():
        module = importlib.import_module(package)
        for name in exported(package):
            path, value = f"{package}.{name}", getattr(module, name)
            if not inspect.ismodule(value):
                missing += [] if path in pages[package].signatures else [path]
            elif f"module-{path}" not in pages[package].anchors | pages.get(path, pages[package]).anchors:
                missing.append(path)
    assert not missing, listed(missing)


def test_names_of_a_public_module_are_on_the_page(pages):
    signatures = pages["ctnet"].signatures
    assert {"ctnet.saliency.class_map", "ctnet.export.to_onnx"} <= signatures.keys()


def test_signatures_show_public_path_and_arguments(pages):
    wrong = []
    for package, names in api.public_names().items():
        for name in names:
            if api.kind(name.value) in ("class", "function") and not is_error(name.value):
                text = pages[package].signatures.get(name.path, "")
                arguments = inspect.signature(name.value).parameters
                if name.path not in text or not all(argument in text for argument in arguments):
                    wrong.append(f"{name.path}: {text}")
    assert not wrong, listed(wrong)


def test_pages_are_small(built):
    assert [package for package in api.PACKAGES if page_of(built, package).stat().st_size > LARGEST] == []


def test_every_public_name_has_a_summary_line():
    """Alone on its line, with a full stop."""
    missing = []
    for name in AT_HOME:
        summary, _, rest = api.docstring(name).partition("\n")
        if not summary.endswith(".") or rest.partition("\n")[0].strip():
            missing.append(name.path)
    assert not missing, listed(missing)


def test_every_argument_is_documented():
    """In an `Args:` block, or the `Attributes:` block of a dataclass. A bare *args or **kwargs is passed on."""
    missing = []
    for name in DOCUMENTED:
        text = block(api.docstring(name), "Args")
        if inspect.isclass(name.value):
            text += block(api.docstring(name), "Attributes")
        for argument in inspect.signature(name.value).parameters:
            if argument not in ("args", "kwargs") and not re.search(rf"^ +[*\\]*{argument}:", text, re.MULTILINE):
                missing.append(f"{name.path}: {argument}")
    assert not missing, listed(missing)


def test_every_function_and_class_has_an_example():
    missing = [name.path for name in DOCUMENTED if ">>>" not in block(api.docstring(name), "Example")]
    assert not missing, listed(missing)


def test_examples_are_python():
    for name in DOCUMENTED:
        for example in doctest.DocTestParser().get_examples(api.docstring(name), name.path):
            compile(example.source, name.path, "single")


def test_public_methods_have_a_docstring():
    """Without one they would be missing from the page."""
    members = (staticmethod, classmethod, property, cached_property)
    missing = []
    for name in DOCUMENTED:
        for member, value in vars(name.value).items() if inspect.isclass(name.value) else ():
            public = not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, members))
            if public and not inspect.getdoc(value):
                missing.append(f"{name.path}.{member}")
    assert not missing, listed(missing)


def block(docstring: str, title: str) -> str:
    """The lines of one block of a docstring; "" where there is none."""
    found = re.search(rf"^{title}:\n((?: +.*\n|\n)*)", docstring + "\n", re.MULTILINE)
    return found[1] if found else ""


def listed(names: list[str]) -> str:
    """A message with one name in each line."""
    return "\n".join(["", *names])
