"""A 95% interval for every score, honest at a handful of images a class.

The photographs of one true class are taken as independent draws and the class sizes as fixed, so each row of the
confusion matrix is a multinomial sample whose unknown shares get a Dirichlet posterior, as in C. Goutte and E.
Gaussier, "A Probabilistic Interpretation of Precision, Recall and F-score" (ECIR 2005). Any one prior misleads here:
with 2 images in a class it outweighs them, and over K classes its small pulls add up, until an interval for macro F1
hardly ever holds the truth. So each row has two priors, each worth one image: for the lower limits that image was
wrong, for the upper ones it was right (the imprecise Dirichlet model of P. Walley, JRSS B 58:3, 1996, with s = 1). For
recall this is exactly the Clopper-Pearson interval.

- Precision, recall and F1 of a class: quantiles over draws of all rows together.
- Scores over all classes: one row at a time is drawn and the others stay as observed; the distances from the value to
  these limits are combined as a root of the sum of squares, because rows err independently (MOVER: G. Y. Zou and A.
  Donner, Statistics in Medicine 27:1693, 2008). Otherwise K pessimistic images would add up.

`benchmarks/interval_coverage.py` measures how often these intervals hold the truth, beside the alternatives.

Photographs of the same part are not independent: where a class consists of a few such groups, the intervals are too
narrow. `_draw_row` is where a row's counts turn into what they are worth.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.metrics import OVERALL, PER_CLASS, Scores
from pipeline.evaluation.predictions import FloatArray, IntArray

CONFIDENCE = 0.95
DRAWS = 4000  # a limit then moves by about 0.003 from seed to seed

_LOWEST = np.array([-1.0 if name == "mcc" else 0.0 for name in OVERALL])


def score_intervals(
    confusion: IntArray, value: Scores, rng: np.random.Generator, draws: int = DRAWS
) -> tuple[Scores, Scores]:
    """Return the lower and the upper 95% limits of all scores.

    Parameters
    ----------
    confusion : int64 (K, K), K >= 2, rows = true class.
    value : the scores of the same images; every interval contains its value.
    rng : makes the draws; the same state gives the same limits.

    Returns
    -------
    low, high : within [0, 1], and [-1, 1] for `mcc`. What cannot be measured has the whole range: a class without
        images, and where only one class has any, precision and `mcc`.
    """
    tail = (1 - CONFIDENCE) / 2
    per_class, overall = _as_arrays(value)
    low_class, low_overall = _limits(confusion, _pessimistic(len(confusion)), tail, rng, draws)
    high_class, high_overall = _limits(confusion, _optimistic(len(confusion)), 1 - tail, rng, draws)
    unknown_class, unknown_overall = _unknown(confusion.sum(axis=1) > 0)
    low_class[unknown_class], high_class[unknown_class] = 0.0, 1.0
    low_overall[unknown_overall], high_overall[unknown_overall] = -1.0, 1.0
    low_overall, high_overall = np.clip([low_overall, high_overall], _LOWEST, 1.0)
    return (
        _as_scores(np.minimum(low_class, per_class), np.minimum(low_overall, overall)),
        _as_scores(np.maximum(high_class, per_class), np.maximum(high_overall, overall)),
    )


def too_small(support: int, low: float, high: float) -> str | None:
    """Say in words why nothing can be said about a class; None if something can.

    Parameters
    ----------
    support : the images of the class in this part.
    low, high : the interval of its F1.
    """
    if support == 0:
        return "no image here: not measured"
    if support < 5:
        return f"{support} image{'s' if support > 1 else ''}: too few to judge"
    if high - low > 0.5:
        return "interval too wide to judge"
    return None


def _unknown(present: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Mark the scores that a part says nothing about: bool (3, K) and (5,).

    All of a class without images; and where only one class has images, what depends on the others.
    """
    per_class = np.tile(~present, (len(PER_CLASS), 1))
    per_class[PER_CLASS.index("precision")] |= present.sum() < 2
    overall = np.array([name == "mcc" and present.sum() < 2 for name in OVERALL])
    return per_class, overall


def _pessimistic(num_classes: int) -> FloatArray:
    """One wrong image a row, spread over the other classes: (K, K)."""
    prior: FloatArray = (1 - np.eye(num_classes)) / (num_classes - 1)
    return prior


