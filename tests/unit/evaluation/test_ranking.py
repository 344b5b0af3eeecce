import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from pipeline.evaluation.ranking import average_precision

CASES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=30)


def ranked(y_true, probabilities, groups=None, draws=200, seed=0):
    groups = np.arange(len(y_true)) if groups is None else groups
    return average_precision(np.asarray(y_true), probabilities, groups, np.random.default_rng(seed), draws)


def made(y_true, skill, seed, num_classes=3, decimals=12):
    """Few decimals make equal probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(y_true), num_classes)) + skill * np.eye(num_classes)[y_true]
    powers = np.exp(logits)
    return np.round(powers / powers.sum(axis=1, keepdims=True), decimals)


@settings(max_examples=40, deadline=None)
@given(CASES, st.integers(0, 100), st.sampled_from([1, 12]))
def test_it_is_that_of_scikit_learn_within_an_interval(cases, seed, decimals):
    y_true, groups = np.array(cases).T
    probabilities = made(y_true, 1.0, seed, decimals=decimals)
    found = ranked(y_true, probabilities, groups, draws=50)
    for k in np.unique(y_true):
        assert found.value[k] == pytest.approx(average_precision_score(y_true == k, probabilities[:, k]))
    assert found.mean.value == pytest.approx(found.value[np.unique(y_true)].mean())
    assert ((found.low >= 0) & (found.low <= found.value) & (found.value <= found.high) & (found.high <= 1)).all()
    assert 0 <= found.mean.low <= found.mean.value <= found.mean.high <= 1
    assert (found.high - found.low > 0.01).all()


@settings(max_examples=20, deadline=None)
@given(CASES, st.randoms(), st.integers(0, 100))
def test_neither_the_order_of_the_photographs_nor_the_names_of_the_groups_matter(cases, random, seed):
    y_true, groups = np.array(cases).T
    probabilities = made(y_true, 1.0, seed)
    order, names = list(range(len(groups))), list(range(10))
    random.shuffle(order)
    random.shuffle(names)
    found = ranked(y_true, probabilities, groups, draws=50)
    again = ranked(y_true[order], probabilities[order], np.array(names)[groups][order], draws=50)
    np.testing.assert_allclose([again.low, again.high], [found.low, found.high])
    assert (again.mean.low, again.mean.high) == pytest.approx((found.mean.low, found.mean.high))


def test_eight_above_all_others_are_not_called_perfect():
    y_true = np.repeat([0, 1], [8, 100])
    found = ranked(y_true, np.eye(2)[y_true], draws=2000)
    assert found.value.tolist() == [1, 1]
    assert 0.3 < found.low[0] < 0.63  # no better than the recall of 8 of 8, whose limit is 0.63
    assert found.high[0] == 1
    assert found.low[1] > 0.9


def test_of_a_class_in_one_group_nothing_can_be_said():
    y_true = np.repeat([0, 1], [8, 40])
    groups = np.concatenate([np.zeros(8, int), np.arange(1, 41)])
    assert ranked(y_true, np.eye(2)[y_true], groups, draws=1000).low[0] < 0.2  # the share of the class is 0.17


def test_photographs_of_one_group_count_once():
    y_true = np.repeat([0, 1, 2], [8, 19, 37])
    probabilities = made(y_true, 1.0, 0)
    many = ranked(np.repeat(y_true, 4), np.repeat(probabilities, 4, axis=0), np.repeat(np.arange(64), 4), draws=4000)
    once = ranked(y_true, probabilities, draws=4000)
    np.testing.assert_allclose([many.low, many.high], [once.low, once.high], atol=0.03)


def test_what_cannot_be_measured_has_the_whole_range():
    found = ranked([0, 0, 2, 2], made(np.array([0, 0, 2, 2]), 1.0, 0))
    assert (found.value[1], found.low[1], found.high[1]) == (0, 0, 1)
    alone = ranked([1, 1, 1], made(np.array([1, 1, 1]), 1.0, 0))
    assert (alone.value[1], alone.low[1], alone.high[1]) == (1, 0, 1)
    assert (alone.mean.low, alone.mean.high) == (0, 1)


def test_more_photographs_narrow_the_interval():
    few, many = (np.repeat([0, 1, 2], [8 * n, 19 * n, 37 * n]) for n in (1, 20))
    widths = [(found.high - found.low) for found in (ranked(each, made(each, 1.0, 0)) for each in (few, many))]
    assert (widths[1] < widths[0]).all()


def test_same_seed_same_numbers():
    y_true = np.repeat([0, 1, 2], [8, 19, 37])
    probabilities = made(y_true, 1.0, 0)
    once, again, other = (ranked(y_true, probabilities, seed=seed).low for seed in (3, 3, 4))
    assert (once == again).all()
    assert (once != other).any()


@pytest.mark.parametrize("skill", [0.0, 1.5])
def test_intervals_hold_the_truth(skill):
    """Also of a net that knows nothing, whose average precision is too high on a few photographs."""
    sizes = np.array([4, 8, 19])
    many = np.repeat(np.arange(3), sizes * 2000)
    endless = made(many, skill, 0)
    truth = np.array([average_precision_score(many == k, endless[:, k]) for k in range(3)])
    y_true, held = np.repeat(np.arange(3), sizes), []
    for seed in range(60):
        found = ranked(y_true, made(y_true, skill, seed + 1))
        low, high = np.append(found.low, found.mean.low), np.append(found.high, found.mean.high)
        wanted = np.append(truth, truth.mean())
        held.append((low <= wanted) & (wanted <= high))
    assert np.mean(held, axis=0).min() >= 0.89  # 0.95 less two standard errors of 60 trials
    assert np.mean(held) >= 0.94
