"""Links from each executed page to its source notebook and the record of its run; plotly.js for the plots.

The pages are built from executed copies (runs/x.ipynb), which nobody should edit. This extension copies the
source (notebooks/x.ipynb) and the record (runs/x.json) into the built book, and points the links and the download
button of the page to them, so the book needs no other site.
"""

import shutil
from html import escape
from importlib import resources
from pathlib import Path


def files_of(book: Path, name: str) -> list[tuple[str, Path]]:
    """Return (label, file) of the source and the record of notebook `name`, if they exist."""
    files = [
        ("source notebook", book.parent / "notebooks" / f"{name}.ipynb"),
        ("record of this run", book / "runs" / f"{name}.json"),
    ]
    return [(label, path) for label, path in files if path.exists()]


def link_sources(app, pagename, templatename, context, doctree):
    """Point the download button at the source, and list the files at the foot of the page."""
    name = pagename.removeprefix("runs/")
    if pagename == name or doctree is None:
        return
    links = []
    for label, path in files_of(Path(app.srcdir), name):
        url = context["pathto"](f"_static/source/{path.name}", 1)
        links.append(f'<a href="{escape(url)}" download>{escape(label)}</a>')
        if label == "source notebook":
            for button in _buttons(context.get("header_buttons", [])):
                if button.get("label") == "download-source-button":
                    button["url"] = url
    context["body"] += f'<p class="source-notebook">Files of this page: {", ".join(links)}</p>'


def _buttons(buttons):
    for button in buttons:
        yield button
        yield from _buttons(button.get("buttons", []))


def copy_files(app, exception):
    """Copy the linked files and plotly.js into the built book."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    (static / "source").mkdir(parents=True, exist_ok=True)
    for page in app.env.found_docs:
        if page.startswith("runs/"):
            for _, path in files_of(Path(app.srcdir), page.removeprefix("runs/")):
                shutil.copyfile(path, static / "source" / path.name)
    plotly = resources.files("plotly") / "package_data" / "plotly.min.js"
    (static / "plotly.min.js").write_bytes(plotly.read_bytes())


def setup(app):
    # after the theme (priority 500) has made its buttons
    app.connect("html-page-context", link_sources, priority=900)
    app.connect("build-finished", copy_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
