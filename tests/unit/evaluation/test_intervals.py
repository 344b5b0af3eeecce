import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from pipeline.evaluation.intervals import class_scores, overall_scores, score_intervals, too_small
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, Scores, score

MATRICES = st.integers(2, 5).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 6), min_size=k, max_size=k), min_size=k, max_size=k)
)


def answers(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y_true, y_pred = (np.repeat(side.ravel(), confusion.ravel()) for side in np.indices(confusion.shape))
    return y_true, y_pred


def intervals_of(confusion, seed: int = 0, draws: int = 1000) -> tuple[Scores, Scores, Scores]:
    confusion = np.array(confusion)
    value = score(*answers(confusion), len(confusion))
    return value, *score_intervals(confusion, value, np.random.default_rng(seed), draws)


def flat(scores: Scores) -> np.ndarray:
    return np.concatenate([np.atleast_1d(getattr(scores, name)) for name in (*PER_CLASS, *OVERALL)])


@settings(max_examples=40, deadline=None)
@given(MATRICES.filter(lambda rows: np.sum(rows) > 0))
def test_every_interval_holds_its_value_has_a_width_and_stays_in_range(rows):
    value, low, high = map(flat, intervals_of(rows, draws=200))
    assert (low <= value).all()
    assert (value <= high).all()
    assert (high - low > 0.01).all()
    bottom = np.array([0] * 3 * len(rows) + [-1 if name == "mcc" else 0 for name in OVERALL])
    assert (low >= bottom).all()
    assert (high <= 1).all()


@settings(max_examples=40, deadline=None)
@given(MATRICES.filter(lambda rows: min(map(sum, rows)) > 0))
def test_vectorised_scores_are_those_of_scikit_learn(rows):
    confusion = np.array(rows)
    value = score(*answers(confusion), len(confusion))
    parts = np.diag(confusion).astype(float), confusion.sum(axis=1), confusion.sum(axis=0).astype(float)
    np.testing.assert_allclose(class_scores(*parts), [getattr(value, name) for name in PER_CLASS])
    np.testing.assert_allclose(overall_scores(*parts), [getattr(value, name) for name in OVERALL], atol=1e-6)


@pytest.mark.parametrize(("right", "size"), [(1, 1), (0, 1), (2, 2), (7, 8), (8, 8), (19, 37)])
def test_recall_has_the_clopper_pearson_interval(right, size):
    _, low, high = intervals_of([[right, size - right], [1, 9]], draws=40_000)
    wanted_low = beta.ppf(0.025, right, size - right + 1) if right else 0
    wanted_high = beta.ppf(0.975, right + 1, size - right) if right < size else 1
    assert low.recall[0] == pytest.approx(wanted_low, abs=0.006)
    assert high.recall[0] == pytest.approx(wanted_high, abs=0.006)


def test_more_images_narrow_every_interval():
    few = np.array([[6, 2, 0], [1, 9, 0], [1, 1, 3]])
    widths = [flat(high) - flat(low) for _, low, high in map(intervals_of, (few, few * 10, few * 100))]
    assert (widths[0] > widths[1]).all()
    assert (widths[1] > widths[2]).all()


def test_same_seed_same_numbers():
    confusion = [[6, 2], [1, 9]]
    once, again, other = (flat(intervals_of(confusion, seed)[1]) for seed in (3, 3, 4))
    assert (once == again).all()
    assert (once != other).any()


def test_what_cannot_be_measured_has_the_whole_range():
    _, low, high = intervals_of([[0, 0, 0], [1, 5, 0], [0, 0, 4]])
    assert (low.precision[0], low.recall[0], low.f1[0]) == (0, 0, 0)
    assert (high.precision[0], high.recall[0], high.f1[0]) == (1, 1, 1)
    _, low, high = intervals_of([[9, 1], [0, 0]])
    assert (low.mcc, high.mcc) == (-1, 1)
    assert (low.precision[0], high.precision[0]) == (0, 1)


@pytest.mark.parametrize("recall", [0.8, 0.95])
def test_intervals_hold_the_truth(recall):
    sizes = np.array([2, 8, 19, 37])
    rates = np.full((4, 4), (1 - recall) / 3)
    np.fill_diagonal(rates, recall)
    expected = rates * sizes[:, None]
    parts = np.diag(expected).copy(), sizes, expected.sum(axis=0)
    truth = np.concatenate([class_scores(*parts).ravel(), overall_scores(*parts)])
    rng = np.random.default_rng(5)
    held = []
    for seed in range(100):
        _, low, high = intervals_of(rng.multinomial(sizes, rates), seed, draws=200)
        held.append((flat(low) <= truth) & (truth <= flat(high)))
    coverage = np.mean(held, axis=0)
    assert coverage.mean() >= 0.95
    assert coverage.min() >= 0.91  # 0.95 less two standard errors of 100 trials


@pytest.mark.parametrize(
    ("support", "low", "high", "words"),
    [
        (0, 0.0, 1.0, "not measured"),
        (1, 0.1, 0.2, "1 image: too few"),
        (4, 0.4, 0.5, "4 images: too few"),
        (9, 0.2, 0.8, "too wide"),
    ],
)
def test_says_when_a_class_is_too_small(support, low, high, words):
    assert words in (too_small(support, low, high) or "")


def test_a_large_class_can_be_judged():
    assert too_small(40, 0.8, 0.95) is None
