"""What chance gives: whether p-values keep what they promise where there is nothing to be learnt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility import chance
from pipeline.feasibility.chance import Labels, by_chance, p_value
from pipeline.feasibility.study import FOLDS

SETS = 300


def predictions(y_true, y_pred, groups):
    classes = int(y_true.max()) + 1
    names = tuple("abcdefgh"[:classes])
    rows = np.arange(len(y_true))
    return Predictions(names, y_true, np.eye(classes)[y_pred], [str(row) for row in rows], rows, groups)


def macro_f1(y_true, y_pred):
    """As scikit-learn's, which takes twenty times as long to look at what it is given."""
    own, said = (labels[:, None] == np.unique(y_true) for labels in (y_true, y_pred))
    return (2 * (own & said).sum(axis=0) / (own.sum(axis=0) + said.sum(axis=0))).mean()


class Noise:
    """Photographs whose features say nothing about their class, in groups that look alike, dealt into folds."""

    def __init__(self, counts, size, seed):
        self.rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(len(counts)), [count // size for count in counts])
        self.groups = np.repeat(np.arange(len(labels)), size)
        self.labels = labels[self.groups]
        self.fold = np.concatenate([self.rng.permutation(count // size) % FOLDS for count in counts])[self.groups]
        features = self.rng.normal(size=(len(labels), 20))[self.groups]
        features += 0.3 * self.rng.normal(size=features.shape)
        self._likeness = features @ features.T * (self.fold[:, None] != self.fold)

    def learnt(self, labels):
        """Out-of-fold answers of a linear classifier of balanced classes that learns these labels."""
        votes = np.eye(labels.max() + 1)[labels]
        return (self._likeness @ (votes / votes.sum(axis=0))).argmax(axis=1)

    def p(self, shuffled):
        answers = predictions(self.labels, self.learnt(self.labels), self.groups)
        ordered = Labels(self.labels, self.groups, self.fold)
        other = np.empty_like(self.labels)
        other[ordered.order] = ordered.permuted(self.rng, 1)[0]
        asked = predictions(self.labels, self.learnt(other), self.groups) if shuffled else answers
        drawn, _ = by_chance(asked, self.fold, self.rng, permutations=99)
        return p_value(macro_f1(self.labels, answers.y_pred), drawn)


def p_values(counts, size, shuffled):
    return np.array([Noise(counts, size, seed).p(shuffled) for seed in range(SETS)])


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize(("counts", "size"), [([60, 30, 20, 8], 1), ([80, 60, 40, 40], 4)])
def test_chance_is_seldom_taken_for_more(counts, size, shuffled):
    p = p_values(counts, size, shuffled)
    assert (p <= 0.05).mean() <= 0.05
    assert 0.35 < (p <= 0.5).mean() < 0.6


def test_it_would_be_too_often_if_retrained_nets_were_taken_to_vary_no_more_than_one_set_of_answers(monkeypatch):
    monkeypatch.setattr(chance, "_SPREAD", 1.0)
    assert (p_values([60, 30, 20, 8], 1, shuffled=True) <= 0.05).mean() > 0.06


def test_signal_has_a_small_p():
    noise = Noise([60, 30, 20, 8], 1, 0)
    said = np.where(noise.rng.random(len(noise.labels)) < 0.7, noise.labels, 0)
    answers = predictions(noise.labels, said, noise.groups)
    drawn, by_class = by_chance(answers, noise.fold, noise.rng)
    assert drawn.shape == (999,)
    assert by_class.shape == (999, 4)
    assert p_value(macro_f1(noise.labels, said), drawn) == 0.001


photographs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=40)


@given(photographs, st.integers(0, 99))
def test_labels_go_from_group_to_group_of_a_fold(pairs, seed):
    group = np.array([group for _, group in pairs])
    labels, fold = group % 4, group % FOLDS  # a group has one class and one fold
    ordered = Labels(labels, group, fold)
    taken = ordered.permuted(np.random.default_rng(seed), 2)[1]
    for k in np.unique(fold):
        of_group = {int(g): set(taken[group[ordered.order] == g].tolist()) for g in np.unique(group[fold == k])}
        assert all(len(classes) == 1 for classes in of_group.values())
        assert sorted(next(iter(classes)) for classes in of_group.values()) == sorted(g % 4 for g in of_group)


@given(photographs, st.integers(0, 99))
def test_photographs_that_stand_alone_keep_the_classes_of_their_fold(pairs, seed):
    labels, fold = np.array([label for label, _ in pairs]), np.array([other % FOLDS for _, other in pairs])
    ordered = Labels(labels, np.arange(len(labels)), fold)
    taken = ordered.permuted(np.random.default_rng(seed), 2)[1]
    for k in np.unique(fold):
        own = fold[ordered.order] == k
        assert sorted(taken[own].tolist()) == sorted(labels[fold == k].tolist())
