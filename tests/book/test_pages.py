"""The built book: its real configuration and pages, with toy runs in place of the notebooks."""

import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from ctnet.book import claims_page, pages, status
from ctnet.paper import evidence
from ctnet.paths import ROOT
from tests.support import browser


def html_pages(built: Path) -> list[Path]:
    """Return the HTML files of the pages, without static files."""
    return sorted(p for p in built.rglob("*.html") if not {"_static", "_sources"} & set(p.relative_to(built).parts))


class Links(HTMLParser):
    """All src and href of a page, and all names that a link can point at."""

    def __init__(self, page: Path):
        super().__init__()
        self.links, self.names = [], set()
        self.feed(page.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [attributes[key] for key in ("src", "href") if attributes.get(key)]
        self.names |= {attributes[key] for key in ("id", "name") if attributes.get(key)}


def test_book_has_every_page_of_its_table_of_contents(built):
    import yaml

    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    found = {str(page.relative_to(built).with_suffix("")) for page in html_pages(built)}
    assert found - {"genindex", "search"} == set(files)


def test_every_link_and_image_exists(built):
    read = {page: Links(page) for page in html_pages(built)}
    dead = []
    for page, content in read.items():
        for link in content.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("javascript"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = parts.fragment and target in read and parts.fragment not in read[target].names
            if not target.exists() or anchor:
                dead.append(f"{page.relative_to(built)}: {link}")
    assert not dead
    images = [link for content in read.values() for link in content.links if link.endswith(".png")]
    assert len(images) >= len(status.notebooks(ROOT / "book")) - 2


def test_html_tags_load_nothing_from_other_hosts(built):
    """Check scripts, styles, images and frames; a browser test below covers the requests of scripts."""

    class Loaded(HTMLParser):
        def __init__(self):
            super().__init__()
            self.urls = []

        def handle_starttag(self, tag, attributes):
            attributes = dict(attributes)
            key = {"script": "src", "img": "src", "iframe": "src", "link": "href"}.get(tag)
            if key and attributes.get("rel") != "canonical":
                self.urls.append(attributes.get(key) or "")

    outside = []
    for page in html_pages(built):
        loaded = Loaded()
        loaded.feed(page.read_text())
        outside += [f"{page.name}: {url}" for url in loaded.urls if urlsplit(url).netloc]
    assert not outside


def test_executed_page_links_its_source_and_record(built):
    page = (built / "runs" / "table_2a.html").read_text()
    for name in ("table_2a.ipynb", "table_2a.json"):
        assert f'href="../_static/source/{name}"' in page
        assert (built / "_static" / "source" / name).exists()
    source = nbformat.read(built / "_static" / "source" / "table_2a.ipynb", as_version=4)
    assert len(source.cells) == 1  # notebooks/table_2a.ipynb, not the executed copy
    assert "_static/source" not in (built / "report.html").read_text()


def test_failed_and_missing_notebooks_are_reported(built):
    assert "ValueError: a | b" in (built / "runs" / "cost.html").read_text()
    assert "has not been run" in (built / "runs" / "table_2g.html").read_text()
    table = (built / "status.html").read_text()
    assert "failed in In [3]" in table and "not run" in table and "0123456789ab" in table
    assert status.problems(built.parents[1]) == [
        "cost: In [3]: ValueError: a | b",
        "table_2g: has not been run",
    ]


def test_first_page_has_a_verdict_for_every_claim(built):
    from ctnet.paper.claims import stated

    page = (built / "index.html").read_text()
    assert page.count("sd-badge") == len(stated())


def test_warning_fails_the_build(built, tmp_path, capsys):
    source = shutil.copytree(built.parents[1], tmp_path / "book")
    for page in (source / "api").iterdir():
        page.write_text("# Not read from docstrings, which takes long\n")
    page = source / "report.md"
    page.write_text(page.read_text() + "\n{doc}`no_such_page`\n")
    assert pages.build(source) != 0
    assert "no_such_page" in capsys.readouterr().err


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Path:
    if browser.CHROMIUM is None:
        pytest.skip("no Chromium on this machine, so the requests of opened pages were not tested")
    return tmp_path_factory.mktemp("profile")


def test_browser_log_shows_a_request_to_another_host(chromium, tmp_path):
    """This proves that the next test can fail."""
    (tmp_path / "page.html").write_text('<script>fetch("http://outside.example/x")</script>')
    with browser.served(tmp_path) as address:
        browser.load(f"{address}/page.html", chromium, tmp_path / "netlog.json")
    assert "http://outside.example/x" in browser.requests(tmp_path / "netlog.json")


def test_opened_pages_request_nothing_from_other_hosts(built, chromium, tmp_path):
    names = [str(page.relative_to(built)) for page in html_pages(built)]
    shutil.copytree(built, tmp_path / "html")
    frames = tmp_path / "html" / "all_pages.html"
    frames.write_text("".join(f'<iframe src="{name}"></iframe>' for name in names))
    with browser.served(tmp_path / "html") as address:
        browser.load(f"{address}/all_pages.html", chromium, tmp_path / "netlog.json")
        asked = {url.partition("?")[0] for url in browser.requests(tmp_path / "netlog.json")}
    local = [*names, "_static/plotly.min.js", "_static/mathjax/tex-mml-chtml.js"]
    assert {f"{address}/{name}" for name in local} <= asked
    assert [url for url in asked if browser.host(url) != "127.0.0.1" and not url.startswith("data:")] == []


def test_mathematics_and_plots_are_drawn(built, chromium):
    with browser.served(built) as address:
        page = browser.load(f"{address}/runs/start.html", chromium)
    assert "<mjx-container" in page and "<mjx-merror" not in page
    assert "main-svg" in page and 'class="plotly-graph-div js-plotly-plot"' in page


def test_accuracy_verdict_names_its_scale():
    from ctnet.paper.claims import Measurement, stated
    from ctnet.paper.statistics import Difference

    claim = next(c for c in stated() if c.kind == "accuracy" and len(c.pairs) == 1 and c.test == "more")
    other = next(c for c in stated() if c.kind == "accuracy" and c.id != claim.id and not c.needs)
    comparison = claim.comparisons[0]
    found = evidence.Evidence(
        {comparison: Difference.over_seeds([3.0, 4.0, 5.0])}, {comparison: "cpu"}, {"field-one": Measurement("not")}
    )
    lines = {
        line.split("|")[1].strip(): line
        for line in claims_page.claims_table(found).splitlines()
        if line.startswith("| ")
    }
    assert "+4.0 points (cpu)" in lines[claim.claim] and "`supported`" in lines[claim.claim]
    assert "`not yet measured`" in lines[other.claim]
    measured = next(c for c in stated() if c.id == "field-one")
    assert "{bdg-danger}`not`" in lines[measured.claim]


def test_cost_claim_shows_its_rows_and_both_ratios():
    lines = {
        line.split("|")[1].strip(): [line.split("|")[i] for i in (2, 3, 5)]
        for line in claims_page.claims_table(evidence.Evidence()).splitlines()[2:]
    }
    where, printed, here = (cell.strip() for cell in lines["CT-Module and the CSN module cost about the same"])
    assert where == "4.1, p. 6, Table 2a: `ct`, `csn`"
    assert (printed, here) == ("1.020 ×", "1.019 ×")  # 36.3 / 35.6 as printed
    _, stated, counted = (cell.strip() for cell in lines["The ensemble of four CT-Nets needs 280 GFLOPs"])
    assert (stated, counted) == ("280 GFLOPs", "279.6 GFLOPs")


def test_claims_of_a_table_that_no_accuracy_decides():
    shown = claims_page.other_claims("3")
    costs = shown[shown["counted here"] != "–"]
    assert costs["paper"].tolist()[:2] == ["49.1 ×", "280 GFLOPs"] and costs["counted here"][6] == "279.6 GFLOPs"
    others = shown[shown["counted here"] == "–"]
    assert set(others["verdict"]) == {"not testable here"} and (others["a test would need"] != "–").all()
    assert (costs["holds in the printed table"] == "–").all() and (others["holds in the printed table"] == "yes").all()
    assert list(claims_page.other_claims("2b")) == ["claim", "paper", "counted here", "verdict"]
    assert claims_page.other_claims("2c").empty
