"""The stored tables of the paper: unchanged, and consistent with each other and with the text."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from ctnet import paths
from ctnet.errors import ConfigError, DataError
from ctnet.paper import costs, printed

ROWS = {row.ref: row for row in printed.rows()}

# table of the paper -> number of rows, number of printed figures, and their digest
STORED = {
    "1": (4, 16, "a92deb23ff14"),
    "2a": (4, 12, "61a5b11079fd"),
    "2b": (4, 12, "d9c4dd2c1e17"),
    "2c": (3, 6, "c4fa3023d265"),
    "2d": (4, 12, "091399465600"),
    "2e": (6, 18, "0cba9e1f945a"),
    "2f": (5, 15, "4d80ad2aa11f"),
    "2g": (5, 15, "0aea0e04b37b"),
    "2h": (3, 9, "ebf901fad39e"),
    "3": (24, 90, "ce1d98676c49"),
    "4": (22, 105, "4fc3c7422685"),
    "5": (7, 13, "f6fadc6bb9e7"),
    "6": (16, 95, "5e1784b984bf"),
    "7": (4, 20, "e41f36d44068"),
    "8": (4, 16, "309c2fa396d9"),
}


def figures(name: str) -> list[list[str]]:
    """Return, for each row of a table, its name and its printed figures."""
    members = [row for row in printed.rows() if row.table == name]
    return [[row.row, *(f"{column}={text}" for column, text in row.printed.items())] for row in members]


def digest(name: str) -> str:
    """Return a hash of the figures of a table."""
    return hashlib.sha256(json.dumps(figures(name)).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", STORED)
def test_stored_figures_have_the_known_counts_and_digest(name):
    lines = figures(name)
    found = (len(lines), sum(len(line) - 1 for line in lines), digest(name))
    assert found == STORED[name], f"a figure of Table {name} has changed; if that is right, put {found} into STORED"


def test_tables_match_the_files_on_disk():
    files = {p.stem.removeprefix("table_") for p in paths.paper_root().glob("table_*.csv")}
    assert files == set(printed.tables())


def test_row_names_are_unique():
    assert len(ROWS) == len(printed.rows())


def test_figures_are_numbers_and_accuracies_are_percentages():
    for row in printed.rows():
        if row.table == "1":
            continue
        assert row.paper, row.ref
        for column, value in row.paper.items():
            assert isinstance(value, float), (row.ref, column, value)
            if "top" in column:
                assert 0 < value < 100 and re.fullmatch(r"\d\d\.\d", row.printed[column]), (row.ref, column)
        for column in row.paper:
            if column.endswith("top1") and (fifth := column.replace("top1", "top5")) in row.paper:
                assert row.paper[column] < row.paper[fifth], row.ref


def figure(ref: str, column: str) -> float:
    """Return one printed figure as a number."""
    return ROWS[ref].paper[column]


# (a, b, column, difference in points): the text states both figures or the difference
STATED = [
    ("3/ct_8", "3/nl_i3d_gcn", "v1_top1", 4.0),  # p. 8, Something-Something
    ("4/ct_en", "4/slowfast_r101_80", "top1", 0.9),  # p. 8, Kinetics; caption of Table 4
    ("2e/blocks7", "2e/blocks4", "top1", 0.4),  # p. 7, CT-blocks
    ("2g/ct_pw_te", "2g/ct_pw", "top1", 2.1),  # p. 8, modules
]
# (row, column, figure) as quoted in the text
QUOTED = [
    ("2e/blocks0", "top1", "16.9"), ("2e/blocks1", "top1", "42.3"), ("2e/blocks4", "top1", "46.9"),
    ("2e/blocks7", "top1", "47.3"), ("2g/tsn", "top1", "16.9"), ("2g/ct", "top1", "47.3"),
    ("2g/ct_pw", "top1", "48.0"), ("2g/ct_pw_te", "top1", "50.1"), ("3/ct_8x3x2", "v1_top1", "51.7"),
    ("3/ir_csn_r152", "v1_top1", "49.3"), ("3/ct_en", "gflops", "280"), ("3/ct_en", "v1_top1", "56.6"),
    ("3/ct_en", "v2_top1", "67.8"), ("4/ct_r50", "top1", "77.3"), ("4/slowfast_r50_40", "top1", "76.4"),
    ("4/ct_r101", "top1", "78.8"), ("4/slowfast_r101_80", "top1", "78.9"), ("4/x3d_xl", "top1", "79.1"),
    ("4/ct_en", "top1", "79.8"), ("6/ct_en_x3x2", "v1_top1", "56.6"), ("6/ct_en_x3x2", "v2_top1", "68.3"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "column", "points"), STATED)
def test_differences_match_the_text(a, b, column, points):
    assert figure(a, column) - figure(b, column) == pytest.approx(points)


@pytest.mark.parametrize(("ref", "column", "text"), QUOTED)
def test_figures_match_the_text(ref, column, text):
    assert ROWS[ref].printed[column] == text


@pytest.mark.parametrize(
    ("a", "b", "times"),
    [
        ("3/ct_8", "3/nl_i3d_gcn", "49.1"),
        ("4/ct_r101", "4/slowfast_r101_80", "3.7"),
        ("4/ct_en", "4/slowfast_r101_80", "2.4"),
    ],
)
def test_factors_match_the_text(a, b, times):
    assert costs.agrees(times, figure(b, "gflops") / figure(a, "gflops"))


def test_table_4_gflops_are_those_of_one_view_times_the_views():
    rows = [row for row in printed.rows() if row.table == "4" and "gflops" in row.paper]
    assert len(rows) == 21
    for row in rows:
        assert costs.agrees(row.printed["gflops"], row.paper["gflops_view"] * row.paper["views"]), row.ref
        _, *factors = re.sub(r"\(.*?\)|^\d+=", "", row.frames).split("×")
        assert int(row.paper["views"]) == int(factors[0]) * int(factors[1]), row.ref
    assert figure("4/ct_en", "gflops_view") == pytest.approx(74.6 + 145.5)


def test_table_6_ensembles_are_sums_of_their_members():
    def total(suffix):
        return sum(figure(f"6/ct_{frames}{suffix}", "gflops") for frames in (8, 12, 16, 24))

    assert figure("6/ct_8_16", "gflops") == figure("6/ct_8", "gflops") + figure("6/ct_16", "gflops")
    assert figure("6/ct_en", "gflops") == total("")
    assert figure("6/ct_en_x3x2", "gflops") == total("x3x2")
    assert figure("6/ct_en_x1x2", "gflops") == total("x1x2") - 2  # the printed 151 is a slip for 149


# rows that two tables print: (row, row, columns that must agree)
REPEATED = [
    ("2a/r2plus1d", "7/r2plus1d", {"gflops": "gflops"}),
    ("2a/c3d", "7/c3d", {"gflops": "gflops"}),
    ("2a/csn", "7/csn", {"gflops": "gflops"}),
    ("2a/ct", "7/ct", {"gflops": "gflops"}),
    *(("2a/ct", ref, {c: c for c in ("gflops", "top1", "top5")})
      for ref in ("2b/k2", "2d/c2_sqrt", "2e/blocks7", "2f/kernels_3_3", "2g/ct")),
    ("2a/ct", "2c/parallel", {"top1": "top1", "top5": "top5"}),
    *(("2g/tsn", ref, {c: c for c in ("gflops", "top1", "top5")}) for ref in ("2e/blocks0", "8/tsn_r50")),
    *(("2g/ct_pw_te", ref, {c: c for c in ("gflops", "top1", "top5")})
      for ref in ("2h/train256_test256", "8/ct_r50")),
    ("2g/ct_pw_te", "3/ct_8", {"top1": "v1_top1", "top5": "v1_top5"}),
    *((f"3/ct_{a}", f"6/ct_{a}", {c: c for c in ("gflops", "v1_top1", "v1_top5", "v2_top1", "v2_top5")})
      for a in ("8", "8x3x2", "16", "16x3x2", "en")),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "columns"), REPEATED)
def test_repeated_rows_agree(a, b, columns):
    for left, right in columns.items():
        assert ROWS[a].printed[left] == ROWS[b].printed[right]


def test_repeated_rows_name_the_same_network():
    for a, b, _ in REPEATED:
        assert ROWS[a].models == ROWS[b].models


# --- compared with the text of the paper, if CTNET_PAPER_TEXT names its file

SECTIONS = {  # table -> words of the text that come before and after it
    "2": ("Method C3D-Module (Tran et al., 2015) R(2+1)D-Module", "Table 2: Ablation studies"),
    "3": ("Table 2: Ablation studies", "Table 3: Comparison"),
    "4": ("Table 3: Comparison", "Table 4: Comparison"),
    "5": ("Figure 4: The implementation", "Table 5: Comparison"),
    "6": ("Table 5: Comparison", "Table 6: More results on"),
    "7": ("Table 6: More results on", "Table 7: More ablation"),
    "8": ("Table 7: More ablation", "Table 8: Adapting"),
}


def in_order(needles: list[str], tokens: list[str]) -> str | None:
    """Return the first needle that is not found after the ones before it, or None."""
    rest = iter(tokens)
    return next((needle for needle in needles if needle not in rest), None)


def test_in_order_finds_a_wrong_and_a_swapped_figure():
    tokens = "Top-1 46.1 47.0 46.8 47.3".split()
    assert in_order(["46.1", "46.8"], tokens) is None
    assert in_order(["46.8", "46.1"], tokens) == "46.1"
    assert in_order(["46.1", "46.9"], tokens) == "46.9"


@pytest.mark.skipif("CTNET_PAPER_TEXT" not in os.environ, reason="CTNET_PAPER_TEXT is not set")
@pytest.mark.parametrize("name", [name for name in printed.tables() if name != "1"])
def test_every_column_is_in_the_text_in_order(name):
    text = Path(os.environ["CTNET_PAPER_TEXT"]).read_text(encoding="utf-8")
    start, end = SECTIONS[name[0]]
    tokens = re.sub(r"=(\d+\.?\d*)×(\d+|N/A)\b", r" \1 \2 ", text[text.index(start) : text.index(end)])
    tokens = re.sub(r"(\d)M\b|(\d)×N/A", r"\1\2", tokens).split()
    members = [row for row in printed.rows() if row.table == name]
    for column in {column for row in members for column in row.printed}:
        needles = [row.printed[column] for row in members if column in row.printed]
        if name == "6" and column == "params_m":  # the table prints one cell for each block
            needles = ["21.0", "21.0", "21.0", "83.8"]
        assert in_order(needles, tokens) is None, column


@pytest.mark.parametrize(
    ("printed", "ours", "same"),
    [
        ("36.3", 36.285, True),
        ("36.3", 36.36, False),
        ("37", 37.32, True),
        ("43.0", 42.943, False),
        ("43.0", 42.96, True),
    ],
)
def test_agrees_rounds_to_the_printed_digits(printed, ours, same):
    assert costs.agrees(printed, ours) is same


def test_table_returns_numbers_or_printed_strings():
    assert printed.table("2a").set_index("row").loc["c3d", "top5"] == 75.0
    assert printed.table("2a", printed=True).set_index("row").loc["c3d", "top5"] == "75.0"
    sparse = printed.table("3").set_index("row")
    assert sparse["v2_top1"].isna().sum() == 7 and sparse.loc["ct_en", "num_frames"] == "8+12+16+24"
    assert list(printed.table("1")["interact_field"])[-1] == "(2K+1)^3"


def test_unknown_names_and_broken_files_raise(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="unknown table '2'; did you mean 2h"):
        printed.table("2")
    with pytest.raises(ConfigError, match="2a/ct"):
        printed.row("2a/cct")
    monkeypatch.setattr(paths, "paper_root", lambda: tmp_path)
    with pytest.raises(DataError, match="table_2a.csv: not found; it belongs to the repository, restore it with git"):
        printed.rows_of("2a")
    (tmp_path / "table_2a.csv").write_text("row,gflops\nct,36.3,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        printed.table("2a")


def test_ensemble_with_unequal_numbers_of_models_and_frames_raises():
    line = {"row": "en", "method": "", "model": "a+b", "num_frames": "8+16+24", "crops": "1", "clips": "1",
            "size": "256", "classes": "174"}  # fmt: skip
    with pytest.raises(DataError, match="x/en: 2 models and 3 frame counts"):
        printed._row("x", line)
