"""What is known about a classifier after one part: scores, their intervals and the confusion matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.groups import clusters
from pipeline.evaluation.intervals import score_intervals, too_small
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, Scores, confusion_matrix, score
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions
from pipeline.evaluation.ranking import AveragePrecision, average_precision

AVERAGE_PRECISION = "average_precision"
ENDS = ("", "_low", "_high")
FEW_GROUPS = 3
"""Groups of a class below which its part in a score over all classes is hardly known."""


@dataclass(frozen=True, eq=False)
class Result:
    """The scores of one part with the ends of their 95% intervals.

    Attributes
    ----------
    class_names : the K classes.
    confusion : int64 (K, K), rows = true class.
    value, low, high : each score, and the limits around it.
    groups : int64 (K,), how many groups the photographs of each class are from; one is whole in a part.
    num_groups : of all classes together.
    average_precision : None where the probabilities are not known.
    """

    class_names: tuple[str, ...]
    confusion: IntArray
    value: Scores
    low: Scores
    high: Scores
    groups: IntArray
    num_groups: int
    average_precision: AveragePrecision | None = None

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
        ends = self.low.f1.tolist(), self.high.f1.tolist()
        rows = zip(self.support.tolist(), *ends, self.groups.tolist(), strict=True)
        return [too_small(*row) or "" for row in rows]

    @property
    def grouped(self) -> bool:
        """Whether any photographs belong together."""
        return self.num_groups < self.images

    def basis(self) -> str:
        """Say in sentences how many photographs and groups all of this rests on, and what that does to it."""
        images = f"{self.images} photograph{'s' if self.images > 1 else ''}"
        if self.grouped:
            groups = f"{self.num_groups} group{'s' if self.num_groups > 1 else ''}"
            said = f"{images} in {groups}. Those of one are not independent: the intervals weigh whole groups."
        else:
            said = f"{images}, each a group of its own."
        present = self.groups[self.groups > 0]
        if (present < FEW_GROUPS).mean() > 0.5:
            said += (
                f" {int((present < FEW_GROUPS).sum())} of {len(present)} classes have fewer than {FEW_GROUPS} groups: "
                "the intervals over all classes are too narrow."
            )
        return said

    def scores_by_class(self) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
        """Return by name, average precision last, each score by class: value, lower and upper limits, (K,) each."""
        scores = {name: self._ends(name) for name in PER_CLASS}
        if self.average_precision:
            found = self.average_precision
            scores[AVERAGE_PRECISION] = (found.value, found.low, found.high)
        return scores

    def scores_overall(self) -> dict[str, tuple[float, float, float]]:
        """Return by name, the mean average precision last, each score over all classes: value and limits."""
        scores = {name: self._ends(name) for name in OVERALL}
        if self.average_precision:
            mean = self.average_precision.mean
            scores[f"macro_{AVERAGE_PRECISION}"] = (mean.value, mean.low, mean.high)
        return scores

    def to_json(self) -> dict[str, Any]:
        """Return the part's entry in `metrics.json`: nested dicts of numbers, as `dvc metrics` wants them.

        `macro_f1`, `macro_f1_low`, `macro_f1_high` and so on, then `f1`, `f1_low`, `f1_high` and so on by class name.
        """
        overall = {
            name + end: _rounded(value)
            for name, values in self.scores_overall().items()
            for end, value in zip(ENDS, values, strict=True)
        }
        per_class = {
            name + end: self._by_class(values)
            for name, ends in self.scores_by_class().items()
            for end, values in zip(ENDS, ends, strict=True)
        }
        counts = {
            name: dict(zip(self.class_names, numbers.tolist(), strict=True))
            for name, numbers in (("support", self.support), ("support_groups", self.groups))
        }
        return {"images": self.images, "groups": self.num_groups, **overall, **per_class, **counts}

    def _ends(self, name: str) -> tuple[Any, Any, Any]:
        return getattr(self.value, name), getattr(self.low, name), getattr(self.high, name)

    def _by_class(self, values: FloatArray) -> dict[str, float]:
        return {name: _rounded(value) for name, value in zip(self.class_names, values, strict=True)}


def evaluate_part(
    y_true: IntArray,
    y_pred: IntArray,
    class_names: tuple[str, ...],
    rng: np.random.Generator,
    groups: IntArray | None = None,
    probabilities: FloatArray | None = None,
) -> Result:
    """Score the predictions of one part and say how far each score can be trusted.

    Parameters
    ----------
    y_true, y_pred : int64 (N,), 0 to K - 1.
    rng : makes the draws behind the intervals.
    groups : int64 (N,), any numbers: photographs with the same one belong together; None: each stands for itself.
    probabilities : float64 (N, K); without them there is no average precision.

    Raises
    ------
    DataError
        If there is no image, or fewer than two classes.
    """
    if len(class_names) < 2:
        raise DataError(f"wanted at least two classes to score, found {len(class_names)}")
    value = score(y_true, y_pred, len(class_names))
    confusion = confusion_matrix(y_true, y_pred, len(class_names))
    groups = np.arange(len(y_true)) if groups is None else groups
    together = clusters(y_true, y_pred, groups, len(class_names))
    low, high = score_intervals(confusion, value, rng, together=together)
    ranked = None if probabilities is None else average_precision(y_true, probabilities, groups, rng)
    return Result(class_names, confusion, value, low, high, together.groups, len(np.unique(groups)), ranked)


def evaluate_parts(parts: Mapping[str, Predictions], seed: int) -> dict[str, Result]:
    """As `evaluate_part`, for each part, from the same seed, with its groups and its average precision."""
    return {
        name: evaluate_part(
            each.y_true, each.y_pred, each.class_names, np.random.default_rng(seed), each.groups, each.probabilities
        )
        for name, each in parts.items()
    }


def _rounded(value: float) -> float:
    return round(float(value), 6)  # finer digits are noise, and a committed file stays readable
