"""Rates and means of a few photographs, and the 95% intervals of what they are estimates of.

Photographs of one group are not independent. A mean weighs whole groups, as the scores do (`intervals`). A rate counts
each photograph for as much as if those of a group always had the same answer, which can be said without drawing, and
for thousands of rates: no interval is narrower than the data allow, and where a group is divided it is wider.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from pipeline.evaluation.groups import size_of_one
from pipeline.evaluation.intervals import CONFIDENCE, DRAWS
from pipeline.evaluation.predictions import FloatArray, IntArray

_TAIL = (1 - CONFIDENCE) / 2
_BATCH = 1 << 20  # values weighed at once, for memory's sake


@dataclass(frozen=True)
class Measured:
    """A value and the ends of its 95% interval."""

    value: float
    low: float
    high: float


def mean_of(
    values: FloatArray,
    extremes: tuple[float, float],
    rng: np.random.Generator,
    draws: int = DRAWS,
    groups: IntArray | None = None,
) -> Measured:
    """Return the mean of N >= 1 values and its interval.

    It is the Bayesian bootstrap (D. Rubin, Annals of Statistics 9:1, 1981) of the groups with one more group, which has
    the lowest value for the lower limit and the highest for the upper one, as in `intervals`: where none of a few
    photographs happens to cost anything, it is still not called free. For independent values of 0 and 1 it is the
    Clopper-Pearson interval.

    Parameters
    ----------
    extremes : the lowest and the highest value that one more photograph is to be reckoned with
    groups : int64 (N,), any numbers: photographs with the same one belong together; None: the values are independent
    """
    _, of = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    sizes, sums = np.bincount(of), np.bincount(of, weights=values)
    order = np.lexsort((sums, sizes))  # that of the photographs has no say
    everything, sums = np.append(sizes[order], size_of_one(sizes)), np.append(sums[order], 0.0)
    batch, ends = max(1, _BATCH // len(sizes)), []
    for done in range(0, draws, batch):
        weights = rng.standard_exponential((min(batch, draws - done), len(everything)))
        weights /= (weights @ everything)[:, None]
        ends.append((weights @ sums)[:, None] + everything[-1] * weights[:, -1:] * np.array(extremes))
    low, high = np.concatenate(ends).T
    value = float(values.mean())
    least, most = min(extremes[0], float(values.min())), max(extremes[1], float(values.max()))
    low_end, high_end = max(float(np.quantile(low, _TAIL)), least), min(float(np.quantile(high, 1 - _TAIL)), most)
    return Measured(value, min(low_end, value), max(high_end, value))


def exact_interval(count: float, of: float) -> tuple[float, float]:
    """Return the 95% limits of a rate, 0 to 1, of which `count` cases were seen among `of` independent ones.

    What cases in groups are worth is not a whole number: see `worth`.

    C. Clopper and E. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial"
    (Biometrika 26:4, 1934). They hold the truth at least that often, whatever the rate and however few the cases; of
    none they say nothing, 0 to 1.
    """
    low = float(beta.ppf(_TAIL, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - _TAIL, count + 1, of - count)) if of - count > 1e-9 else 1.0
    return low, high


def worth(groups: IntArray) -> float:
    """Return how many independent photographs these count as: N, if each has its own group.

    N squared over the sum of the squared sizes of the groups: as if those of a group always had the same answer.
    """
    _, sizes = np.unique(groups, return_counts=True)
    return len(groups) / size_of_one(sizes) if len(groups) else 0.0


def rate_of(cases: NDArray[np.bool_], groups: IntArray) -> "Rate":
    """Return the rate of `cases`, bool (N,), in photographs of these groups, int64 (N,)."""
    return Rate(int(cases.sum()), len(cases), worth(groups))


@dataclass(frozen=True)
class Rate:
    """`count` cases among `of`, with the 95% limits of the rate behind them; `value` is NaN where `of` is 0.

    Attributes
    ----------
    worth : independent cases that the `of` count as; None: as many
    """

    count: int
    of: int
    worth: float | None = None

    @property
    def value(self) -> float:
        return self.count / self.of if self.of else math.nan

    @property
    def low(self) -> float:
        return self._limits()[0]

    @property
    def high(self) -> float:
        return self._limits()[1]

    def _limits(self) -> tuple[float, float]:
        if self.worth is None or not self.of:
            return exact_interval(self.count, self.of)
        return exact_interval(self.count * self.worth / self.of, self.worth)

    def words(self) -> list[str]:
        """Return "3 of 75", "4.0%" and "[0.8%, 11.2%]"."""
        value = f"{self.value:.1%}" if self.of else "-"
        return [f"{self.count} of {self.of}", value, f"[{self.low:.1%}, {self.high:.1%}]"]

    def figures(self, name: str) -> dict[str, float]:
        """Return value and limits as `name`, `name`_low and `name`_high; nothing where there was no case."""
        if not self.of:
            return {}
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}
