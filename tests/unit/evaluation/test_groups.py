"""Photographs that belong together: what it does to every interval."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.calibration import draw_groups, measures
from pipeline.evaluation.costs import cost_matrix, weigh_costs
from pipeline.evaluation.estimates import exact_interval, mean_of, rate_of, worth
from pipeline.evaluation.groups import apart, clusters, size_of_one
from pipeline.evaluation.intervals import class_scores, overall_scores, score_intervals
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, confusion_matrix, score
from pipeline.evaluation.operating import operating_points
from pipeline.evaluation.predictions import Answers, Predictions, pooled
from pipeline.evaluation.result import evaluate_part, evaluate_parts
from pipeline.evaluation.selective import cuts, risk_coverage

# True class, answer and group of each photograph.
ANSWERS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=40)
GROUPS = st.lists(st.integers(0, 6), min_size=1, max_size=40)


def limits(y_true, y_pred, groups, draws=200):
    """Value, low and high of all scores: (3, 14)."""
    value, confusion = score(y_true, y_pred, 3), confusion_matrix(y_true, y_pred, 3)
    together = clusters(y_true, y_pred, groups, 3)
    ends = score_intervals(confusion, value, np.random.default_rng(0), draws, together)
    names = (*PER_CLASS, *OVERALL)
    return np.stack([np.concatenate([np.atleast_1d(getattr(s, name)) for name in names]) for s in (value, *ends)])


@settings(max_examples=30, deadline=None)
@given(ANSWERS)
def test_every_interval_holds_its_value_and_has_a_width(answers):
    value, low, high = limits(*np.array(answers).T)
    assert (low <= value).all()
    assert (value <= high).all()
    assert (high - low > 0.01).all()


@settings(max_examples=20, deadline=None)
@given(ANSWERS, st.randoms())
def test_neither_the_order_of_the_photographs_nor_the_names_of_the_groups_matter(answers, random):
    y_true, y_pred, groups = np.array(answers).T
    order, names = list(range(len(groups))), list(range(10))
    random.shuffle(order)
    random.shuffle(names)
    again = limits(y_true[order], y_pred[order], np.array(names)[groups][order])
    assert (again == limits(y_true, y_pred, groups)).all()


@settings(max_examples=20, deadline=None)
@given(ANSWERS)
def test_groups_of_one_are_photographs_for_themselves(answers):
    y_true, y_pred, _ = np.array(answers).T
    value, confusion = score(y_true, y_pred, 3), confusion_matrix(y_true, y_pred, 3)
    together = clusters(y_true, y_pred, np.arange(len(y_true)), 3)
    assert (together.alone == confusion).all()
    assert (together.groups == apart(confusion).groups).all()
    one, other = (score_intervals(confusion, value, np.random.default_rng(1), 100, each) for each in (together, None))
    for first, second in zip(one, other, strict=True):
        assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in (*PER_CLASS, *OVERALL))


def test_a_photograph_taken_five_times_says_as_much_as_once():
    rng = np.random.default_rng(2)
    y_true = np.repeat([0, 1, 2], [8, 19, 37])
    y_pred = np.where(rng.random(64) < 0.8, y_true, 0)
    once = limits(y_true, y_pred, np.arange(64), draws=8000)
    five = limits(np.repeat(y_true, 5), np.repeat(y_pred, 5), np.repeat(np.arange(64), 5), draws=8000)
    np.testing.assert_allclose(five, once, atol=0.02)
    independent = limits(np.repeat(y_true, 5), np.repeat(y_pred, 5), np.arange(320), draws=8000)
    assert (independent[2] - independent[1] < five[2] - five[1]).all()


def test_more_groups_narrow_every_interval():
    y_true, y_pred = np.repeat([0, 1, 2], 8), np.tile([0, 1, 2, 0, 1, 2, 2, 2], 3)
    groups = np.arange(24) // 2
    few, many = (
        limits(np.tile(y_true, n), np.tile(y_pred, n), (np.arange(n)[:, None] * 12 + groups).ravel(), draws=2000)
        for n in (1, 10)
    )
    assert (many[2] - many[1] < few[2] - few[1]).all()


@pytest.mark.parametrize("right", [0, 3, 8])
def test_of_a_class_in_one_group_nothing_can_be_said(right):
    y_true, y_pred = np.repeat([0, 1], [8, 20]), np.repeat([0, 1, 1], [right, 8 - right, 20])
    groups = np.concatenate([np.zeros(8, np.int64), np.arange(1, 21)])
    result = evaluate_part(y_true, y_pred, ("a", "b"), np.random.default_rng(0), groups)
    assert result.low.recall[0] < 0.04
    assert result.high.recall[0] > 0.96
    assert result.notes() == ["8 images in 1 group: too few to judge", ""]
    assert (result.groups.tolist(), result.num_groups) == ([1, 20], 21)
    assert result.basis().startswith("28 photographs in 21 groups. ")


def test_all_in_one_group():
    result = evaluate_part(np.arange(4) % 2, np.arange(4) % 2, ("a", "b"), np.random.default_rng(0), np.zeros(4, int))
    assert result.low.macro_f1 < 0.6
    assert "4 photographs in 1 group. " in result.basis()
    assert "2 of 2 classes have fewer than 3 groups: the intervals over all classes are too narrow" in result.basis()


def test_photographs_for_themselves_are_said_to_be_so():
    result = evaluate_part(np.arange(30) % 2, np.arange(30) % 2, ("a", "b"), np.random.default_rng(0))
    assert result.basis() == "30 photographs, each a group of its own."
    assert not result.grouped


def test_intervals_hold_the_truth_where_answers_are_alike_in_groups():
    """Groups of up to 4 that get one answer each; photographs for themselves would hold it in 7 or 8 of 10 cases."""
    sizes, rates = np.array([8, 19, 37]), np.full((3, 3), 0.15) + 0.55 * np.eye(3)
    expected = rates * sizes[:, None]
    parts = np.diag(expected).copy(), sizes, expected.sum(axis=0)
    truth = np.concatenate([class_scores(*parts).ravel(), overall_scores(*parts)])
    y_true, rng, held = np.repeat(np.arange(3), sizes), np.random.default_rng(5), []
    groups = y_true * 100 + np.arange(64) // 4
    for _ in range(80):
        shared = rng.random(300)[groups]
        y_pred = (shared[:, None] > rates.cumsum(axis=1)[y_true][:, :-1]).sum(axis=1)
        _, low, high = limits(y_true, y_pred, groups)
        held.append((low <= truth) & (truth <= high))
    assert np.mean(held) >= 0.95
    assert np.mean(held, axis=0).min() >= 0.9  # 0.95 less two standard errors of 80 trials


@given(GROUPS)
def test_what_photographs_are_worth_lies_between_one_and_all(groups):
    found = worth(np.array(groups))
    assert 1 - 1e-9 <= found <= len(set(groups)) + 1e-9 <= len(groups) + 1e-9


def test_what_photographs_are_worth():
    assert worth(np.arange(12)) == 12
    assert worth(np.zeros(12)) == 1
    assert worth(np.arange(12) // 3) == pytest.approx(4)
    assert worth(np.empty(0)) == 0
    assert size_of_one(np.array([1, 1, 4])) == 3  # four of six photographs are in the group of 4
    assert size_of_one(np.empty(0)) == 1


def test_a_rate_of_groups_is_that_of_as_many_cases():
    groups = np.arange(24) // 4
    found = rate_of(np.repeat([True, False], [8, 16]), groups)
    assert (found.count, found.of) == (8, 24)
    assert (found.low, found.high) == pytest.approx(exact_interval(2, 6))
    assert rate_of(np.ones(24, bool), groups).high == 1
    assert rate_of(np.zeros(24, bool), groups).low == 0
    alone = rate_of(np.arange(24) < 8, np.arange(24))
    assert (alone.low, alone.high) == exact_interval(8, 24)
    nothing = rate_of(np.empty(0, bool), np.empty(0))
    assert (nothing.low, nothing.high) == (0, 1)


@given(GROUPS, st.integers(0, 100))
def test_a_mean_of_groups_holds_its_value_whatever_the_order(groups, seed):
    rng = np.random.default_rng(seed)
    values, order = rng.integers(0, 9, len(groups)) / 8, rng.permutation(len(groups))
    found, again = (
        mean_of(values[o], (0, 1), np.random.default_rng(0), 50, np.array(groups)[o])
        for o in (np.arange(len(groups)), order)
    )
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert (again.low, again.high) == pytest.approx((found.low, found.high))


def test_a_mean_of_one_group_says_nothing():
    found = mean_of(np.full(8, 0.5), (0, 1), np.random.default_rng(0), groups=np.zeros(8))
    assert found.low < 0.02
    assert found.high > 0.98


@given(GROUPS, st.integers(0, 100))
def test_groups_are_drawn_whole(groups, seed):
    groups = np.array(groups)
    rows, pick = draw_groups(groups, np.random.default_rng(seed), 3)
    assert rows.shape == pick.shape == (3, len(groups))
    for line, came_with in zip(rows, pick, strict=True):
        for number in range(came_with[-1] + 1):
            drawn = line[came_with == number]
            members = np.flatnonzero(groups == groups[drawn[0]])
            whole = len(members) if number < came_with[-1] else len(drawn)
            assert drawn.tolist() == members[:whole].tolist()


def test_photographs_for_themselves_are_drawn_as_ever():
    rows, pick = draw_groups(np.arange(9), np.random.default_rng(0), 4)
    assert (rows == np.random.default_rng(0).integers(9, size=(4, 9))).all()
    assert (pick == np.arange(9)).all()


def test_groups_widen_what_is_known_of_the_probabilities(make_predictions):
    alone = make_predictions([30, 30, 60], skill=1.5)
    grouped = replace(alone, groups=np.arange(120) // 6)
    first, second = (measures(each, np.random.default_rng(0), 500) for each in (alone, grouped))
    for name, found in second.items():
        assert found.value == first[name].value
        if name != "ece":
            assert found.high - found.low > first[name].high - first[name].low
    one, other = (weigh_costs(each, cost_matrix({}, each.class_names), 0).least for each in (alone, grouped))
    assert other.high - other.low > one.high - one.low


def test_each_threshold_is_chosen_by_groups():
    """Photographs that are there five times, in one group, change neither thresholds nor limits."""
    rng = np.random.default_rng(0)
    scores, y_true = rng.random(60), np.repeat([0, 1], 30)
    probabilities = np.column_stack([1 - scores, scores])
    once = Predictions(("sound", "crack"), y_true, probabilities, ["p"] * 60, np.arange(60))
    rows = np.repeat(np.arange(60), 5)
    five = Predictions(("sound", "crack"), y_true[rows], probabilities[rows], ["p"] * 300, np.arange(300), rows)
    for one, other in zip(
        *(operating_points([Answers(each, each, 1.0)], 0, 0.1, 0.1) for each in (once, five)), strict=True
    ):
        assert one.thresholds == other.thresholds
        assert other.misses.count == 5 * one.misses.count
        assert (other.misses.low, other.misses.high) == pytest.approx((one.misses.low, one.misses.high))
    for one, other in zip(cuts(once), cuts(five), strict=True):
        assert (other.mistakes.low, other.mistakes.high) == pytest.approx((one.mistakes.low, one.mistakes.high))
    few = operating_points([Answers(five, five, 1.0)], 0, 0.01, 0.1)[0]
    assert few.notes[0].startswith("val has 150 sound photographs in 30 groups; to promise 1% takes 99.")


def test_the_curve_of_mistakes_has_the_limits_of_its_cuts(make_predictions):
    part = replace(make_predictions([9, 20, 30], skill=1.0), groups=np.arange(59) // 3 % 13)
    coverage, _, low, high = risk_coverage(part)
    for cut in cuts(part, (0.5, 0.6, 0.7)):
        (place,) = np.flatnonzero(np.isclose(coverage, cut.answered.value))
        assert (low[place], high[place]) == pytest.approx((cut.mistakes.low, cut.mistakes.high))


def test_predictions_stand_for_themselves_unless_it_is_said(make_predictions):
    part = make_predictions([2, 3])
    assert part.groups.tolist() == part.rows.tolist()
    shared = replace(part, groups=np.array([7, 7, 3, 3, 3]))
    later = replace(part, rows=part.rows + 5, groups=np.array([8, 9, 9, 9, 9]))
    assert pooled([later, shared]).groups.tolist() == [7, 7, 3, 3, 3, 8, 9, 9, 9, 9]
    assert evaluate_parts({"test": shared}, 0)["test"].num_groups == 2
    with pytest.raises(AssertionError):
        replace(part, groups=np.array([1, 2]))
