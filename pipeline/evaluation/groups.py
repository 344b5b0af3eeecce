"""Photographs that belong together, and what is left of their number as evidence.

Photographs of one part at several exposures are not as many independent ones: where a net is right about one, it mostly
is about the others. How much so cannot be told from a handful, and is not guessed: groups, as `split` keeps them
together, are weighed as wholes.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from pipeline.evaluation.predictions import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Clusters:
    """A confusion matrix, and which of its photographs belong together.

    Groups with the same answers are alike, and stand here once; none of it depends on the order of the photographs, or
    on the numbers of the groups.

    Attributes
    ----------
    support : int64 (K,), the photographs of each class.
    alone : int64 (K, K), the photographs that are groups of their own, rows = true class.
    alike : int64 (P,), how many of the other groups are of each of the P kinds.
    cells : float64 (P, K * K), the confusion matrix of one group of each kind; sparse.
    groups : int64 (K,), the groups that hold photographs of each class.
    size : float64 (K,), photographs of the class in the group of one of them, on average over these; 1 without any.
    """

    support: IntArray
    alone: IntArray
    alike: IntArray
    cells: csr_array
    groups: IntArray
    size: FloatArray

    def draw(self, rng: np.random.Generator, draws: int) -> FloatArray:
        """Weigh each group anew, by a standard exponential: confusion matrices of any scale, (draws, K, K)."""
        drawn: FloatArray = rng.standard_gamma(self.alone, size=(draws, *self.alone.shape))
        if len(self.alike):
            weights = rng.standard_gamma(self.alike, size=(draws, len(self.alike)))
            drawn += (weights @ self.cells).reshape(drawn.shape)
        return drawn


def apart(confusion: IntArray) -> Clusters:
    """Return the photographs of a confusion matrix as groups of one each."""
    support = confusion.sum(axis=1)
    none = _matrix([], confusion.size)
    return Clusters(support, confusion, np.empty(0, np.int64), none, support, np.ones(len(confusion)))


def clusters(y_true: IntArray, y_pred: IntArray, groups: IntArray, num_classes: int) -> Clusters:
    """Return what belongs together of the answers of one part.

    Parameters
    ----------
    y_true, y_pred : int64 (N,), 0 to K - 1.
    groups : int64 (N,), any numbers: photographs with the same one belong together.
    """
    held = defaultdict(list)
    for group, cell in zip(groups.tolist(), (y_true * num_classes + y_pred).tolist(), strict=True):
        held[group].append(cell)
    kinds = sorted(Counter(tuple(sorted(cells)) for cells in held.values()).items())
    alone = np.zeros(num_classes**2, np.int64)
    alone[[cells[0] for cells, _ in kinds if len(cells) == 1]] = [times for cells, times in kinds if len(cells) == 1]
    several = [(cells, times) for cells, times in kinds if len(cells) > 1]
    members = class_sizes(y_true, groups, num_classes)
    return Clusters(
        support=np.array([sizes.sum() for sizes in members], np.int64),
        alone=alone.reshape(num_classes, num_classes),
        alike=np.array([times for _, times in several], np.int64),
        cells=_matrix([cells for cells, _ in several], num_classes**2),
        groups=np.array([len(sizes) for sizes in members], np.int64),
        size=np.array([size_of_one(sizes) for sizes in members]),
    )


def class_sizes(y_true: IntArray, groups: IntArray, num_classes: int) -> list[IntArray]:
    """Return for each class how many photographs of it each group has that has any: K arrays int64."""
    pairs, counts = np.unique(np.stack([y_true, groups]), axis=1, return_counts=True)
    return [counts[pairs[0] == k].astype(np.int64) for k in range(num_classes)]


def size_of_one(sizes: IntArray) -> float:
    """Return how large the group of a photograph is on average, for groups of these sizes; 1 without any.

    It is what N photographs shrink by if those of a group always get the same answer: the design effect of L. Kish,
    "Survey Sampling" (1965), at a correlation of 1 within groups.
    """
    return float((sizes**2).sum() / sizes.sum()) if len(sizes) else 1.0


def _matrix(rows: list[tuple[int, ...]], width: int) -> csr_array:
    starts = np.cumsum([0, *map(len, rows)])
    columns = np.array([cell for cells in rows for cell in cells], np.int64)
    matrix = csr_array((np.ones(len(columns)), columns, starts), shape=(len(rows), width))
    matrix.sum_duplicates()
    return matrix
