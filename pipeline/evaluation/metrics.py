"""Scores of a classifier on one part; scikit-learn does the arithmetic."""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics

from pipeline.errors import DataError
from pipeline.evaluation.predictions import FloatArray, IntArray

PER_CLASS = ("precision", "recall", "f1")
OVERALL = {
    "macro_f1": "Macro F1",
    "balanced_accuracy": "Balanced accuracy",
    "mcc": "MCC",
    "weighted_f1": "Weighted F1",
    "accuracy": "Accuracy",
}


@dataclass(frozen=True, eq=False)
class Scores:
    """One number a score: the values themselves, or one end of their intervals.

    Arrays are float64 (K,), 0 to 1, in class order; the rest are 0 to 1, `mcc` (Matthews correlation) is -1 to 1.
    """

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    macro_f1: float
    balanced_accuracy: float
    mcc: float
    weighted_f1: float
    accuracy: float


def confusion_matrix(y_true: IntArray, y_pred: IntArray, num_classes: int) -> IntArray:
    """Count the images of each true class (row) that were given each class (column): int64 (K, K)."""
    counts: IntArray = metrics.confusion_matrix(y_true, y_pred, labels=np.arange(num_classes)).astype(np.int64)
    return counts


def score(y_true: IntArray, y_pred: IntArray, num_classes: int) -> Scores:
    """Score the predictions of one part.

    A ratio without a denominator (the recall of a class without images, the precision of a class that is never
    predicted) is 0. Macro F1 and balanced accuracy are means over the classes that have images in this part: one that
    has none cannot be measured here, and what was wrongly given to it already lowers the recall of its own class.

    Parameters
    ----------
    y_true, y_pred : int64 (N,), 0 to K - 1.

    Raises
    ------
    DataError
        If there is no image.
    """
    if len(y_true) == 0:
        raise DataError("wanted at least one image to score, found none")
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y_true, y_pred, labels=np.arange(num_classes), zero_division=0
    )
    present = np.unique(y_true)
    return Scores(
        precision=precision,
        recall=recall,
        f1=f1,
        macro_f1=float(f1[present].mean()),
        balanced_accuracy=float(recall[present].mean()),
        mcc=_mcc(y_true, y_pred),
        weighted_f1=float(metrics.f1_score(y_true, y_pred, average="weighted", zero_division=0)),
        accuracy=float(metrics.accuracy_score(y_true, y_pred)),
    )


def _mcc(y_true: IntArray, y_pred: IntArray) -> float:
    # scikit-learn warns where only one class occurs at all; the value is then 0, as for every constant answer.
    if len(np.union1d(y_true, y_pred)) < 2:
        return 0.0
    return float(metrics.matthews_corrcoef(y_true, y_pred))
