"""Differences between two rows: the error from seeds, from clips and from both; Holm's correction."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t, ttest_1samp

from ctnet.paper.statistics import Difference, holm


def test_error_over_seeds_is_that_of_a_paired_t_test():
    points = [1.0, 2.5, -0.5, 3.0]
    found, expected = Difference.over_seeds(points), ttest_1samp(points, 0)
    assert found.p() == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p(1.0, "less") == pytest.approx(ttest_1samp(points, 1, alternative="less").pvalue)
    assert found.p(-1.0, "greater") == pytest.approx(ttest_1samp(points, -1, alternative="greater").pvalue)


@pytest.mark.parametrize("points", [[], [2.0], [2.0, 2.0], [math.nan, 1.0]])
def test_without_spread_there_is_no_test(points):
    found = Difference.over_seeds(points)
    assert found.interval is None and found.p() is None and len(found.points) == len(points)


def test_clips_add_error_where_all_seeds_agree():
    """Two seeds that agree on each clip: as a paired t-test over clips."""
    clips = np.array([1.0, 0, 0, -1, 1, 1, 0, 0, 1, 0])
    found = Difference.over_seeds_and_clips(np.stack([clips, clips]))
    assert found.points == (30.0, 30.0) and found.clips == 10
    assert found.p() == pytest.approx(ttest_1samp(clips, 0).pvalue)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(2, 60), st.integers(0, 10**6))
def test_error_is_at_least_that_of_either_effect(seeds, clips, draw):
    gaps = np.random.default_rng(draw).integers(-1, 2, (seeds, clips)).astype(float)
    found = Difference.over_seeds_and_clips(gaps)
    assert found.points == pytest.approx(tuple(100 * gaps.mean(1))) and found.mean == pytest.approx(100 * gaps.mean())
    for means in (gaps.mean(0), gaps.mean(1)):
        if found.error is not None:
            assert found.error >= 100 * means.std(ddof=1) / len(means) ** 0.5 - 1e-9


def test_interval_holds_the_true_mean_about_95_times_in_100():
    """Seeds and clips are drawn anew each time; an error of seeds alone would hold the mean far less often."""
    rng, seeds, clips, hits, alone = np.random.default_rng(0), 5, 200, 0, 0
    for _ in range(400):
        effects = rng.normal(0, 0.02, (seeds, 1)) + rng.normal(0, 0.5, (1, clips)) + rng.normal(0, 0.3, (seeds, clips))
        found = Difference.over_seeds_and_clips(effects)
        hits += found.interval[0] <= 0 <= found.interval[1]
        low, high = Difference.over_seeds(found.points).interval
        alone += low <= 0 <= high
    assert 0.92 <= hits / 400 <= 0.99 and alone / 400 < 0.9


def test_holm_multiplies_and_keeps_the_order():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({}) == {} and holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_one_seed_has_no_test():
    assert Difference.over_seeds_and_clips(np.array([[1.0, 0.0, 1.0]])).p() is None


def test_interval_uses_the_degrees_of_freedom():
    found = Difference((1.0, 3.0), error=0.5, freedom=7.5)
    assert found.interval == pytest.approx((2 - t.ppf(0.975, 7.5) / 2, 2 + t.ppf(0.975, 7.5) / 2))
