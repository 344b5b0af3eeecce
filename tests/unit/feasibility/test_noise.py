"""Planted wrong labels are counted, a weak net's mistakes are not, and of nets that know nothing nothing is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_sets import packed_set, text
from labels_sets import answers, from_logits, study_of, wrong_labels

from pipeline.feasibility.lapses import fit, margins
from pipeline.feasibility.noise import conflicts, measure, noise_section, told_from

TRUTH = np.repeat([0, 1, 2, 3], [150, 90, 50, 30])


def found_in(share, knowledge, seed=0):
    rng = np.random.default_rng(seed)
    labels = wrong_labels(TRUTH, share, 4, rng)
    study = study_of(labels)
    return study, answers(study, TRUTH, knowledge, rng)


@pytest.mark.parametrize("share", [0, 0.05, 0.1, 0.3])
def test_the_interval_holds_the_planted_share(share):
    held = 0
    for seed in range(10):
        levels = told_from(found_in(share, 4, seed)[1])
        held += levels.lowest.rate - 1e-9 <= share <= levels.highest.rate + 1e-9
    assert held >= 8


def test_mistakes_of_weak_nets_are_not_taken_for_wrong_labels():
    """Confident learning counts dozens here."""
    for seed in range(5):
        _, folds = found_in(0, 1.5, seed)
        assert (folds.y_pred != folds.y_true).mean() > 0.2
        assert told_from(folds).lowest.rate < 0.03


def test_a_third_of_wrong_labels_is_believed_and_is_the_limit():
    study, folds = found_in(0.3, 6)
    found = measure(study, folds, np.random.default_rng(0))
    assert found.believed
    assert found.one == ()
    assert 0.2 < found.rate.low <= found.rate.value <= found.rate.high < 0.4
    truth = np.array([[((k == TRUTH) & (study.labels == j)).sum() for k in range(4)] for j in range(4)])
    ceiling = np.mean(2 * np.diag(truth) / (truth.sum(axis=0) + truth.sum(axis=1)))
    assert found.ceiling.low - 0.02 <= ceiling <= found.ceiling.high + 0.02
    for k, each in enumerate(found.by_class):
        assert each.low <= (TRUTH[study.labels == k] != k).mean() <= each.high
    section = noise_section(found, study)
    assert "labels are wrong, some" in section.said[0]
    assert "No net and no more photographs" in text(section)
    rows = {found.doubts.doubts[place].row for place in range(12)}
    assert sum(study.labels[row] != TRUTH[row] for row in rows) >= 11
    assert len(section.strips[0].photos) == 12
    assert section.pictures[0].svg.startswith("<svg")


def test_right_labels_are_called_right():
    study, folds = found_in(0, 8)
    found = measure(study, folds, np.random.default_rng(0))
    assert found.rate.low == 0
    assert found.ceiling.high == 1
    assert noise_section(found, study).said[0].startswith("No sign of wrong labels")


def test_of_nets_that_know_nothing_it_is_said():
    rng = np.random.default_rng(0)
    study = study_of(TRUTH)
    found = measure(study, from_logits(study, rng.normal(0, 3, (len(TRUTH), 4))), rng)
    assert not found.believed
    assert text(noise_section(found, study)).count("Not known") == 1


def test_always_the_largest_class_is_not_believed():
    study = study_of(TRUTH)
    logits = np.tile([3.0, 0, 0, 0], (len(TRUTH), 1))
    assert not measure(study, from_logits(study, logits), np.random.default_rng(0)).believed


def test_two_halves_of_one_class_are_not_wrong_labels():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1, 2, 3], [120, 40, 35, 30])
        either = np.where(labels >= 2, rng.integers(2, 4, len(labels)), labels)
        study = study_of(labels)
        found = measure(study, answers(study, either, 5, rng), rng)
        assert found.one == ((2, 3),)
        assert found.rate.low < 0.02
    assert "c and d" in text(noise_section(found, study))


def test_photographs_of_one_part_count_together_as_one_does():
    _, folds = found_in(0.3, 6)
    alone = told_from(folds)
    together = told_from(replace(folds, groups=np.arange(len(TRUTH)) // 10))
    assert together.highest.rate - together.lowest.rate > 1.5 * (alone.highest.rate - alone.lowest.rate)


def test_same_pixels_and_nearly_the_same_under_two_classes_are_conflicts():
    labels = [0] * 10 + [1] * 10
    plain = packed_set(labels)
    index = list(plain.index)
    index[10] = index[10]._replace(pixels=index[0].pixels)
    images = plain.images.copy()
    images[11] = np.clip(images[1] * 0.9 + 5, 0, 255).astype(np.uint8)
    groups = [*range(11), 1, *range(12, 20)]
    study = study_of(labels, groups, replace(plain, images=images, index=tuple(index)))
    assert conflicts(study) == 4
    assert conflicts(study_of(labels, packed=plain)) == 0


def test_a_group_of_two_classes_that_look_different_is_no_conflict():
    labels = [0] * 10 + [1] * 10
    assert conflicts(study_of(labels, [*range(10), *range(10)])) == 0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=80))
def test_any_answers_have_an_interval_around_the_rate(cases):
    margin, against = np.array([m for m, _ in cases]), np.array([a for _, a in cases])
    levels = fit(margin, against)
    assert 0 <= levels.lowest.rate <= levels.likeliest.rate <= levels.highest.rate < 1
    wrong = levels.likeliest.wrong(margin)
    assert ((wrong >= 0) & (wrong <= 1)).all()


def test_margins_are_those_of_the_two_likeliest():
    chances = np.array([[0.6, 0.3, 0.1], [0.2, 0.4, 0.4], [0.8, 0.1, 0.1]])
    expected = np.log([2, 1, 8]) / np.log(2)
    np.testing.assert_allclose(margins(chances), expected, atol=1e-9)
