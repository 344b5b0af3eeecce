"""Macro F1 with its interval, and how measured scores are written: in a sentence, and over the lines of a drawing."""

import numpy as np

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.groups import clusters
from pipeline.evaluation.intervals import score_intervals
from pipeline.evaluation.metrics import Scores, confusion_matrix, score
from pipeline.evaluation.predictions import IntArray

ON_LINE = {"facecolor": "#ffffff", "edgecolor": "none", "pad": 1.0}
"""The box of a text of matplotlib's that stands over a line."""


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


def in_words(measured: Measured, sign: str = "") -> str:
    """Return "0.52 [0.43, 0.60]", each with its sign where `sign` is "+"; "-" where it is NaN."""
    if np.isnan(measured.value):
        return "-"
    value, low, high = (format(each, f"{sign}.2f") for each in (measured.value, measured.low, measured.high))
    return f"{value} [{low}, {high}]"
