"""Average precision: how well a net's probability of a class sorts out the photographs of that class, cut or no cut.

Of each class against all others: the mean, over the photographs of the class, of the precision that a threshold at just
this photograph has. 1 where all of them stand above all others; for a net that knows nothing about as much as the share
of the class. It is measured as scikit-learn does, without interpolation.

The 95% intervals are of the same kind as those in `intervals`: within each class, every group is weighed anew by a
standard exponential, and there is one more group, of which only the worst is assumed for the lower limit and the best
for the upper one. Of the class itself it stands below all others, or above all. Of the other classes together it is
half a group, which stands above all, or below all. So 8 photographs that stand above all others are not called perfect.
For the mean over classes, one class has the one more group, or all share it.

The average precision of a few photographs is too high, since each counts among those that it is compared with: of 2
drawn from 126 without any knowledge it is 0.05 and not 0.02 on average. A mean over small classes has more of that than
its interval is wide. So for the lower limit the precision at a photograph is not more than it is without its own group,
1 if that leaves none above it. `benchmarks/interval_coverage.py` measures how often the intervals hold the truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.groups import class_sizes, size_of_one
from pipeline.evaluation.intervals import CONFIDENCE, unknown
from pipeline.evaluation.metrics import PER_CLASS
from pipeline.evaluation.predictions import FloatArray, IntArray

DRAWS = 2000
OTHERS = 0.5  # of a group of the other classes is added
# Of thousands of photographs fewer draws: their limits lie near the value, and move by a tenth of that with the seed.
_FEWEST_DRAWS, _WEIGHED = 1000, 10_000_000
_BATCH = 1 << 19  # photographs weighed at once, for memory's sake


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """Of each class and their mean, with the limits of the 95% intervals, 0 to 1.

    Attributes
    ----------
    value, low, high : float64 (K,). A class without photographs has 0, and the interval 0 to 1.
    mean : over the classes that have photographs.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    mean: Measured


