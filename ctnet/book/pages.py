"""Build the book: write its generated pages, then let Jupyter Book make the HTML."""

import subprocess
import sys
from pathlib import Path

from ctnet.book.status import missing_page, records, status_table


def write_pages(book: Path) -> None:
    """Write the generated parts of the book into `book`/runs.

    These are `status.md` (the last run of every notebook), `progress.md` (what is measured), `claims.md` (every claim
    of the paper with its verdict), and a page for each notebook that has no executed copy.

    Args:
        book: Folder of the book's sources.

    Raises:
        ConfigError: The folder has no table of contents.
    """
    from ctnet.book.claims_page import claims_table
    from ctnet.book.progress import progress_table
    from ctnet.paper.evidence import evidence

    last = records(book)
    runs = book / "runs"
    runs.mkdir(exist_ok=True)
    for name, record in last.items():
        page = runs / f"{name}.md"
        if (runs / f"{name}.ipynb").exists():
            page.unlink(missing_ok=True)
        else:
            page.write_text(missing_page(name, record))
    (runs / "status.md").write_text(status_table(book))
    (runs / "progress.md").write_text(progress_table())
    (runs / "claims.md").write_text(claims_table(evidence()))


def build(book: Path, quiet: bool = True) -> int:
    """Build the HTML of all pages; any warning counts as an error.

    Unchanged pages are built again too, because their sidebar shows the titles of all pages.

    Args:
        book: Folder of the book's sources, after `write_pages`.
        quiet: Print Jupyter Book's output only when it fails.

    Returns:
        The exit status of Jupyter Book, 0 for a complete book.
    """
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [*jupyter_book, "build", str(book), "--all", "-W", "-n", "--keep-going", "-q"]
    result = subprocess.run(command, capture_output=quiet, text=True, check=False)
    if result.returncode and quiet:
        print(result.stdout[-6000:], result.stderr[-6000:], sep="\n", file=sys.stderr)
    return result.returncode
