import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pipeline.evaluation.estimates import Rate, exact_interval, mean_of


@given(st.integers(0, 60).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_limits_of_a_rate_are_where_the_count_would_be_rare(case):
    count, of = case
    low, high = exact_interval(count, of)
    assert 0 <= low <= (count / of if of else 0.5) <= high <= 1
    if count:
        assert binom.sf(count - 1, of, low) == pytest.approx(0.025)
    if count < of:
        assert binom.cdf(count, of, high) == pytest.approx(0.025)


def test_nothing_seen_says_nothing():
    nothing = Rate(0, 0)
    assert (nothing.low, nothing.high) == (0, 1)
    assert math.isnan(nothing.value)
    assert nothing.words() == ["0 of 0", "-", "[0.0%, 100.0%]"]
    assert nothing.figures("rate") == {}


def test_six_photographs_cannot_show_one_percent():
    assert Rate(0, 6).high == pytest.approx(0.459, abs=1e-3)
    assert Rate(0, 6).words() == ["0 of 6", "0.0%", "[0.0%, 45.9%]"]


@pytest.mark.parametrize(("count", "of"), [(0, 6), (3, 20), (20, 20)])
def test_the_mean_of_noughts_and_ones_is_a_rate(count, of):
    values = np.repeat([1.0, 0.0], [count, of - count])
    found = mean_of(values, (0, 1), np.random.default_rng(0), draws=20_000)
    assert found.value == count / of
    assert (found.low, found.high) == pytest.approx(exact_interval(count, of), abs=0.02)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(0.1, 50), st.integers(0, 100))
def test_the_interval_of_a_mean_holds_its_value_and_scales_with_it(values, times, seed):
    found = mean_of(np.array(values), (-5, 5), np.random.default_rng(seed), draws=50)
    scaled = mean_of(times * np.array(values), (-5 * times, 5 * times), np.random.default_rng(seed), draws=50)
    assert -5 <= found.low <= found.value <= found.high <= 5
    wanted = [times * each for each in (found.value, found.low, found.high)]
    assert [scaled.value, scaled.low, scaled.high] == pytest.approx(wanted, rel=1e-6, abs=1e-6)