def average_precision(
    y_true: IntArray, probabilities: FloatArray, groups: IntArray, rng: np.random.Generator, draws: int | None = None
) -> AveragePrecision:
    """Measure how well N >= 1 photographs are sorted by the probability of each class.

    Parameters
    ----------
    y_true : int64 (N,), 0 to K - 1.
    probabilities : float64 (N, K), K >= 2.
    groups : int64 (N,), any numbers: photographs with the same one belong together.
    rng : makes the draws behind the intervals.
    draws : None: 2000, and fewer where there are thousands of photographs.
    """
    ranked = _Ranked(y_true, probabilities, groups)
    present, tail = ranked.sizes > 0, (1 - CONFIDENCE) / 2
    value = np.zeros(len(present))
    for k in np.flatnonzero(present):
        value[k] = average_precision_score(y_true == k, probabilities[:, k])
    draws = draws or int(np.clip(_WEIGHED // len(y_true), _FEWEST_DRAWS, DRAWS))
    by_class, means = (np.concatenate(drawn, axis=1).clip(0, 1) for drawn in zip(*ranked.draw(rng, draws), strict=True))
    low, high = np.quantile(by_class[0], tail, axis=0), np.quantile(by_class[1], 1 - tail, axis=0)
    nothing_known = unknown(present)[0][PER_CLASS.index("precision")]
    low[nothing_known], high[nothing_known] = 0.0, 1.0
    mean, ends = float(value[present].mean()), (0.0, 1.0)
    if present.sum() > 1:
        lowest, highest = np.quantile(means[0], tail, axis=0).min(), np.quantile(means[1], 1 - tail, axis=0).max()
        ends = min(float(lowest), mean), max(float(highest), mean)
    return AveragePrecision(value, np.minimum(low, value), np.maximum(high, value), Measured(mean, *ends))


class _Ranked:
    """The photographs of one part, by the probability of each class."""

    def __init__(self, y_true: IntArray, probabilities: FloatArray, groups: IntArray) -> None:
        num_classes = probabilities.shape[1]
        # Neither the order of the photographs nor the numbers of the groups have a say in the draws.
        order = np.lexsort((*probabilities.T, y_true))
        _, first, group = np.unique(groups[order], return_index=True, return_inverse=True)
        self._group = np.argsort(np.argsort(first))[group].astype(np.int64)
        self._of_class = np.eye(num_classes)[y_true[order]]
        self._more = np.array([size_of_one(each) for each in class_sizes(y_true, groups, num_classes)])
        self._classes = [
            _Class(k, scores, y_true[order], self._group) for k, scores in enumerate(probabilities[order].T)
        ]
        self.sizes = np.bincount(y_true, minlength=num_classes)

    def draw(self, rng: np.random.Generator, draws: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Draw what the average precisions may really be, for the lower and for the upper limits.

        Yields
        ------
        by_class : float64 (2, B, K), each class having one more group.
        mean : float64 (2, B, K + 1), one class after the other having it, and at the end all sharing it.
        """
        batch, present = max(1, _BATCH // len(self._group)), self.sizes > 0
        for done in range(0, draws, batch):
            weights = rng.standard_exponential((min(batch, draws - done), int(self._group.max()) + 1))[:, self._group]
            sums = weights @ self._of_class
            plain, each, shared = (
                np.stack([one.draw(weights, self._added(one.k, share, sums, rng)) for one in self._classes], axis=-1)
                for share in (0.0, 1.0, 1 / len(self.sizes))
            )
            moved = plain[..., present].mean(axis=-1, keepdims=True) + (each - plain)[..., present] / present.sum()
            yield each, np.concatenate([moved, shared[..., present].mean(axis=-1, keepdims=True)], axis=-1)

    def _added(self, k: int, share: float, sums: FloatArray, rng: np.random.Generator) -> "_Added":
        """Draw `share` of one more group a class; the sums of the weights of each class are (B, K)."""
        shapes = np.full(len(self.sizes), share * OTHERS / (len(self.sizes) - 1))
        shapes[k] = share
        more = rng.standard_gamma(shapes, size=sums.shape) * self._more
        scale = np.divide(self.sizes, sums + more, out=np.zeros_like(sums), where=self.sizes > 0)
        return _Added(scale, scale * more)


class _Added(NamedTuple):
    """One more group a class, (B, K) each: what brings all weights to the sizes of the classes, and its own weight."""

    scale: FloatArray
    weight: FloatArray


class _Class:
    """The photographs sorted by the probability of class `k`, the highest first."""

    def __init__(self, k: int, scores: FloatArray, y_true: IntArray, group: IntArray) -> None:
        self.k = k
        self._order = np.argsort(-scores, kind="stable")
        self._y_true = y_true[self._order]
        self._places = np.flatnonzero(self._y_true == k)
        # Photographs of the same probability are above a threshold together.
        self._ends = len(scores) - 1 - np.searchsorted(np.sort(scores), scores[self._order][self._places])
        self._last = np.searchsorted(self._places, self._ends, side="right") - 1
        self._mates = _mates(group[self._order][self._places], self._last)

    def draw(self, weights: FloatArray, added: _Added) -> FloatArray:
        """Return average precisions, float64 (2, B), with what is added at its worst and at its best.

        Parameters
        ----------
        weights : float64 (B, N), of the photographs as they came.
        """
        if not len(self._places):
            return np.zeros((2, len(weights)))
        weighed = weights[:, self._order]
        weighed *= added.scale[:, self._y_true]
        own, hits = added.weight[:, self.k, None], weighed[:, self._places]
        others = added.weight.sum(axis=1, keepdims=True) - own
        above, right = weighed.cumsum(axis=1)[:, self._ends], hits.cumsum(axis=1)
        found, size = right[:, self._last], right[:, -1:] + own
        at_worst = np.minimum(found / (above + others), _without_own(found - self._mates * hits, above - found))
        worst = (hits * at_worst).sum(axis=1) + (own * size / (weighed.sum(axis=1, keepdims=True) + own + others))[:, 0]
        best = (hits * (found + own) / (above + own)).sum(axis=1) + own[:, 0]
        both: FloatArray = np.stack([worst, best]) / size[:, 0]
        return both


def _mates(group: IntArray, last: IntArray) -> IntArray:
    """Of photographs of one class in order, count those of its own group up to the one at place `last`, for each."""
    counts = np.empty(len(group), np.int64)
    for each in np.unique(group):
        places = np.flatnonzero(group == each)
        counts[places] = np.searchsorted(places, last[places], side="right")
    return counts


def _without_own(found: FloatArray, wrong: FloatArray) -> FloatArray:
    """Return the precision where `found` is right and `wrong` is not; 1 where there is neither."""
    found, wrong = np.maximum(found, 0), np.maximum(wrong, 0)
    among = found + wrong
    # What rounding leaves is nothing.
    precision: FloatArray = np.divide(found, among, out=np.ones_like(among), where=among > 1e-9)
    return precision
