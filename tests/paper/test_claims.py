"""The paper's claims: complete, consistent with its tables, and decided by rules that can fail."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctnet import paths
from ctnet.errors import ConfigError, DataError
from ctnet.experiments.records import Result
from ctnet.paper import claims, evidence, printed
from ctnet.paper.claims import NOT, PARTLY, SUPPORTED, UNDECIDED, UNMEASURED, UNTESTABLE, Measurement, Verdict
from ctnet.paper.statistics import Difference
from ctnet.paths import ROOT

CLAIMS = {claim.id: claim for claim in claims.stated()}
COMPARISONS = [claim for claim in CLAIMS.values() if claim.kind in ("accuracy", "sota")]
COSTS = [claim for claim in CLAIMS.values() if claim.kind == "cost"]
MORE, CLOSE = CLAIMS["2a-csn"], CLAIMS["2b-4d"]
points = st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 2))


def test_claim_ids_are_unique_and_fields_are_filled():
    assert len(CLAIMS) == len(claims.stated()) >= 57
    for claim in CLAIMS.values():
        assert claim.claim and claim.section and 1 <= claim.page <= 13, claim.id
        assert claim.table in ("", *printed.tables()), claim.id


def test_claims_compare_rows_of_their_own_table():
    for claim in [*COMPARISONS, *COSTS]:
        assert claim.b or claim.test == "prints", claim.id
        for ref in (claim.a, *claim.b):
            assert printed.row(ref).table == claim.table, claim.id


def test_accuracy_claims_about_other_networks_are_marked_untestable():
    for claim in COMPARISONS:
        ours = all(a and b for a, b in claim.models)
        assert claim.needs or ours, claim.id
    assert all(claim.needs for claim in CLAIMS.values() if claim.kind == "sota")


@pytest.mark.parametrize("claim", COMPARISONS, ids=lambda claim: claim.id)
def test_stated_effects_follow_from_the_tables(claim):
    assert claims.paper_effect(claim) == pytest.approx(float(claim.value), abs=1e-9)


def test_mechanism_claims_name_existing_tests():
    for claim in CLAIMS.values():
        assert claim.kind == "mechanism" or not claim.where
        if claim.where:
            path, function = claim.where.split("::")
            assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8"), claim.id


# --- verdicts on costs


def test_cost_claims_have_known_verdicts_with_our_counts():
    verdicts = {claim.id: claims.cost_verdict(claim) for claim in COSTS}
    assert {name for name, v in verdicts.items() if v.verdict != SUPPORTED} == {
        "3-nl-cost",  # 1818 / 37.32 = 48.7, not 49.1
        "3-en-cost",  # ECO Lite (267) and PEM at six views (259) are cheaper than 280
        "4-x3d-cost",  # a fifth dearer than X3D-XL
    }
    assert {v.verdict for name, v in verdicts.items() if v.verdict != SUPPORTED} == {PARTLY}
    assert verdicts["3-nl-cost"].effect == pytest.approx(48.71, abs=0.01)
    assert verdicts["4-slowfast101-cost"].effect == pytest.approx(3.66, abs=0.01)
    assert verdicts["4-en-cost"].effect == pytest.approx(2.42, abs=0.01)
    assert verdicts["3-en-280"].effect == pytest.approx(279.61, abs=0.01)
    assert verdicts["light"].effect == pytest.approx(45.773 / 36.285, abs=0.001)


def test_printed_costs_support_the_stated_factors():
    def as_printed(ref):
        return printed.row(ref).paper["gflops"]

    for name in ("3-nl-cost", "4-slowfast101-cost", "4-en-cost"):
        assert claims.cost_verdict(CLAIMS[name], as_printed).verdict == SUPPORTED


def cost_claim(test: str, value: str = "") -> claims.Claim:
    """Return a cost claim about a row `a` and as many rows `b1`, `b2` as the test compares it with."""
    names = {"less": "light", "falling": "2b-cost", "similar": "2a-csn-cost", "times_fewer": "3-nl-cost"}
    b = ("b1",) if test in ("similar", "times_fewer") else () if test == "prints" else ("b1", "b2")
    return replace(CLAIMS[names.get(test, "3-en-280")], test=test, a="a", b=b, value=value)


@pytest.mark.parametrize(
    ("test", "value", "a", "b1", "b2", "verdict"),
    [
        ("less", "", 10, 11, 12, SUPPORTED),
        ("less", "", 10, 11, 9, PARTLY),
        ("less", "", 10, 10, 9, NOT),
        ("falling", "", 10, 9, 8, SUPPORTED),
        ("falling", "", 10, 9, 9.5, PARTLY),
        ("falling", "", 10, 11, 12, NOT),
        ("similar", "", 10, 10.9, 0, SUPPORTED),
        ("similar", "", 10, 12, 0, PARTLY),
        ("similar", "", 10, 5, 0, NOT),
        ("times_fewer", "3.7", 10, 36.6, 0, SUPPORTED),
        ("times_fewer", "3.7", 10, 60, 0, SUPPORTED),
        ("times_fewer", "3.7", 10, 35.5, 0, PARTLY),
        ("times_fewer", "3.7", 10, 30, 0, NOT),
        ("prints", "280", 279.6, 0, 0, SUPPORTED),
        ("prints", "280", 275, 0, 0, PARTLY),
        ("prints", "280", 200, 0, 0, NOT),
    ],
)
def test_cost_verdict_follows_its_rule(test, value, a, b1, b2, verdict):
    costs = {"a": a, "b1": b1, "b2": b2}
    assert claims.cost_verdict(cost_claim(test, value), costs.__getitem__).verdict == verdict


# --- verdicts on accuracies


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([], UNMEASURED),
        ([1.0, 1.2, 0.9], SUPPORTED),
        ([1.0, 4.0, -2.0], PARTLY),
        ([3.0], PARTLY),
        ([3.0, 3.0, 3.0], PARTLY),
        ([0.0, 0.0], UNDECIDED),
        ([1.0, -1.0], UNDECIDED),
        ([-3.0], UNDECIDED),
        ([-3.0, -3.0, -3.0], UNDECIDED),
        ([1.0, -4.0, 2.0], UNDECIDED),
        ([-1.0, -1.2, -0.9], NOT),
    ],
)
def test_verdict_on_a_higher_accuracy(differences, verdict):
    assert claims.accuracy_verdict(MORE, differences).verdict == verdict


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([], UNMEASURED),
        ([0.1, -0.1, 0.05], SUPPORTED),
        ([0.9, -0.9, 0.1], PARTLY),
        ([0.1], PARTLY),
        ([3.0, 3.1, 2.9], NOT),
        ([-3.0, -3.1, -2.9], NOT),
    ],
)
def test_verdict_on_a_comparable_accuracy(differences, verdict):
    assert claims.accuracy_verdict(CLOSE, differences).verdict == verdict


def test_p_value_and_interval_equal_a_paired_t_test_by_hand():
    # mean 2, standard deviation 1, three seeds: t = 2 sqrt 3, two degrees of freedom
    t = 2 * math.sqrt(3)
    p = 1 - t / math.sqrt(t * t + 2)
    interval = (
        pytest.approx(2 - 4.30265 / math.sqrt(3), abs=1e-4),
        pytest.approx(2 + 4.30265 / math.sqrt(3), abs=1e-4),
    )
    found = claims.accuracy_verdict(MORE, [1.0, 2.0, 3.0])
    assert found == (PARTLY, pytest.approx(2.0), pytest.approx(p), interval, 3)
    assert p > claims.LEVEL


def test_comparable_accuracy_takes_the_larger_one_sided_p_value():
    result = claims.accuracy_verdict(CLOSE, [0.4, 0.6, 0.5])
    t = (1.0 - 0.5) / (0.1 / math.sqrt(3))  # from the nearer margin, with two degrees of freedom
    assert result.p == pytest.approx((1 - t / math.sqrt(t * t + 2)) / 2)


@given(st.lists(points, min_size=1, max_size=8))
def test_opposite_claim_gets_the_opposite_verdict(differences):
    claimed = claims.accuracy_verdict(MORE, differences)
    opposite = claims.accuracy_verdict(MORE, [-d for d in differences])
    assert claimed.effect == pytest.approx(-opposite.effect)
    against = {SUPPORTED: {NOT}, PARTLY: {UNDECIDED}, NOT: {SUPPORTED}, UNDECIDED: {PARTLY, UNDECIDED}}
    assert opposite.verdict in against[claimed.verdict]


@given(st.lists(points, min_size=2, max_size=8), st.permutations(range(8)))
def test_effect_does_not_depend_on_the_order_of_seeds(differences, order):
    shuffled = [differences[i] for i in order if i < len(differences)]
    a, b = claims.accuracy_verdict(MORE, differences), claims.accuracy_verdict(MORE, shuffled)
    assert a.effect == pytest.approx(b.effect) and (a.p is None) == (b.p is None)


@pytest.mark.filterwarnings("error")
def test_nearly_equal_differences_raise_no_warning():
    assert claims.accuracy_verdict(MORE, [2.0, 2.0 + 1e-13, 2.0]).verdict == SUPPORTED


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_difference_raises(bad):
    with pytest.raises(DataError, match="claim 2a-csn: a difference is not a finite number"):
        claims.accuracy_verdict(MORE, [1.0, bad])


def test_claim_of_another_kind_raises():
    with pytest.raises(ConfigError, match="claim light is of kind cost"):
        claims.accuracy_verdict(CLAIMS["light"], [1.0])
    with pytest.raises(ConfigError, match="claim 2a-csn is of kind accuracy, not cost"):
        claims.cost_verdict(MORE)


# --- verdicts on all claims


def test_only_cost_claims_are_decided_without_results():
    for name, result in claims.verdicts().items():
        claim = CLAIMS[name]
        if claim.needs:
            assert result == Verdict(UNTESTABLE)
        elif claim.kind == "cost":
            assert result == claims.cost_verdict(claim)
        else:
            assert result == Verdict(UNMEASURED)


def test_claim_against_several_rows_needs_every_comparison():
    claim = CLAIMS["2b-best"]
    clear, unclear, worse = [2.0, 2.1, 1.9], [0.1, 0.9, -0.4], [-1.0, -1.1, -0.9]
    maybe_worse = [-0.1, -0.9, 0.4]

    def decide(*results):
        return claims.verdict(claim, dict(zip(claim.comparisons, results, strict=False)), {})

    assert decide(clear, clear) == Verdict(UNMEASURED)
    assert decide(clear, clear, clear).verdict == SUPPORTED
    assert decide(clear, unclear, clear).verdict == PARTLY
    assert decide(unclear, unclear, unclear).verdict == PARTLY
    assert decide(clear, maybe_worse, clear).verdict == PARTLY
    assert decide(maybe_worse, maybe_worse, unclear).verdict == PARTLY
    assert decide(maybe_worse, maybe_worse, maybe_worse).verdict == UNDECIDED
    assert decide(worse, worse, worse).verdict == NOT
    for results in ((clear, worse, clear), (unclear, worse, maybe_worse)):
        assert decide(*results) == claims.accuracy_verdict(claim, worse), "one clearly better rival decides the claim"
    result = decide(clear, unclear, clear)
    assert result.effect == pytest.approx(0.2)
    assert result.p == claims.accuracy_verdict(claim, unclear).p


@pytest.mark.parametrize("gaps", [[1.0, 2.0, 4.0], [-3.0, -2.0, 0.5], [0.1, 0.1, 0.1], [2.0]])
def test_tables_and_verdicts_use_the_same_test(gaps):
    from ctnet.book.reports import paired
    from ctnet.book.tables import p_value

    class Run:
        metrics = {}
        record = {"data": {}, "labels": [], "predictions": []}

        def __init__(self, seed, value):
            self.seed, self.value = seed, value

        def metric(self, name):
            return self.value

    line = paired([Run(i, gap) for i, gap in enumerate(gaps)], [Run(i, 0.0) for i in range(len(gaps))])
    v = claims.accuracy_verdict(MORE, gaps)
    assert v.seeds == len(gaps)
    assert line.get("p") == (None if v.p is None else p_value(v.p))
    assert line.get("95 % interval") == (v.interval and "{:.1f} to {:.1f}".format(*v.interval))


def test_every_decided_verdict_has_a_badge():
    from ctnet.book import claims_page
    from ctnet.paper import evidence

    assert set(claims_page.BADGES) == {SUPPORTED, PARTLY, UNDECIDED, NOT} and len(set(claims_page.BADGES.values())) == 4
    found = evidence.Evidence({MORE.comparisons[0]: Difference.over_seeds([-1.0, 0.5])}, {MORE.comparisons[0]: "cpu"})
    assert "{bdg-secondary}`undecided`" in claims_page.claims_table(found)


def test_measured_mechanisms_are_decided_by_their_measurement():
    result = claims.verdicts(measured={"field-k": Measurement(SUPPORTED), "all-channels": Measurement(NOT)})
    assert result["field-k"].verdict == SUPPORTED
    assert result["all-channels"].verdict == NOT
    assert result["field-one"].verdict == UNMEASURED


def test_unknown_kind_or_test_in_claims_csv_raises(tmp_path, monkeypatch):
    header, first, *_ = (paths.paper_root() / "claims.csv").read_text(encoding="utf-8").splitlines()
    monkeypatch.setattr(paths, "paper_root", lambda: tmp_path)
    for right, wrong, message in (
        (",cost,", ",costs,", "unknown kind of claim light 'costs'; did you mean cost"),
        (",less,", ",lesser,", "unknown test of claim light 'lesser'; did you mean less"),
    ):
        (tmp_path / "claims.csv").write_text(f"{header}\n{first.replace(right, wrong)}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            claims.stated.__wrapped__()


def test_importing_the_tables_loads_no_heavy_package():
    import subprocess
    import sys

    code = (
        "import sys; from ctnet.paper import claims, evidence, printed, studies; claims.stated(); printed.rows(); "
        "print([m for m in ('pandas', 'torch', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_claims_json_has_one_object_for_each_claim():
    comparison = MORE.comparisons[0]
    found = evidence.Evidence(
        {comparison: Difference.over_seeds([1.0, 2.0, 3.0])}, {comparison: "cpu"}, {"field-k": Measurement(SUPPORTED)}
    )
    objects = evidence.claims_json(found)
    assert [o["id"] for o in objects] == [claim.id for claim in claims.stated()]
    keys = ["id", "kind", "table", "claim", "verdict", "effect", "interval", "p", "seeds", "scale"]
    assert all(list(o) == keys for o in objects)
    assert json.loads(json.dumps(objects, allow_nan=False)) == objects
    by_id = {o["id"]: o for o in objects}
    measured, cost, mechanism = by_id[MORE.id], by_id["light"], by_id["field-k"]
    assert (measured["seeds"], measured["scale"], measured["effect"]) == (3, "cpu", pytest.approx(2.0))
    low, high = measured["interval"]
    assert low < 0 < measured["effect"] < high and measured["p"] > claims.LEVEL
    assert cost["verdict"] == SUPPORTED and cost["effect"] > 1 and cost["interval"] is cost["seeds"] is None
    assert mechanism["verdict"] == SUPPORTED and mechanism["scale"] is None
    half_measured = next(o for o in objects if o["verdict"] == UNMEASURED)
    assert half_measured["effect"] is half_measured["seeds"] is half_measured["scale"] is None


def test_claim_with_a_comparison_missing_has_no_scale():
    claim = CLAIMS["2b-best"]
    found = evidence.Evidence({claim.comparisons[0]: Difference.over_seeds([1.0, 2.0])}, {claim.comparisons[0]: "cpu"})
    (line,) = [o for o in evidence.claims_json(found) if o["id"] == claim.id]
    assert line["verdict"] == UNMEASURED and line["scale"] is None


# --- claims on mechanisms


def test_field_with_positions_left_out_supports_its_claim_only_partly():
    found = evidence.mechanisms()
    assert found["field-k"] == Measurement(PARTLY, "45 of 125 positions")
    assert found["field-one"].verdict == PARTLY and found["special-cases"].verdict == SUPPORTED


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        ({"R(2+1)D": [3, 4, 5, 4, 3], "CSN": [2, 3, 2, 3, 2.5]}, SUPPORTED),
        ({"R(2+1)D": [3, 4, 5, 4, 3], "CSN": [2, -1, 2, -3, 2.5]}, PARTLY),
        ({"R(2+1)D": [3, 4, 5, 4, 3], "CSN": [1, -1, 2, -3, -1]}, UNDECIDED),
        ({"R(2+1)D": [3, 4, 5, 4, 3], "CSN": [-2, -3, -2, -3, -2.5]}, NOT),
    ],
)
def test_saliency_claim_is_decided_by_energy_over_seeds(monkeypatch, ahead, verdict):
    def runs(network, points):
        names = ("energy", "pointing", "energy_time")
        scores = [dict.fromkeys(names, 30.0 - p) for p in points]
        return [Result(network, {"experiment": {"seed": k}, "localization": s}) for k, s in enumerate(scores)]

    found = {"CT-Net": runs("ct", [0] * 5)} | {name: runs(name, points) for name, points in ahead.items()}
    monkeypatch.setattr(evidence, "saliency_runs", lambda scale="cpu": found)
    assert evidence.saliency()["saliency"].verdict == verdict


def test_saliency_claim_without_records_is_not_measured(monkeypatch):
    monkeypatch.setattr(evidence, "saliency_runs", lambda scale="cpu": {"CT-Net": [], "R(2+1)D": [], "CSN": []})
    assert evidence.saliency() == {}


def test_printed_tables_contradict_some_claims():
    assert claims.printed_verdict(CLAIMS["6-24"]) == "no", "24 frames equal 16 in Table 6: 52.5 and 52.5"
    assert claims.printed_verdict(CLAIMS["2a-csn"]) == "yes" and claims.printed_verdict(CLOSE) == "yes"
    assert {claims.printed_verdict(claim) for claim in COMPARISONS} <= {"yes", "partly", "no"}
