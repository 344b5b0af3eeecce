import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipeline.evaluation.intervals import as_arrays
from pipeline.evaluation.paired import Pairs, difference, difference_intervals, sign_test

# True class, A's answer, B's answer, group.
ROWS = st.lists(st.tuples(*[st.integers(0, 2)] * 3, st.integers(0, 9)), min_size=1, max_size=40)


def pairs_of(rows, num_classes=3):
    y_true, y_a, y_b, group = np.array(rows, np.int64).reshape(-1, 4).T
    return Pairs(num_classes, y_true, y_a, y_b, group)


def exchanged(pairs):
    return Pairs(pairs.num_classes, pairs.y_true, pairs.y_b, pairs.y_a, pairs.group)


def flat(scores):
    return np.concatenate([array.ravel() for array in as_arrays(scores)])


def limits_of(pairs, draws=40, **options):
    """B - A and its limits, as rows."""
    value = difference(*pairs.scores())
    low, high = difference_intervals(pairs, value, np.random.default_rng(0), draws, **options)
    return np.stack([flat(scores) for scores in (low, value, high)])


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_exchanging_a_and_b_negates_to_the_last_bit(rows):
    pairs = pairs_of(rows)
    np.testing.assert_array_equal(limits_of(pairs), -limits_of(exchanged(pairs))[::-1])
    assert sign_test(pairs) == sign_test(exchanged(pairs))


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_the_same_answers_differ_by_nothing(rows):
    pairs = pairs_of([(true, a, a, group) for true, a, _, group in rows])
    low, value, high = limits_of(pairs)
    assert (value == 0).all()
    np.testing.assert_array_equal(low, -high)
    assert sign_test(pairs) == 1


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_limits_are_around_the_value_and_within_their_range(rows):
    low, value, high = limits_of(pairs_of(rows))
    assert (low <= value).all()
    assert (value <= high).all()
    assert np.isfinite([low, high]).all()
    assert np.abs([low, high]).max() <= 2


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_names_of_the_groups_do_not_matter(rows):
    other = [(*row[:3], 100 - 7 * row[3]) for row in rows]
    np.testing.assert_array_equal(limits_of(pairs_of(rows)), limits_of(pairs_of(other)))


def test_a_class_without_photographs_has_the_whole_range():
    low, _, high = limits_of(pairs_of([(0, 0, 1, k) for k in range(9)] + [(1, 1, 1, 9 + k) for k in range(9)]))
    f1_of_the_third = 2 * 3 + 2
    assert (low[f1_of_the_third], high[f1_of_the_third]) == (-1, 1)


def test_the_plain_bootstrap_is_that_of_photographs_drawn_one_by_one():
    """Nothing added, no groups: against draws of whole photographs within each class, by another way."""
    rng = np.random.default_rng(3)
    y_true = np.repeat([0, 1, 2], [200, 120, 60])
    y_a = np.where(rng.random(len(y_true)) < 0.6, y_true, rng.integers(0, 3, len(y_true)))
    y_b = np.where(rng.random(len(y_true)) < 0.1, y_true, y_a)  # mostly as A: unpaired draws would be twice as wide
    low, _, high = limits_of(Pairs(3, y_true, y_a, y_b, np.arange(len(y_true))), 2000, more=0.0)
    drawn = []
    for _ in range(2000):
        rows = np.concatenate([rng.choice(np.flatnonzero(y_true == k), (y_true == k).sum()) for k in range(3)])
        right = y_true[rows]
        recalls = [[(said[rows] == right)[right == k].mean() for k in range(3)] for said in (y_a, y_b)]
        accuracies = [(said[rows] == right).mean() for said in (y_a, y_b)]
        drawn.append([*np.subtract(*recalls[::-1]), np.subtract(*accuracies[::-1])])
    places = [3, 4, 5, -1]  # recall by class, accuracy
    np.testing.assert_allclose(low[places], np.quantile(drawn, 0.025, axis=0), atol=0.01)
    np.testing.assert_allclose(high[places], np.quantile(drawn, 0.975, axis=0), atol=0.02)


def test_what_is_added_keeps_a_small_class_uncertain():
    """8 photographs with the same answers: the plain bootstrap is certain, which 8 photographs cannot make one."""
    pairs = pairs_of([(0, 0, 0, k) for k in range(8)] + [(1, 1, 1, 8 + k) for k in range(30)], num_classes=2)
    plain, ours = limits_of(pairs, 2000, more=0.0), limits_of(pairs, 2000)
    assert (plain == 0).all()
    assert (ours[0] < 0).all()
    assert (ours[2] > 0).all()


def test_copies_of_one_photograph_are_no_new_photographs():
    rows = [(k % 2, k % 2, int(k % 5 != 0) * (k % 2), k) for k in range(40)]
    copied = [(*row[:3], row[3]) for row in rows for _ in range(5)]
    alone = [(*row[:3], place) for place, row in enumerate(copied)]
    width = {
        name: np.ptp(limits_of(pairs_of(case, 2), 2000)[[0, 2]], axis=0)[-1]  # of accuracy
        for name, case in {"once": rows, "copied": copied, "taken for new": alone}.items()
    }
    assert width["copied"] == pytest.approx(width["once"], rel=0.15)
    assert width["taken for new"] < 0.6 * width["once"]
    assert sign_test(pairs_of(copied, 2)) == sign_test(pairs_of(rows, 2)) > sign_test(pairs_of(alone, 2))


def test_groups_of_several_classes():
    rows = [(k % 3, k % 3, (k + k // 7) % 3, k // 2) for k in range(30)]
    low, value, high = limits_of(pairs_of(rows), 1000)
    assert (high - low)[6:9].min() > 0
    assert (low < value).all()


@pytest.mark.parametrize(("for_a", "for_b"), [(0, 0), (2, 9), (9, 2), (5, 5), (0, 6), (900, 1000)])
def test_sign_test_is_the_binomial_one(for_a, for_b):
    answers = [(0, 0, 1)] * for_a + [(0, 1, 0)] * for_b + [(0, 0, 0), (1, 0, 0)]
    pairs = pairs_of([(*answer, place) for place, answer in enumerate(answers)], 2)
    wanted = binomtest(for_b, for_a + for_b).pvalue if for_a + for_b else 1.0
    assert sign_test(pairs) == pytest.approx(wanted)


@pytest.mark.parametrize("recall_b", [0.7, 0.85])
def test_intervals_hold_the_truth_at_small_counts(recall_b):
    """Two nets, one answering as the other or on its own; classes of 3 to 30, where the plain bootstrap fails."""
    sizes, recall_a, alike, rng = np.array([30, 12, 8, 3]), 0.7, 0.6, np.random.default_rng(1)
    y_true = np.repeat(np.arange(4), sizes)
    one = np.arange(len(y_true))

    def answers():
        right_a = rng.random(len(y_true)) < recall_a
        own = rng.random(len(y_true)) < (recall_b - alike * recall_a) / (1 - alike)
        right_b = np.where(rng.random(len(y_true)) < alike, right_a, own)
        wrong = (y_true + 1) % 4
        return Pairs(4, y_true, np.where(right_a, y_true, wrong), np.where(right_b, y_true, wrong), one)

    truth = recall_b - recall_a  # of balanced accuracy
    held, held_plainly = [], []
    for _ in range(60):
        pairs = answers()
        for kept, options in ((held, {}), (held_plainly, {"more": 0.0})):
            low, _, high = limits_of(pairs, 200, **options)
            kept.append(low[-4] - 1e-9 <= truth <= high[-4] + 1e-9)
    assert np.mean(held) >= 0.92
    assert np.mean(held) > np.mean(held_plainly)
