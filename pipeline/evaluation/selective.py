"""What if a person looks at the photographs of which the net is not sure? Fewer answers, and fewer mistakes among them.

The risk-coverage curve of R. El-Yaniv and Y. Wiener, "On the Foundations of Noise-free Selective Classification" (JMLR
11, 2010): the share of mistakes among the answers, over the share of photographs that are answered, as the confidence
that is asked for falls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.estimates import Rate, exact_interval, rate_of
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions

CUTS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Fixed beforehand: one that is searched on test would flatter."""


@dataclass(frozen=True)
class Cut:
    """A person gets what has a confidence below `below`: the share that is answered, and the mistakes among it."""

    below: float
    answered: Rate
    mistakes: Rate


def cuts(predictions: Predictions, confidences: Sequence[float] = CUTS) -> list[Cut]:
    """Return what comes of sending photographs below each confidence, 0 to 1, to a person."""
    wrong = predictions.y_pred != predictions.y_true
    found = []
    for below in confidences:
        kept = predictions.confidence >= below
        found.append(Cut(below, rate_of(kept, predictions.groups), rate_of(wrong[kept], predictions.groups[kept])))
    return found


def risk_coverage(predictions: Predictions) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return coverage, risk, and the 95% limits of the risk, float64 (C,) each, 0 to 1, from the surest answer to all.

    Photographs of the same confidence are answered together, as no cut divides them. The limits hold at each point for
    itself, not for the curve as a whole.
    """
    order = np.argsort(-predictions.confidence, kind="stable")
    wrong = np.cumsum((predictions.y_pred != predictions.y_true)[order])
    sure = predictions.confidence[order]
    ends = np.flatnonzero(np.append(np.diff(sure) != 0, True))
    shares = 1 / _sizes_so_far(predictions.groups[order])
    limits = np.array([exact_interval(float(wrong[end] * shares[end]), float((end + 1) * shares[end])) for end in ends])
    return (ends + 1) / len(order), wrong[ends] / (ends + 1), limits[:, 0], limits[:, 1]


def _sizes_so_far(groups: IntArray) -> FloatArray:
    """Return for each n from 1 to N how large the group of a photograph is on average, among the first n."""
    _, of = np.unique(groups, return_inverse=True)
    seen = np.zeros(len(groups), np.int64)
    by_group = np.argsort(of, kind="stable")
    starts = np.searchsorted(of[by_group], of[by_group])
    seen[by_group] = np.arange(len(groups)) - starts
    # A group that grows from n to n + 1 adds 2 n + 1 to the sum of the squares.
    sizes: FloatArray = np.cumsum(2 * seen + 1) / np.arange(1, len(groups) + 1)
    return sizes
