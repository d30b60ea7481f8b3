"""Costs of our rows of the paper's tables, compared with an independent count and with the printed figures."""

import pytest

from ctnet.paper import costs, printed
from ctnet.protocol import Protocol
from tests.paper.test_printed import STORED

ROWS = {row.ref: row for row in printed.rows()}
OURS = [row for row in printed.rows() if row.models]
EXPECTED = costs.expected_costs()


def test_our_rows_have_networks_and_protocols():
    assert len([row for row in OURS if row.table in STORED]) == 71
    assert ROWS["3/ct_en"].models == ("ctnet_resnet50",) * 4
    views = [str(protocol) for protocol in ROWS["3/ct_en"].protocols]
    assert views == ["8x1x1@256", "12x1x1@256", "16x1x1@256", "24x1x1@256"]
    assert ROWS["4/ct_en"].models == ("ctnet_resnet50", "ctnet_resnet101")
    assert ROWS["4/ct_en"].protocols == (Protocol(16, 3, 4, 256),) * 2
    assert ROWS["4/slowfast_r50_36"].models == ()


def test_models_are_in_the_zoo():
    from ctnet import list_models

    assert {model for row in OURS for model in row.models} <= set(list_models())


@pytest.mark.parametrize("ref", EXPECTED)
def test_cost_equals_an_independent_count(ref):
    ours, expected = costs.row_cost(ROWS[ref]), EXPECTED[ref]
    assert ours.gflops == pytest.approx(expected.gflops, abs=0.01)
    assert ours.params_m == pytest.approx(expected.params_m, abs=0.01)
    if expected.gmacs is not None:
        assert ours.gmacs == pytest.approx(expected.gmacs, abs=0.01)


def test_our_rows_with_a_printed_cost_have_an_expected_cost():
    assert {row.ref for row in OURS if row.table in STORED and "gflops" in row.paper} <= set(EXPECTED)


@pytest.mark.parametrize("ref", EXPECTED)
def test_expected_costs_round_to_the_printed_figures_or_have_a_note(ref):
    printed, expected = ROWS[ref].printed, EXPECTED[ref]
    for column in ("gflops", "params_m"):
        if column in printed and not costs.agrees(printed[column], getattr(expected, column)):
            assert f"printed {printed[column]}" in expected.note
            assert getattr(expected, column) == pytest.approx(float(printed[column]), rel=0.02)


def test_unmatched_figures_are_the_known_ones():
    missed = {
        ref: ROWS[ref].printed["gflops"]
        for ref, e in EXPECTED.items()
        if "gflops" in ROWS[ref].printed and not costs.agrees(ROWS[ref].printed["gflops"], e.gflops)
    }
    assert missed == {
        "2e/blocks0": "43.0", "2g/tsn": "43.0", "8/tsn_r50": "43.0", "2f/kernels_1_3": "35.5",
        "4/ct_r101": "1746", "4/ct_en": "2641",
        "6/ct_16x1x2": "151", "6/ct_24x3x2": "672", "6/ct_en_x1x2": "560", "6/ct_en_x3x2": "1679",
    }  # fmt: skip


def test_views_multiply_operations_but_not_parameters():
    one, six = (costs.row_cost(ROWS[ref]) for ref in ("6/ct_8", "6/ct_8x3x2"))
    assert six.gflops == pytest.approx(6 * one.gflops, abs=1e-5) and six.params_m == one.params_m


def test_ensembles_add_operations_and_parameters():
    parts = [costs.row_cost(ROWS[ref]) for ref in ("6/ct_8", "6/ct_16")]
    both = costs.row_cost(ROWS["6/ct_8_16"])
    assert both.gflops == pytest.approx(sum(p.gflops for p in parts), abs=1e-5)
    assert both.params_m == pytest.approx(sum(p.params_m for p in parts), abs=1e-5)
