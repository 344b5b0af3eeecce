"""Two halves of one class are not told apart; what is hard but real is; what merging brings is measured."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_sets import text
from labels_sets import answers, from_logits, study_of
from sklearn.metrics import f1_score, roc_auc_score

from pipeline.feasibility.pairs import APART, MOST, area, measure, merged, pairs_section, perhaps_one, without

SIZES = [120, 40, 35, 30]
ALL_LEARNT = [True] * 4


def halves(seed=0, sizes=SIZES):
    """Classes c and d are drawn from one; the nets answer one or the other at random."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(range(4), sizes)
    study = study_of(labels)
    either = np.where(labels >= 2, rng.integers(2, 4, len(labels)), labels)
    return study, answers(study, either, 5, rng)


def known(study):
    """Answers of nets that know the photographs by heart."""
    return from_logits(study, 9 * np.eye(len(study.class_names))[study.labels])


def test_two_halves_of_one_class_are_not_told_apart():
    apart = []
    for seed in range(20):
        _, folds = halves(seed)
        apart.append(area(folds, 2, 3, np.random.default_rng(seed)).high > APART)
    assert sum(apart) <= 2


def test_the_pair_is_named_and_merging_it_brings_what_it_says():
    study, folds = halves()
    found = measure(folds, known(study), ALL_LEARNT, np.random.default_rng(0))
    first = found[0]
    assert (first.first, first.second, first.told_apart) == (2, 3, False)
    assert [pair.told_apart for pair in found[1:]].count(False) == 0
    relabelled = np.where(study.labels == 3, 2, study.labels)
    chances = folds.probabilities.copy()
    chances[:, 2] += chances[:, 3]
    easier = f1_score(relabelled, chances[:, :3].argmax(axis=1), average="macro")
    assert first.merged.value == pytest.approx(easier)
    assert first.gain.value == pytest.approx(easier - f1_score(study.labels, folds.y_pred, average="macro"))
    assert 0.05 < first.gain.low <= first.gain.value <= first.gain.high
    assert first.merged.low < easier < first.merged.high
    kept = study.labels != 3
    rest = f1_score(study.labels[kept], folds.probabilities[kept, :3].argmax(axis=1), average="macro")
    assert first.dropped.value == pytest.approx(rest)
    section = pairs_section(found, study)
    assert section.said[0].startswith("c and d are not told apart")
    assert "Merge them" in section.said[0]
    assert len(section.table.rows) == len(found)
    assert section.pictures[0].svg.startswith("<svg")


@pytest.mark.parametrize("by", ["the pair", "one of the classes"])
def test_what_was_not_learnt_is_not_called_one_class(by):
    """Nets that tell apart just as little what they were taught with, or that have not learnt one of the two."""
    study, folds = halves()
    seen, learnt = (halves(1)[1], ALL_LEARNT) if by == "the pair" else (known(study), [True, True, False, True])
    found = measure(folds, seen, learnt, np.random.default_rng(0))
    assert (found[0].first, found[0].second, found[0].told_apart, found[0].learnt) == (2, 3, None, False)
    said = text(pairs_section(found, study))
    assert "what they were taught with: c and d. They were not trained for long enough." in said
    assert "c and d are not told apart" not in said


