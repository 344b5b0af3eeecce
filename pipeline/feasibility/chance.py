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
variance is twice as large at the most. So all scores are moved away from their mean by the square root of 2: then chance
alone has p <= 0.05 in less than 5% of sets, which `tests/unit/feasibility/test_chance.py` tries; without it, in up to
11% of them.
"""

import numpy as np

from pipeline.evaluation.intervals import class_scores
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions

PERMUTATIONS = 999
_SPREAD = np.sqrt(2)


def by_chance(answers: Predictions, fold: IntArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return macro F1 and F1 by class of these answers by chance.

    Parameters
    ----------
    answers : for N photographs, each by a net that has not seen it.
    fold : int64 (N,), in which each was judged; all of a group in the same.

    Returns
    -------
    macro_f1, f1 : float64 (P,) and (P, K), 0 to 1.
    """
    num_classes = len(answers.class_names)
    labels = _Labels(answers.y_true, answers.groups, fold)
    f1 = np.array(
        [_f1(labels.permuted(rng), answers.y_pred[labels.order], num_classes) for _ in range(PERMUTATIONS)]
    )
    return _spread(f1[:, np.unique(answers.y_true)].mean(axis=1)), _spread(f1)


def p_value(value: float, chance: FloatArray) -> float:
    """Return how likely chance is to give `value` or more, by its scores (P,): 1 / (P + 1) to 1."""
    return (1 + int((chance >= value - 1e-12).sum())) / (1 + len(chance))


class _Labels:
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

    def permuted(self, rng: np.random.Generator) -> IntArray:
        """Return the labels with each group's taken from a group of the same fold, drawn without putting back."""
        other = np.lexsort((rng.random(len(self._fold)), self._fold))[self._member]
        taken: IntArray = self._labels[self._first[other] + self._place % self._size[other]]
        return taken


def _f1(y_true: IntArray, y_pred: IntArray, num_classes: int) -> FloatArray:
    hits = np.bincount(y_true[y_true == y_pred], minlength=num_classes).astype(float)
    support, given = (np.bincount(labels, minlength=num_classes) for labels in (y_true, y_pred))
    f1: FloatArray = class_scores(hits, support, given.astype(float))[2]
    return f1


def _spread(scores: FloatArray) -> FloatArray:
    mean = scores.mean(axis=0)
    return np.clip(mean + _SPREAD * (scores - mean), 0, 1)
