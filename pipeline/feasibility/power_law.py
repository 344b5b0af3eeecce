"""F1 by the number of photographs that taught: a saturating power law, fitted to the few points that there are.

F1(n) = 1 - a - b n^-c, not below 0. That errors fall as a power of the examples, down to what no example helps with, is
seen in nets of all kinds (J. Hestness et al., "Deep Learning Scaling is Predictable, Empirically", arXiv 1712.00409;
a review is T. Viering and M. Loog, "The Shape of Learning Curves", IEEE TPAMI 45:6, 2023). Four points over a factor of
8 do not fix three numbers, so the answer is not one curve but all that agree with what was seen, each with its weight:
draws of the posterior distribution, by importance sampling. Nothing is known beforehand of the F1 that was reached. The
exponents of the classes of one set are alike, and so is how much of what is still wrong stays wrong for ever; both are
learnt from all classes, so that a class of 8 photographs borrows what the others show.

Two things part a point from the law. The photographs on which it was judged: they are the same at all amounts, so
these errors go together; how much so is counted from the answers (`Points`). And which photographs taught, and the
seed: F1 of a class then varies by about `t` 2 sqrt(F1 (1 - F1) / n) from training to training. In repeated trainings
`t` was 0.06 to 0.3, mostly 0.1 to 0.2, for n from 1 to 70; how large it is in a set is learnt from its curves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from pipeline.evaluation.predictions import FloatArray, IntArray

DRAWS = 2000
_TRIED = 8000  # laws that are weighed for each curve

# What the curves of a set have in common, by cells of a grid.
_EXPONENT = np.geomspace(0.2, 1.2, 7)  # typical c; that of a class is within a factor of about 1.5
_EXPONENT_SPREAD = 0.4
_EXPONENTS = np.log([0.1, 2.0])  # the range of c
_LASTING = np.array([0.1, 0.3, 0.5, 0.7])  # typical share of the errors now that lasts
_LASTING_WORTH = 2.0  # how alike it is in the classes: as a Beta distribution of so many observations
_BETWEEN = np.array([0.07, 0.1, 0.15, 0.22, 0.33])  # t
_USUAL = 0.15
_BETWEEN_PRIOR = np.array([0.1, 0.25, 0.3, 0.25, 0.1])


@dataclass(frozen=True, eq=False)
class Points:
    """What was seen of one curve, at S amounts.

    Attributes
    ----------
    counts : float64 (S,), above 0: photographs that taught; the last is the most.
    f1 : float64 (S,).
    covariance : float64 (S, S), positive definite, of the errors of `f1` for being judged on these photographs.
    worth : how many independent photographs these are.
    between : float64 (S,), the variance between trainings at t = 1; None: what the law says.
    """

    counts: FloatArray
    f1: FloatArray
    covariance: FloatArray
    worth: float
    between: FloatArray | None = None


def fit(classes: Sequence[Points], mean: Points, rng: np.random.Generator) -> list[FloatArray]:
    """Return draws of a, b, c for each of K classes and for their mean, float64 (`DRAWS`, 3) each.

    The mean is fitted with what the classes have in common, and has no say in that.
    """
    tried = [_Tried(points, rng) for points in (*classes, mean)]
    common = sum((np.log(each.evidence()) for each in tried[:-1]), np.log(_BETWEEN_PRIOR)[:, None, None])
    chances = np.exp(common - common.max()).ravel()
    cells = np.sort(rng.choice(len(chances), DRAWS, p=chances / chances.sum()))
    return [each.drawn(cells, rng) for each in tried]


def law(drawn: FloatArray, counts: FloatArray) -> FloatArray:
    """Return F1 at `counts`, (N,), above 0, by laws (D, 3): float64 (D, N), 0 to 1."""
    a, b, c = (column[:, None] for column in drawn.T)
    f1: FloatArray = np.clip(1 - a - b * counts**-c, 0, 1)
    return f1


def reached(drawn: FloatArray, target: float) -> FloatArray:
    """Return how many photographs must teach for `target` by laws (D, 3): float64 (D,), inf where no amount will do."""
    a, b, c = drawn.T
    room = 1 - target - a
    ratio = np.divide(b, room, out=np.full(len(a), np.inf), where=room > 0)
    with np.errstate(over="ignore"):
        needed: FloatArray = ratio ** (1 / c)
    return needed


def trained(drawn: FloatArray, points: Points, count: float, rng: np.random.Generator) -> FloatArray:
    """Draw F1 of nets that are trained with `count` photographs, by laws (D, 3) of `points`: float64 (D,), 0 to 1.

    The law is what such nets reach on average.
    """
    f1 = law(drawn, np.array([count]))[:, 0]
    if points.between is None:
        variance = between_trainings(f1, np.array(count), points.worth)
    else:
        variance = np.full(len(f1), points.between[-1] * points.counts[-1] / count)
    draws: FloatArray = np.clip(f1 + _USUAL * np.sqrt(variance) * rng.standard_normal(len(f1)), 0, 1)
    return draws


def between_trainings(f1: FloatArray, counts: FloatArray, worth: float) -> FloatArray:
    """Return the variance of F1 from training to training at t = 1, like `f1`, (..., S), taught by `counts`, (S,).

    Parameters
    ----------
    worth : how many independent photographs F1 was seen on.
    """
    rough = _inside(f1, worth)
    between: FloatArray = 4 * rough * (1 - rough) / np.maximum(counts, 1)
    return between


class _Tried:
    """Laws that one curve may have, and how well each agrees with its points.

    A law is given by the error `now` at the largest amount, the share of it that lasts, and the exponent.
    """

    def __init__(self, points: Points, rng: np.random.Generator) -> None:
        self._points = points
        now, proposed = self._errors(rng)
        lasting = rng.random(_TRIED)
        exponent = np.exp(rng.uniform(_EXPONENTS[0], _EXPONENTS[1], _TRIED))
        scale = points.counts[-1] ** exponent
        self._laws = np.stack([now * lasting, now * (1 - lasting) * scale, exponent], axis=1)
        self._agree = self._likelihood() / proposed
        distance = (np.log(exponent) - np.log(_EXPONENT)[:, None]) / _EXPONENT_SPREAD
        self._exponent_prior = np.exp(-(distance**2) / 2)
        self._exponent_prior /= self._exponent_prior.mean(axis=1, keepdims=True)
        share = np.clip(lasting, 1e-4, 1 - 1e-4)
        powers = _LASTING_WORTH * np.stack([_LASTING, 1 - _LASTING])[..., None]
        self._lasting_prior = share ** (powers[0] - 1) * (1 - share) ** (powers[1] - 1)
        self._lasting_prior /= self._lasting_prior.mean(axis=1, keepdims=True)

    def _errors(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw errors at the largest amount, around what was seen, twice as wide; and the density of each."""
        points = self._points
        f1 = _inside(points.f1, points.worth)
        spread = np.diagonal(points.covariance) + _USUAL**2 * self._between(f1)
        worth = (f1 * (1 - f1) / spread)[-1] / 4
        shape = 1 + worth * (1 - f1[-1]), 1 + worth * f1[-1]
        errors = rng.beta(*shape, _TRIED)
        return errors, beta.pdf(errors, *shape)

    def _between(self, f1: FloatArray) -> FloatArray:
        """The variance between trainings at t = 1, (..., S), where F1 is `f1`, (..., S)."""
        points = self._points
        if points.between is not None:
            return np.broadcast_to(points.between, f1.shape)
        return between_trainings(f1, points.counts, points.worth)

    def _likelihood(self) -> FloatArray:
        """How likely the points are by each law and each t, (T, `_TRIED`), up to a factor.

        The variance of a point is that at the F1 of the law, not at the one that was seen: at 0 or 1 there is none.
        """
        points = self._points
        expected = law(self._laws, points.counts)
        scale = np.sqrt(_spread(_inside(expected, points.worth)) / _spread(_inside(points.f1, points.worth)))
        judged = points.covariance * scale[:, :, None] * scale[:, None, :]
        between = self._between(expected)[:, :, None] * np.eye(len(points.counts))
        return np.stack([_normal(points.f1 - expected, judged + t**2 * between) for t in _BETWEEN])

    def evidence(self) -> FloatArray:
        """How likely the points are by each cell of what is common: (t, exponent, lasting)."""
        found: FloatArray = np.einsum("tp,ip,jp->tij", self._agree, self._exponent_prior, self._lasting_prior) / _TRIED
        return found

    def drawn(self, cells: IntArray, rng: np.random.Generator) -> FloatArray:
        """Draw a law for each of these cells, ascending."""
        shape = len(_BETWEEN), len(_EXPONENT), len(_LASTING)
        draws = []
        for cell, count in zip(*np.unique(cells, return_counts=True), strict=True):
            t, i, j = np.unravel_index(cell, shape)
            chances = self._agree[t] * self._exponent_prior[i] * self._lasting_prior[j]
            draws.append(rng.choice(_TRIED, count, p=chances / chances.sum()))
        laws: FloatArray = self._laws[np.concatenate(draws)]
        return laws


def _spread(f1: FloatArray) -> FloatArray:
    """The variance of F1 that one photograph of the class gives, where precision and recall are equal.

    F1 = 2 hits / (photographs of the class + photographs given to it), by the delta method: the former are fixed, hits
    are binomial, the wrongly given Poisson.
    """
    spread: FloatArray = f1 * (1 - f1) * ((2 - f1) ** 2 + f1) / 4
    return spread


def _inside(f1: FloatArray, worth: FloatArray | float) -> FloatArray:
    """Draw F1 of so many photographs away from 0 and 1, by one photograph that was half right."""
    inside: FloatArray = (f1 * worth + 0.5) / (worth + 1)
    return inside


def _normal(off: FloatArray, covariance: FloatArray) -> FloatArray:
    """The density of `off` (D, S) by normal distributions around 0 with covariance (D, S, S), up to a factor."""
    root = np.linalg.cholesky(covariance)
    solved = np.linalg.solve(root, off[:, :, None])[:, :, 0]
    density: FloatArray = np.exp(-(solved**2).sum(axis=1) / 2) / np.diagonal(root, axis1=1, axis2=2).prod(axis=1)
    return density
