"""Macro F1 and F1 by class with their intervals, alone and of one answer over another, on the same photographs."""

from dataclasses import replace

import numpy as np

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.groups import Clusters, clusters
from pipeline.evaluation.intervals import score_intervals
from pipeline.evaluation.metrics import Scores, confusion_matrix, score
from pipeline.evaluation.paired import Pairs, difference, difference_intervals
from pipeline.evaluation.predictions import IntArray, Predictions


def among(answers: Predictions, rows: IntArray) -> Predictions:
    """Return the answers for those of `rows`, int64, that there are answers for."""
    kept = np.flatnonzero(np.isin(answers.rows, rows))
    return replace(
        answers,
        y_true=answers.y_true[kept],
        probabilities=answers.probabilities[kept],
        paths=[answers.paths[place] for place in kept.tolist()],
        rows=answers.rows[kept],
        groups=answers.groups[kept],
        outlier_scores=None if answers.outlier_scores is None else answers.outlier_scores[kept],
    )


def together(answers: Predictions) -> Clusters:
    """Return which of the photographs belong together."""
    return clusters(answers.y_true, answers.y_pred, answers.groups, len(answers.class_names))


def scored(
    y_true: IntArray, y_pred: IntArray, groups: IntArray, num_classes: int, rng: np.random.Generator
) -> tuple[Scores, Scores, Scores]:
    """Return all scores of N >= 1 answers, int64 (N,), and their lower and upper 95% limits; groups weigh as wholes."""
    value = score(y_true, y_pred, num_classes)
    confusion = confusion_matrix(y_true, y_pred, num_classes)
    together = clusters(y_true, y_pred, groups, num_classes)
    return value, *score_intervals(confusion, value, rng, together=together)


def macro_f1(
    y_true: IntArray, y_pred: IntArray, groups: IntArray, num_classes: int, rng: np.random.Generator
) -> Measured:
    """Return macro F1 alone; see `scored`."""
    value, low, high = scored(y_true, y_pred, groups, num_classes, rng)
    return Measured(value.macro_f1, low.macro_f1, high.macro_f1)


def f1_of(answers: Predictions, rng: np.random.Generator) -> tuple[Measured, tuple[Measured, ...]]:
    """Return macro F1, and F1 of each of the K classes; groups are weighed as wholes."""
    value, low, high = scored(answers.y_true, answers.y_pred, answers.groups, len(answers.class_names), rng)
    ends = zip(value.f1.tolist(), low.f1.tolist(), high.f1.tolist(), strict=True)
    return Measured(value.macro_f1, low.macro_f1, high.macro_f1), tuple(Measured(*each) for each in ends)


def gain_of(answers: Predictions, over: Predictions, rng: np.random.Generator) -> Measured:
    """Return what the one has in macro F1 over the other; both answer for the same photographs, in the same order."""
    assert np.array_equal(answers.rows, over.rows)
    pairs = Pairs(len(answers.class_names), answers.y_true, over.y_pred, answers.y_pred, answers.groups)
    value = difference(*pairs.scores())
    low, high = difference_intervals(pairs, value, rng)
    return Measured(value.macro_f1, low.macro_f1, high.macro_f1)
