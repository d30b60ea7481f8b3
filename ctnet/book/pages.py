"""Builds the book: `python -m ctnet.book.pages`, after `ctnet.runner` has run the notebooks.

It first writes the generated parts into book/runs: status.md (the last run of every notebook), claims.md (every claim
of the paper with its verdict) and, for a notebook that has no executed copy, a page that says so.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ctnet.paper.evidence import Evidence, evidence
from ctnet.paths import ROOT

BADGES = {"supported": "success", "partly": "warning", "undecided": "secondary", "not": "danger"}
PLAIN_BADGE = "light"


def notebooks(book: Path) -> list[str]:
    """Names of the notebooks in the book's table of contents, in its order."""
    import yaml

    toc = yaml.safe_load((book / "_toc.yml").read_text())
    pages = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [page.removeprefix("runs/") for page in pages if page.startswith("runs/")]


def records(book: Path) -> dict[str, dict[str, Any] | None]:
    """Notebook -> the record of its last run (`ctnet.runner`), None where there is none."""
    found = {}
    for name in notebooks(book):
        path = book / "runs" / f"{name}.json"
        found[name] = json.loads(path.read_text()) if path.exists() else None
    return found


def problems(book: Path) -> list[str]:
    """One line for each notebook without an executed copy: what failed and where, or that it never ran."""
    lines = []
    for name, record in records(book).items():
        if not (book / "runs" / f"{name}.ipynb").exists():
            error = (record or {}).get("error")
            lines.append(f"{name}: {error['where']}: {error['message']}" if error else f"{name}: has not been run")
    return lines


def status(book: Path) -> str:
    """Markdown: a table of all notebooks with what their last run was."""
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
        lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def claims(found: Evidence) -> str:
    """Markdown: how many claims stand how, then each with its verdict and the scale it was measured at."""
    from ctnet.book.tables import p_value
    from ctnet.paper import claims

    verdicts = claims.verdicts(found.differences, found.measured)
    counts = Counter(verdict.verdict for verdict in verdicts.values())
    head = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    lines = [
        f"{len(verdicts)} claims: {head}.\n",
        "| claim | where | paper | here | verdict | p |",
        "|---|---|---:|---:|---|---:|",
    ]
    for claim in claims.stated():
        verdict = verdicts[claim.id]
        badge = f"{{bdg-{BADGES.get(verdict.verdict, PLAIN_BADGE)}}}`{verdict.verdict}`"
        here = "" if verdict.effect is None else _effect(claim, verdict.effect)
        scales = sorted({found.scales[pair] for pair in claim.pairs if pair in found.scales})
        if here and claim.kind == "accuracy":
            here += f" ({', '.join(scales)})"
        if claim.kind == "mechanism" and claim.id in found.measured:
            here = "{doc}`measured </runs/ct_module>`"
        p = "" if verdict.p is None else p_value(verdict.p)
        note = f" (needs {claim.needs})" if claim.needs else ""
        cells = [_cell(claim.claim + note), _where(claim), _printed(claim), here, badge, p]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _where(claim) -> str:
    """`4.1, p. 6, Table 2a: ct, csn`: section, page, and the compared rows of the table."""
    rows = ", ".join(f"`{ref.partition('/')[2]}`" for ref in (claim.a, *claim.b) if ref)
    table = f", Table {claim.table}" + (f": {rows}" if rows else "") if claim.table else ""
    return f"{claim.section}, p. {claim.page}{table}"


def _effect(claim, effect: float) -> str:
    if claim.kind != "cost":
        return f"{effect:+.1f} points"
    if claim.test == "prints":
        return f"{effect:.1f} GFLOPs"
    return f"{effect:.{3 if abs(effect - 1) < 0.05 else 2}f} ×"


def _printed(claim) -> str:
    """The paper's own effect, in the form of `_effect`: as it is stated, else from its printed figures."""
    from ctnet.paper.claims import cost_verdict, paper_effect
    from ctnet.paper.printed import row

    if claim.kind in ("accuracy", "sota"):
        return f"{paper_effect(claim):+.1f} points"
    if claim.kind != "cost":
        return ""
    if claim.value:
        return f"{claim.value} {'GFLOPs' if claim.test == 'prints' else '×'}"
    return _effect(claim, cost_verdict(claim, lambda ref: row(ref).paper["gflops"]).effect)


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|").replace("$", "\\$")


def missing_page(name: str, record: dict[str, Any] | None) -> str:
    """The page of a notebook that has no executed copy."""
    error = (record or {}).get("error")
    what = "failed" if error else "not been run"
    text = f"# {name}\n\n```{{warning}}\nThis notebook has {what} in this build.\n```\n"
    if error:
        trace = error["traceback"].strip() or error["message"]
        text += f"\nIt stopped in `{error['where']}`:\n\n````text\n{trace}\n````\n"
    return text


def write_pages(book: Path) -> None:
    """Write the generated parts into `book`/runs."""
    runs = book / "runs"
    runs.mkdir(exist_ok=True)
    for name, record in records(book).items():
        stub = runs / f"{name}.md"
        if (runs / f"{name}.ipynb").exists():
            stub.unlink(missing_ok=True)
        else:
            stub.write_text(missing_page(name, record))
    (runs / "status.md").write_text(status(book))
    (runs / "claims.md").write_text(claims(evidence()))


def build(book: Path, quiet: bool = True) -> int:
    """Build all pages with warnings as errors; 0, or jupyter-book's exit code after its output was printed.

    A page that did not change is built too: its sidebar shows the titles of those that did.
    """
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [*jupyter_book, "build", str(book), "--all", "-W", "-n", "--keep-going", "-q"]
    result = subprocess.run(command, capture_output=quiet, text=True, check=False)
    if result.returncode and quiet:
        print(result.stdout[-6000:], result.stderr[-6000:], sep="\n", file=sys.stderr)
    return result.returncode


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 a whole book, 1 a book with pages missing or no book."""
    parser = argparse.ArgumentParser(prog="python -m ctnet.book.pages", description=__doc__.splitlines()[0])
    parser.add_argument("--book", type=Path, default=ROOT / "book", help="folder of the book's sources")
    options = parser.parse_args(arguments)
    write_pages(options.book)
    failed = build(options.book)
    if failed:
        print("the book was not built whole: see the warnings above", file=sys.stderr)
    else:
        print(f"The book: {(options.book / '_build' / 'html' / 'index.html').resolve().as_uri()}")
    missing = problems(options.book)
    for line in missing:
        print(f"not in the book: {line}", file=sys.stderr)
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
