"""The directive `public-names`: the documentation of every name in the `__all__` of a package, from its docstrings.

The names are read when the book is built. A name with several public paths is documented in full under the first of
them, in the order of `PACKAGES`, and the other paths link there.
"""

import inspect
import sys
from dataclasses import is_dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import stringify_annotation

PACKAGES = (
    "ctnet",
    "ctnet.data",
    "ctnet.models",
    "ctnet.training",
    "ctnet.inference",
    "ctnet.experiments",
    "ctnet.paper",
    "ctnet.book",
    "ctnet.errors",
)
COLON = "\ue000"  # a character that no text has
CONSTANTS = {"ctnet.__version__": "The version of this package."}  # a string literal has no docstring of its own


class Name(NamedTuple):
    """A public name.

    Attributes:
        path: How a user writes it, such as "ctnet.create_model".
        value: What it stands for.
        home: The path under which it is documented in full.
    """

    path: str
    value: Any
    home: str


@cache
def public_names() -> dict[str, tuple[Name, ...]]:
    """Package -> its public names. A module among them is followed by its own names, where it is at home."""
    homes: dict[int | str, str] = {}
    found: dict[str, list[Name]] = {package: [] for package in PACKAGES}

    def add(package: str, path: str, value: Any) -> None:
        name = Name(path, value, homes.setdefault(_identity(path, value), path))
        found[package].append(name)
        if kind(value) == "module" and value.__name__ not in PACKAGES and name.home == path:
            for own in _names_of(value):
                add(package, f"{path}.{own}", getattr(value, own))

    for package in PACKAGES:
        listed = getattr(import_module(package), "__all__", ())
        for name in sorted(listed, key=lambda name: (name.startswith("_"), name.lower())):
            add(package, f"{package}.{name}", getattr(import_module(package), name))
    return {package: tuple(names) for package, names in found.items()}


def kind(value: Any) -> str:
    """`module`, `class`, `function` or `data`."""
    if isinstance(value, ModuleType):
        return "module"
    if inspect.isclass(value):
        return "class"
    return "function" if callable(value) else "data"


def docstring(name: Name) -> str:
    """The docstring of a name. That of a constant is the string, or the `#:` comment, beside its assignment."""
    return _constant(name)[0] if kind(name.value) == "data" else inspect.getdoc(name.value) or ""


def _identity(path: str, value: Any) -> int | str:
    """What two paths of one name share. Equal strings and numbers may be one object, so a path stands for them."""
    return path if isinstance(value, str | int | float | tuple) else id(value)


def _names_of(module: ModuleType) -> list[str]:
    """The public names of a module: its `__all__`, else the classes and functions that it defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return [name for name in own if not name.startswith("_") and callable(getattr(module, name))]


def _constant(name: Name) -> tuple[str, str]:
    """(docstring, type) of a constant, from the module that assigns it."""
    short = name.path.rpartition(".")[2]
    documented, annotation = CONSTANTS.get(name.path, ""), type(name.value)
    for path, module in sorted(sys.modules.items()):
        if path.startswith("ctnet.") and vars(module).get(short) is name.value:
            annotation = vars(module).get("__annotations__", {}).get(short, annotation)
            lines = ModuleAnalyzer.for_module(path).find_attr_docs().get(("", short), ())
            documented = "\n".join(lines).strip() or documented
    return documented, stringify_annotation(annotation, "smart")


class PublicNames(Directive):
    """A table of the public names of a package, then the documentation of each."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        package = self.arguments[0]
        names = public_names()[package]
        if not names:
            return []
        lines = [f".. py:module:: {package}", "", ".. list-table::", "   :class: public-names", "   :widths: auto", ""]
        for name in names:
            role = "mod" if kind(name.value) == "module" else "obj"
            title = name.path.removeprefix(f"{package}.")
            lines += [f"   * - :py:{role}:`{title} <{name.path}>`", f"     - {_summary(name)}"]
        for name in names:
            lines += ["", *_entry(name), ""]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source=f"public names of {package}"), 0, node)
        return node.children


def _summary(name: Name) -> str:
    """The first line of the docstring of a name, in one line of a table."""
    return docstring(name).strip().partition("\n")[0]


def _entry(name: Name) -> list[str]:
    """The lines of RST that document a name."""
    what, (parent, _, short) = kind(name.value), name.path.rpartition(".")
    if what == "module":
        if name.value.__name__ in PACKAGES:
            return []  # it has a page of its own
        text = docstring(name) if name.home == name.path else f"The same module as :py:mod:`{name.home}`."
        return [f".. py:module:: {name.path}", "", f".. rubric:: {name.path}", "", *text.splitlines()]
    if name.home == name.path and what != "data":
        return [f".. auto{what}:: {name.path}", *(["   :members:"] if what == "class" else [])]
    options = [f"   :module: {parent}"]
    if what == "data":
        text, type_ = _constant(name)
        options.append(f"   :type: {type_}")
        options += [f"   :value: {name.value!r}"] if isinstance(name.value, str | int | float) else []
    if name.home != name.path:
        text = f"The same as :py:obj:`{name.home}`."
    signature = "" if what == "data" else _signature(name.value)
    return [f".. py:{what}:: {short}{signature}", *options, "", *(f"   {line}" for line in text.splitlines())]


def _signature(value: Any) -> str:
    """The signature without type hints, as the full documentation shows it."""
    signature = inspect.signature(value)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def fields_as_arguments(app, what, name, value, options, lines):
    """Show the attributes of a dataclass or named tuple as its arguments, which have types and defaults."""
    if what == "class" and (is_dataclass(value) or hasattr(value, "_fields")):
        lines[:] = ["Args:" if line.strip() == "Attributes:" else line for line in lines]


def hide_colons(app, what, name, value, options, lines):
    """Hide the colons that napoleon would read as the end of a type. Types come from the hints."""
    for number, line in enumerate(lines):
        first_of_returns = number and lines[number - 1].strip() == "Returns:"
        if first_of_returns or (number == 0 and what in ("attribute", "property")):
            lines[number] = line.replace(":", COLON)


def show_colons(app, what, name, value, options, lines):
    """Undo `hide_colons`."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def skip_fields(app, what, name, value, skip, options):
    """Skip the fields of a named tuple, which are among its arguments."""
    return True if type(value).__name__ == "_tuplegetter" else None


def link_short_name(app, env, node, contnode):
    """Link a type that a hint names without its path, which it may where it is imported for type checking only."""
    for names in public_names().values():
        for name in names:
            if kind(name.value) == "class" and name.path == name.home and node["reftarget"] == name.value.__name__:
                page = env.get_domain("py").objects[name.path].docname
                return make_refnode(app.builder, node["refdoc"], page, name.path, contnode)
    return None


def setup(app):
    app.add_directive("public-names", PublicNames)
    for handler, priority in ((fields_as_arguments, 400), (hide_colons, 400), (show_colons, 600)):
        app.connect("autodoc-process-docstring", handler, priority=priority)  # napoleon has 500
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("missing-reference", link_short_name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