def _optimistic(num_classes: int) -> FloatArray:
    """One right image a row: (K, K)."""
    return np.eye(num_classes)


def _limits(
    confusion: IntArray, prior: FloatArray, quantile: float, rng: np.random.Generator, draws: int
) -> tuple[FloatArray, FloatArray]:
    """Return one limit of the scores per class (3, K) and overall (5,)."""
    sizes, hits, given = confusion.sum(axis=1), np.diag(confusion).astype(float), confusion.sum(axis=0).astype(float)
    observed = overall_scores(hits, sizes, given)
    all_hits, all_given = np.zeros((draws, len(sizes))), np.zeros((draws, len(sizes)))
    squares = np.zeros(len(OVERALL))
    for k, row in _draw_rows(confusion, prior, rng, draws):
        all_hits[:, k] = row[:, k]
        all_given += row
        one_hits = np.tile(hits, (draws, 1))
        one_hits[:, k] = row[:, k]
        one_given = np.maximum(given - confusion[k] + row, 0)  # not below 0 by rounding
        limit = np.quantile(overall_scores(one_hits, sizes, one_given), quantile, axis=0)
        squares += _beyond(limit - observed, quantile) ** 2
    per_class = np.quantile(class_scores(all_hits, sizes, all_given), quantile, axis=0)
    return per_class, observed + np.sign(quantile - 0.5) * np.sqrt(squares)


def _beyond(distance: FloatArray, quantile: float) -> FloatArray:
    """Keep only the distances on the quantile's own side of the value."""
    own_side: FloatArray = np.minimum(distance, 0) if quantile < 0.5 else np.maximum(distance, 0)
    return own_side


def _draw_rows(
    confusion: IntArray, prior: FloatArray, rng: np.random.Generator, draws: int
) -> Iterator[tuple[int, FloatArray]]:
    """Yield each class that has images and (draws, K) counts that its row could have had on average."""
    for k in np.flatnonzero(confusion.sum(axis=1)):
        yield int(k), _draw_row(confusion[k], prior[k], rng, draws)


def _draw_row(counts: IntArray, prior: FloatArray, rng: np.random.Generator, draws: int) -> FloatArray:
    # Gammas over their sum are a Dirichlet draw; unlike Generator.dirichlet this takes a shape of 0.
    gammas: FloatArray = rng.standard_gamma(counts + prior, size=(draws, len(counts)))
    row: FloatArray = gammas * (counts.sum() / gammas.sum(axis=1, keepdims=True))
    return row


def class_scores(hits: FloatArray, sizes: IntArray, given: FloatArray) -> FloatArray:
    """Precision, recall and F1: (..., 3, K) from (..., K), (K,) and (..., K)."""
    return np.stack([_ratio(hits, given), _ratio(hits, sizes), _ratio(2 * hits, sizes + given)], axis=-2)


def overall_scores(hits: FloatArray, sizes: IntArray, given: FloatArray) -> FloatArray:
    """The scores of `OVERALL`, in its order: (..., 5) from (..., K), (K,) and (..., K)."""
    images, present = sizes.sum(), sizes > 0
    f1, recall = _ratio(2 * hits, sizes + given), _ratio(hits, sizes)
    covariance = images * hits.sum(axis=-1) - (given * sizes).sum(axis=-1)
    spread = (images**2 - (given**2).sum(axis=-1)) * (images**2 - (sizes**2).sum())
    return np.stack(
        [
            f1[..., present].mean(axis=-1),
            recall[..., present].mean(axis=-1),
            _ratio(covariance, np.sqrt(np.maximum(spread, 0))),
            (f1 * sizes).sum(axis=-1) / images,
            hits.sum(axis=-1) / images,
        ],
        axis=-1,
    )


def _ratio(above: FloatArray, below: npt.NDArray[np.floating | np.integer]) -> FloatArray:
    below = np.broadcast_to(below, above.shape)
    quotient: FloatArray = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return quotient


def _as_arrays(scores: Scores) -> tuple[FloatArray, FloatArray]:
    per_class = np.stack([getattr(scores, name) for name in PER_CLASS])
    return per_class, np.array([getattr(scores, name) for name in OVERALL])


def _as_scores(per_class: FloatArray, overall: FloatArray) -> Scores:
    return Scores(*per_class, *overall.tolist())
