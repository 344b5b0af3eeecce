import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.estimates import exact_interval
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.selective import cuts, risk_coverage


def part(confidences, right):
    """Two classes; the net says the first one, with these confidences."""
    sure = np.asarray(confidences, float)
    y_true = np.where(np.asarray(right, bool), 0, 1)
    return Predictions(("a", "b"), y_true, np.column_stack([sure, 1 - sure]), ["p"] * len(sure), np.arange(len(sure)))


CASES = st.lists(st.tuples(st.sampled_from([0.6, 0.7, 0.8, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40)


def test_what_a_person_does_not_get():
    found = cuts(part([0.95, 0.9, 0.8, 0.6], [1, 0, 1, 0]), (0.5, 0.9, 0.99))
    assert [(cut.answered.count, cut.answered.of) for cut in found] == [(4, 4), (2, 4), (0, 4)]
    assert [(cut.mistakes.count, cut.mistakes.of) for cut in found] == [(2, 4), (1, 2), (0, 0)]
    assert (found[2].mistakes.low, found[2].mistakes.high) == (0, 1)


@given(CASES)
def test_the_curve_ends_with_all_and_has_every_cut_on_it(cases):
    given_part = part(*zip(*cases, strict=True))
    coverage, risk, low, high = risk_coverage(given_part)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx((given_part.y_pred != given_part.y_true).mean())
    assert (np.diff(coverage) > 0).all()
    assert ((low <= risk) & (risk <= high)).all()
    assert len(coverage) == len({sure for sure, _ in cases})
    for cut in cuts(given_part, (0.65, 0.8, 0.95)):
        if cut.answered.count:
            (place,) = np.flatnonzero(np.isclose(coverage, cut.answered.value))
            assert risk[place] == pytest.approx(cut.mistakes.value)
            limits = exact_interval(cut.mistakes.count, cut.mistakes.of)
            assert (low[place], high[place]) == pytest.approx(limits)


@given(CASES)
def test_the_order_of_the_photographs_does_not_matter(cases):
    first, second = (risk_coverage(part(*zip(*each, strict=True))) for each in (cases, cases[::-1]))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
