"""Rates and means of a few photographs, and the 95% intervals of what they are estimates of.

The photographs are taken as independent: where they come in groups, all intervals are too narrow.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from pipeline.evaluation.intervals import CONFIDENCE, DRAWS
from pipeline.evaluation.predictions import FloatArray

_TAIL = (1 - CONFIDENCE) / 2
_BATCH = 1 << 20  # values weighed at once, for memory's sake


@dataclass(frozen=True)
class Measured:
    """A value and the ends of its 95% interval."""

    value: float
    low: float
    high: float


def mean_of(
    values: FloatArray, extremes: tuple[float, float], rng: np.random.Generator, draws: int = DRAWS
) -> Measured:
    """Return the mean of N >= 1 independent values and its interval.

    It is the Bayesian bootstrap (D. Rubin, Annals of Statistics 9:1, 1981) with one more value, the lowest for the
    lower limit and the highest for the upper one, as in `intervals`: where none of a few photographs happens to cost
    anything, it is still not called free. For values of 0 and 1 it is the Clopper-Pearson interval.

    Parameters
    ----------
    extremes : the lowest and the highest value that one more photograph is to be reckoned with
    """
    batch, ends = max(1, _BATCH // len(values)), []
    for done in range(0, draws, batch):
        weights = rng.standard_exponential((min(batch, draws - done), len(values) + 1))
        weights /= weights.sum(axis=1, keepdims=True)
        ends.append((weights[:, :-1] @ values)[:, None] + weights[:, -1:] * np.array(extremes))
    low, high = np.concatenate(ends).T
    value = float(values.mean())
    return Measured(value, min(float(np.quantile(low, _TAIL)), value), max(float(np.quantile(high, 1 - _TAIL)), value))


def exact_interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95% limits of a rate, 0 to 1, of which `count` cases were seen among `of` independent ones.

    C. Clopper and E. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial"
    (Biometrika 26:4, 1934). They hold the truth at least that often, whatever the rate and however few the cases; of
    none they say nothing, 0 to 1.
    """
    low = float(beta.ppf(_TAIL, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - _TAIL, count + 1, of - count)) if count < of else 1.0
    return low, high


@dataclass(frozen=True)
class Rate:
    """`count` cases among `of`, with the 95% limits of the rate behind them; `value` is NaN where `of` is 0."""

    count: int
    of: int

    @property
    def value(self) -> float:
        return self.count / self.of if self.of else math.nan

    @property
    def low(self) -> float:
        return exact_interval(self.count, self.of)[0]

    @property
    def high(self) -> float:
        return exact_interval(self.count, self.of)[1]

    def words(self) -> list[str]:
        """Return "3 of 75", "4.0%" and "[0.8%, 11.2%]"."""
        value = f"{self.value:.1%}" if self.of else "-"
        return [f"{self.count} of {self.of}", value, f"[{self.low:.1%}, {self.high:.1%}]"]

    def figures(self, name: str) -> dict[str, float]:
        """Return value and limits as `name`, `name`_low and `name`_high; nothing where there was no case."""
        if not self.of:
            return {}
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}
