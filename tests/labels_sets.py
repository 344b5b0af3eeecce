"""Made studies, and answers of nets that know so much and no more."""

import numpy as np
from judged_sets import packed_set

from pipeline.data.packed import PackedSet
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility.study import FOLDS, Study


def study_of(labels, groups=None, packed: PackedSet | None = None, names=None, **columns) -> Study:
    """A study of all photographs; the groups of each class are dealt to the folds in turn."""
    labels = np.array(labels, np.int64)
    names = tuple(names or "abcdefghij"[: labels.max() + 1])
    group = np.arange(len(labels)) if groups is None else np.array(groups, np.int64)
    fold = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = np.unique(group[labels == label])
        fold[labels == label] = np.searchsorted(own, group[labels == label]) % FOLDS
    return Study(packed or packed_set(labels.tolist(), names, **columns), np.arange(len(labels)), group, fold, 0)


def answers(study: Study, truth, knowledge, rng) -> Predictions:
    """What nets say that know the truth so well: calibrated by and large, and blind to the labels.

    A photograph is hard or easy: what speaks for its true class is `knowledge` times a standard exponential.
    """
    truth = np.array(truth, np.int64)
    logits = rng.normal(0, 1, (len(truth), len(study.class_names)))
    logits[np.arange(len(truth)), truth] += knowledge * rng.standard_exponential(len(truth))
    return from_logits(study, 2 * logits)


def from_logits(study: Study, logits) -> Predictions:
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    paths = [entry.path for entry in study.packed.index]
    return Predictions(study.class_names, study.labels, chances, paths, study.rows, study.group[study.rows])


def wrong_labels(truth, share, num_classes, rng):
    """`truth` with that share of it made another class."""
    labels = np.array(truth, np.int64)
    rows = rng.choice(len(labels), round(share * len(labels)), replace=False)
    labels[rows] = (labels[rows] + rng.integers(1, num_classes, len(rows))) % num_classes
    return labels
