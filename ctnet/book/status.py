"""The last run of every notebook: the status table, and a page for each notebook without an executed copy."""

import json
from pathlib import Path
from typing import Any

from ctnet.errors import ConfigError

Record = dict[str, Any]


def notebooks(book: Path) -> list[str]:
    """List the notebooks of the book.

    Args:
        book: Folder of the book's sources.

    Returns:
        The names (`table_2a`), in the order of the table of contents.

    Raises:
        ConfigError: The folder has no table of contents.
    """
    import yaml

    contents = book / "_toc.yml"
    if not contents.is_file():
        raise ConfigError(f"{contents}: no such file; name the folder of the book's sources")
    toc = yaml.safe_load(contents.read_text())
    pages = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [page.removeprefix("runs/") for page in pages if page.startswith("runs/")]


def records(book: Path) -> dict[str, Record | None]:
    """Map every notebook to the record of its last run (`notebook.run`), or to None if there is no record."""
    found = {}
    for name in notebooks(book):
        path = book / "runs" / f"{name}.json"
        found[name] = json.loads(path.read_text()) if path.exists() else None
    return found


def problems(book: Path) -> list[str]:
    """Return one line for each notebook without an executed copy: where it failed and why, or that it never ran."""
    lines = []
    for name, record in records(book).items():
        if not (book / "runs" / f"{name}.ipynb").exists():
            error = (record or {}).get("error")
            lines.append(f"{name}: {error['where']}: {error['message']}" if error else f"{name}: has not been run")
    return lines


def status_table(book: Path) -> str:
    """Return the Markdown table of all notebooks with the result, time and place of their last run."""
    lines = [
        "| notebook | scale | result | run (UTC) | seconds | device | commit | Python, torch |",
        "|---|---|---|---|---:|---|---|---|",
    ]
    for name, record in records(book).items():
        link = f"{{doc}}`{name} </runs/{name}>`"
        if record is None:
            there = (book / "runs" / f"{name}.ipynb").exists()
            lines.append(f"| {link} | | {'ran, record lost' if there else 'not run'} | | | | | |")
            continue
        result = "ok" if record["ok"] else f"failed in {record['error']['where']}"
        versions = record["versions"]
        cells = [
            link,
            record["params"].get("scale", ""),
            result,
            record["when"][:16].replace("T", " "),
            f"{record['seconds']:.0f}",
            record["device"],
            f"`{record['commit']}`" if record["commit"] else "",
            f"{versions['python']}, {versions.get('torch', '')}",
        ]
        lines.append("| " + " | ".join(cell(str(text)) for text in cells) + " |")
    return "\n".join(lines) + "\n"


def missing_page(name: str, record: Record | None) -> str:
    """Return the Markdown page of a notebook that has no executed copy.

    Args:
        name: The notebook.
        record: Record of its last run, with the error to show; None if it has not been run.
    """
    error = (record or {}).get("error")
    what = "failed" if error else "not been run"
    text = f"# {name}\n\n```{{warning}}\nThis notebook has {what} in this build.\n```\n"
    if error:
        trace = error["traceback"].strip() or error["message"]
        text += f"\nIt stopped in `{error['where']}`:\n\n````text\n{trace}\n````\n"
    return text


def cell(text: str) -> str:
    """Escape a text for a cell of a Markdown table."""
    return text.replace("\n", " ").replace("|", "\\|").replace("$", "\\$")
