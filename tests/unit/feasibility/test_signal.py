"""Is there signal: the net beside chance, the largest class and a classifier without a net."""

from dataclasses import replace

import numpy as np
import pytest
from judged_sets import text
from sklearn.metrics import f1_score, precision_score, recall_score

from pipeline.feasibility.baseline import gradient_histograms, out_of_fold, probabilities
from pipeline.feasibility.signal import measure, signal_section
from pipeline.feasibility.study import FOLDS, answered

COUNTS = [60, 30, 12]


def said(study, y_pred):
    """Answers of a net, the same sureness for all."""
    sure = np.where(np.eye(len(study.class_names))[y_pred] > 0, 0.9, 0.05)
    place = [np.searchsorted(study.rows, study.judged(fold)) for fold in range(FOLDS)]
    return answered(study, [(study.rows[own], sure[own]) for own in place])


def right(study, share, seed=0):
    """Answers that are right so often, and else guessed."""
    rng = np.random.default_rng(seed)
    guess = rng.integers(0, len(study.class_names), len(study.labels))
    return said(study, np.where(rng.random(len(guess)) < share, study.labels, guess))


def measured(study, folds, shuffled=None):
    return measure(study, folds, right(study, 1.0), shuffled, np.random.default_rng(0))


@pytest.fixture(scope="module")
def study(made_study):
    return made_study(COUNTS)


@pytest.fixture(scope="module")
def good(study):
    return measured(study, right(study, 0.9), right(study, 0.0, 1))


def test_scores_are_those_of_scikit_learn_and_lie_in_their_intervals(study, good):
    folds = right(study, 0.9)
    expected = f1_score(folds.y_true, folds.y_pred, average=None)
    assert [each.value for each in good.f1] == pytest.approx(expected)
    assert good.macro_f1.value == pytest.approx(expected.mean())
    assert all(0 <= each.low <= each.value <= each.high <= 1 for each in (good.macro_f1, good.baseline, *good.f1))
    largest = f1_score(folds.y_true, np.zeros_like(folds.y_true), average="macro", zero_division=0)
    assert good.majority == pytest.approx(largest)
    assert (good.support.tolist(), good.groups.tolist()) == (COUNTS, COUNTS)
    precision = precision_score(folds.y_true, folds.y_pred, average=None)
    assert (good.hits / good.support).tolist() == recall_score(folds.y_true, folds.y_pred, average=None).tolist()
    assert good.hits / (good.hits + good.false_alarms) == pytest.approx(precision)
    assert good.seen_macro_f1.value == good.seen_macro_f1.high == 1
    assert [each.value for each in good.seen_f1] == [1.0] * len(COUNTS)
    assert good.gain.value == pytest.approx(good.macro_f1.value - good.baseline.value)


def test_a_net_that_knows_is_above_chance_in_every_class(study, good):
    assert good.p == 0.001
    assert (good.class_p <= 0.05).all()
    words = text(signal_section(good, study))
    assert "there is something to be learnt" in words
    assert "Every class is found more often than by chance" in words


def test_a_net_that_guesses_is_not(study):
    found = measured(study, right(study, 0.0, 2), right(study, 0.0, 3))
    assert found.p > 0.05
    words = text(signal_section(found, study))
    assert "cannot be shown" in words
    assert "Not shown to be found more often than by chance: a, b, c" in words


def test_a_class_that_is_never_named_is_not_above_chance(study):
    labels = study.labels
    found = measured(study, said(study, np.where(labels == 2, 1, labels)))
    assert found.f1[2].value == 0
    assert found.class_p[2] == 1
    assert "more often than by chance: c." in text(signal_section(found, study))


def test_it_says_what_chance_was_measured_by(study, good):
    note = signal_section(good, study).notes[0]
    assert "trained by the same recipe on shuffled labels" in note
    without = measured(study, right(study, 0.9))
    assert not without.shuffled
    assert "no time to train nets on shuffled labels" in signal_section(without, study).notes[0]


def test_groups_widen_the_intervals(study, made_study):
    of_four = made_study(COUNTS, 4)
    answers = right(of_four, 0.8)
    grouped, alone = measured(of_four, answers), measured(of_four, replace(answers, groups=answers.rows))
    assert grouped.groups.tolist() == [15, 8, 3]
    assert grouped.macro_f1.high - grouped.macro_f1.low > alone.macro_f1.high - alone.macro_f1.low
    assert "12 images in 3 groups: too few to judge" in text(signal_section(grouped, of_four))


def test_same_state_of_rng_same_signal(study, good):
    again = measured(study, right(study, 0.9), right(study, 0.0, 1))
    assert (again.macro_f1, again.gain, again.p) == (good.macro_f1, good.gain, good.p)
    assert np.array_equal(again.chance, good.chance)
    assert signal_section(again, study).pictures == signal_section(good, study).pictures


def test_section_is_drawn_for_a_single_photograph_of_a_class(made_study):
    study = made_study([6, 1])
    section = signal_section(measured(study, right(study, 0.5)), study)
    assert [drawn.svg.startswith("<svg") for drawn in section.pictures] == [True, True]
    assert "1 image: too few to judge" in text(section)


def test_gradients_find_the_direction_of_stripes(study):
    answers = out_of_fold(study)
    assert np.array_equal(answers.rows, study.rows)
    assert f1_score(answers.y_true, answers.y_pred, average="macro") > 0.9


def test_gradients_of_a_picture_are_of_the_picture_alone_and_know_no_grey():
    images = np.random.default_rng(0).integers(60, 120, (3, 96, 96)).astype(np.uint8)
    features = gradient_histograms(images)
    assert features.shape == (3, 1764)
    assert np.array_equal(gradient_histograms(images[1:2])[0], features[1])
    assert np.allclose(gradient_histograms(images + np.uint8(50)), features)
    assert np.allclose(gradient_histograms(np.full((1, 40, 40), 7, np.uint8)), 0)


def test_a_single_class_to_learn_from_is_the_answer():
    answers = probabilities(np.zeros((4, 2)), np.full(4, 1), np.ones((3, 2)), 3)
    assert answers.tolist() == [[0, 1, 0]] * 3
