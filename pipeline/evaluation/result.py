"""What is known about a classifier after one part: scores, their intervals and the confusion matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.intervals import score_intervals, too_small
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, Scores, confusion_matrix, score
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions


@dataclass(frozen=True, eq=False)
class Result:
    """The scores of one part with the ends of their 95% intervals.

    Attributes
    ----------
    class_names : the K classes.
    confusion : int64 (K, K), rows = true class.
    value, low, high : each score, and the limits around it.
    """

    class_names: tuple[str, ...]
    confusion: IntArray
    value: Scores
    low: Scores
    high: Scores

    @property
    def support(self) -> IntArray:
        """int64 (K,): the images of each class."""
        counts: IntArray = self.confusion.sum(axis=1)
        return counts

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    def notes(self) -> list[str]:
        """Per class, in words, why it cannot be judged; "" if it can."""
        rows = zip(self.support.tolist(), self.low.f1.tolist(), self.high.f1.tolist(), strict=True)
        return [too_small(*row) or "" for row in rows]

    def to_json(self) -> dict[str, Any]:
        """Return the part's entry in `metrics.json`: nested dicts of numbers, as `dvc metrics` wants them.

        `macro_f1`, `macro_f1_low`, `macro_f1_high` and so on, then `f1`, `f1_low`, `f1_high` and so on by class name.
        """
        ends: Mapping[str, Scores] = {"": self.value, "_low": self.low, "_high": self.high}
        overall = {name + end: _rounded(getattr(s, name)) for name in OVERALL for end, s in ends.items()}
        per_class = {name + end: self._by_class(getattr(s, name)) for name in PER_CLASS for end, s in ends.items()}
        support = dict(zip(self.class_names, self.support.tolist(), strict=True))
        return {"images": self.images, **overall, **per_class, "support": support}

    def _by_class(self, values: FloatArray) -> dict[str, float]:
        return {name: _rounded(value) for name, value in zip(self.class_names, values, strict=True)}


def evaluate_part(y_true: IntArray, y_pred: IntArray, class_names: tuple[str, ...], rng: np.random.Generator) -> Result:
    """Score the predictions of one part and say how far each score can be trusted.

    Parameters
    ----------
    y_true, y_pred : int64 (N,), 0 to K - 1.
    rng : makes the draws behind the intervals.

    Raises
    ------
    DataError
        If there is no image, or fewer than two classes.
    """
    if len(class_names) < 2:
        raise DataError(f"wanted at least two classes to score, found {len(class_names)}")
    value = score(y_true, y_pred, len(class_names))
    confusion = confusion_matrix(y_true, y_pred, len(class_names))
    low, high = score_intervals(confusion, value, rng)
    return Result(class_names, confusion, value, low, high)


def evaluate_parts(parts: Mapping[str, Predictions], seed: int) -> dict[str, Result]:
    """As `evaluate_part`, for each part, from the same seed."""
    return {
        name: evaluate_part(each.y_true, each.y_pred, each.class_names, np.random.default_rng(seed))
        for name, each in parts.items()
    }


def _rounded(value: float) -> float:
    return round(float(value), 6)  # finer digits are noise, and a committed file stays readable