def test_a_class_that_is_like_two_different_ones_is_not_one_with_either():
    """The nets tell a from b, and know nothing of c."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [60, 60, 40])
    study = study_of(labels)
    logits = 3 * np.eye(3)[labels]
    logits[labels == 2] = 3
    logits[:, 2] = 3 + rng.normal(0, 1, 160)
    folds = from_logits(study, logits)
    assert [area(folds, *pair, rng).low <= 0.5 for pair in ((0, 2), (1, 2))] == [True, True]
    assert area(folds, 0, 1, rng).low > APART
    assert perhaps_one(folds, rng) == []


def test_three_thirds_of_a_class_are_one():
    rng = np.random.default_rng(0)
    three = np.repeat([0, 1, 2, 3], [80, 40, 40, 40])
    split = study_of(three)
    parts = np.where(three > 0, rng.integers(1, 4, 200), 0)
    assert sorted(perhaps_one(answers(split, parts, 5, rng), rng)) == [(1, 2), (1, 3), (2, 3)]


def test_what_is_hard_but_real_is_not_called_one_class():
    """An area of 0.85, with 30 photographs of each."""
    labels = np.repeat([0, 1], 30)
    study = study_of(labels)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        score = rng.normal(0, 1, 60) + 1.466 * labels
        folds = from_logits(study, np.stack([-score, score], axis=1))
        assert area(folds, 0, 1, rng).high > APART


def test_of_a_handful_nothing_is_claimed():
    study, folds = halves(sizes=[60, 40, 8, 6])
    found = [
        pair
        for pair in measure(folds, known(study), ALL_LEARNT, np.random.default_rng(0))
        if (pair.first, pair.second) == (2, 3)
    ]
    assert found[0].told_apart is None
    assert "Not known" in text(pairs_section(found, study))


def test_the_interval_holds_the_area():
    """Of normal scores 1.4 apart, whose area is 0.839, where 12 and 40 photographs are known."""
    held, labels = 0, np.repeat([0, 1], [12, 40])
    study = study_of(labels)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        score = rng.normal(0, 1, 52) + 1.4 * labels
        measured = area(from_logits(study, np.stack([-score, score], axis=1)), 0, 1, rng)
        held += measured.low <= 0.839 <= measured.high
    assert held >= 92


def test_photographs_of_one_part_count_together():
    _, folds = halves()
    grouped = replace(folds, groups=np.arange(len(folds.rows)) // 5)
    alone, together = (area(each, 2, 3, np.random.default_rng(0)) for each in (folds, grouped))
    assert together.value == alone.value
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_where_there_are_only_two_nothing_is_left():
    labels = np.repeat([0, 1], 40)
    study = study_of(labels)
    rng = np.random.default_rng(0)
    found = measure(answers(study, rng.permutation(labels), 3, rng), known(study), ALL_LEARNT, rng)
    assert np.isnan([found[0].merged.value, found[0].gain.value, found[0].dropped.value]).all()
    assert "nothing is left to tell" in text(pairs_section(found, study))
    assert "nan" not in text(pairs_section(found, study))


def test_without_mistakes_no_pair_is_named():
    labels = np.repeat([0, 1, 2], 10)
    study = study_of(labels)
    found = measure(known(study), known(study), ALL_LEARNT, np.random.default_rng(0))
    assert found == ()
    assert pairs_section(found, study).said == ["No two classes are mixed up."]


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(0, 2), min_size=6, max_size=40), st.integers(0, 1000))
def test_any_answers_are_measured(labels, seed):
    rng = np.random.default_rng(seed)
    study = study_of([0, 1, *labels], names="abc")
    folds = from_logits(study, rng.normal(0, 2, (len(study.rows), 3)).round())
    found = measure(folds, known(study), ALL_LEARNT, rng)
    assert len(found) <= MOST
    assert [pair.auc.value for pair in found] == sorted(pair.auc.value for pair in found)
    for pair in found:
        own = np.isin(study.labels, [pair.first, pair.second])
        share = folds.probabilities[own, pair.second] / folds.probabilities[own][:, [pair.first, pair.second]].sum(1)
        expected = roc_auc_score(study.labels[own] == pair.second, share.round(9))
        assert pair.auc.value == pytest.approx(expected, abs=1e-6)
        for each in (pair.auc, pair.merged, pair.dropped, pair.gain):
            assert each.low <= each.value <= each.high


def test_answers_of_fewer_classes_are_answers():
    _, folds = halves()
    for fewer, of_folder in ((merged(folds, 1, 3), "abcb"), (without(folds, 0), "-bcd")):
        assert fewer.probabilities.shape == (len(fewer.y_true), 3)
        np.testing.assert_allclose(fewer.probabilities.sum(axis=1), 1)
        assert [fewer.class_names[k] for k in fewer.y_true] == [
            of_folder["abcd".index(path[0])] for path in fewer.paths
        ]
