"""What scores chance gives: F1 of answers that know nothing, over permutations of the labels that judge them.

M. Ojala and G. Garriga, "Permutation tests for studying classifier performance" (Journal of Machine Learning Research
11, 2010), test 1: permute the labels, train and judge by them, many times; the p-value is the share of these scores
that are as high as the true one. Hundreds of trainings are out of reach, so the nets of one training on permuted labels
answer, and 999 further permutations judge them. Whatever those nets may have met of the true labels is lost in these.

What is permuted: labels from group to group, since photographs of one part are not independent; and within each fold,
since the folds are dealt so that all have like shares of every class, and a net is never judged by labels that it
learnt. A group that takes over the labels of one of another size repeats them, or takes the first.

What is lost by not training again: of two photographs in different folds each teaches the net that judges the other.
By chance both are then right together, so that scores of retrained nets vary more than those of one set of answers
(Y. Bengio and Y. Grandvalet, "No unbiased estimator of the variance of k-fold cross-validation", same journal 5, 2004).
Where an answer is a sum of what single photographs have taught, each pair counts twice instead of once, and the
variance is twice as large at the most. So all scores are moved away from their mean by the square root of 2. Chance
alone then has p <= 0.05 in less than 5% of sets; without it, in up to 11% (`tests/unit/feasibility/test_chance.py`).
"""

import math

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions

PERMUTATIONS = 999
_SPREAD = math.sqrt(2)
_BATCH = 1 << 20  # labels at once, for memory's sake


def by_chance(
    answers: Predictions, fold: IntArray, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> tuple[FloatArray, FloatArray]:
    """Return macro F1 and F1 by class of these answers by chance.

    Parameters
    ----------
    answers : for N photographs, each by a net that has not seen it.
    fold : int64 (N,), in which each was judged; all of a group in the same.

    Returns
    -------
    macro_f1, f1 : float64 (P,) and (P, K), 0 to 1.
    """
    labels = Labels(answers.y_true, answers.groups, fold)
    said, num_classes = answers.y_pred[labels.order], len(answers.class_names)
    batch = max(1, _BATCH // len(said))
    sizes = [min(batch, permutations - done) for done in range(0, permutations, batch)]
    f1 = np.concatenate([_f1(labels.permuted(rng, size), said, num_classes) for size in sizes])
    return _spread(f1[:, np.unique(answers.y_true)].mean(axis=1)), _spread(f1)


def p_value(value: float, chance: FloatArray) -> float:
    """Return how likely chance is to give `value` or more, by its scores (P,): 1 / (P + 1) to 1."""
    return (1 + int((chance >= value - 1e-12).sum())) / (1 + len(chance))


class Labels:
    """The labels of photographs, in `order`: fold by fold, group by group."""

    def __init__(self, labels: IntArray, groups: IntArray, fold: IntArray) -> None:
        self.order = np.lexsort((groups, fold))
        self._labels = labels[self.order]
        _, self._first, self._size = np.unique(
            np.stack([fold, groups])[:, self.order], axis=1, return_index=True, return_counts=True
        )
        self._fold = fold[self.order][self._first]
        self._member = np.repeat(np.arange(len(self._size)), self._size)
        self._place = np.arange(len(labels)) - self._first[self._member]

    def permuted(self, rng: np.random.Generator, times: int) -> IntArray:
        """Return the labels, int64 (times, N), with each group's taken from a group of its fold, drawn anew each time.

        Each group of a fold gives its labels to one.
        """
        drawn = np.argsort(self._fold + rng.random((times, len(self._fold))), axis=1)
        other = drawn[:, self._member]
        taken: IntArray = self._labels[self._first[other] + self._place % self._size[other]]
        return taken


def _f1(y_true: IntArray, y_pred: IntArray, num_classes: int) -> FloatArray:
    """Return F1 by class, (P, K), for labels (P, N) and answers (N,)."""
    hits, support = (_counts(y_true, which, num_classes) for which in (y_true == y_pred, np.ones_like(y_true, bool)))
    given = np.bincount(y_pred, minlength=num_classes)
    f1: FloatArray = 2 * hits / np.maximum(support + given, 1)
    return f1


def _counts(labels: IntArray, which: npt.NDArray[np.bool_], num_classes: int) -> IntArray:
    """Count the marked labels, (P, N), of each class in each row: int64 (P, K)."""
    places = labels + num_classes * np.arange(len(labels))[:, None]
    return np.bincount(places[which], minlength=len(labels) * num_classes).reshape(-1, num_classes)


def _spread(scores: FloatArray) -> FloatArray:
    mean = scores.mean(axis=0)
    spread: FloatArray = np.clip(mean + _SPREAD * (scores - mean), 0, 1)
    return spread
