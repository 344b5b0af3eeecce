"""A 95% interval for every score, honest at a handful of images a class.

The groups of one true class are taken as independent draws (photographs that `split` keeps together; most are groups of
one) and the class sizes as fixed. Without groups of several, each row of the confusion matrix is a multinomial sample
whose unknown shares get a Dirichlet posterior, as in C. Goutte and E. Gaussier, "A Probabilistic Interpretation of
Precision, Recall and F-score" (ECIR 2005). That is the same as to weigh each photograph by a standard exponential, the
Bayesian bootstrap (D. Rubin, Annals of Statistics 9:1, 1981), which is done for groups likewise: all photographs of one
have the same weight.

No single prior is honest here: with 2 images in a class it outweighs them, and over K classes its small pulls add up,
until an interval for macro F1 hardly ever holds the truth. So the prior is one more group of which only the worst is
assumed for the lower limits (it was wrong) and the best for the upper ones (it was right): the imprecise Dirichlet
model of P. Walley (Journal of the Royal Statistical Society B 58:3, 1996) with s = 1. For recall this is exactly the
Clopper-Pearson interval where all photographs are groups of one, and the bound of N. Gaffke ("Three test statistics for
a nonparametric one-sided hypothesis on the mean of a nonnegative variable", Mathematical Methods of Statistics 14:4,
2005) where groups are of one size. The one more group is as large as that of a photograph is on average.

- Precision, recall and F1 of a class: each class has the one more group.
- Scores over all classes: one class has it, whichever it moves the score furthest in, or all share it. K more groups
  would make the intervals several times too wide.

`benchmarks/interval_coverage.py` measures how often these intervals hold the truth, beside the alternatives. Where most
classes have only 1 or 2 groups here, those over all classes are too narrow. How alike the answers within a group are is
not estimated, as a handful of groups cannot tell: where they are not alike at all, the intervals are too wide.
"""

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.groups import Clusters, apart
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, Scores
from pipeline.evaluation.predictions import FloatArray, IntArray

CONFIDENCE = 0.95
DRAWS = 4000  # a limit then moves by a few thousandths from seed to seed
_BATCH = 250  # draws at once, for memory's sake: float64 (250, K, K) a few times over

_LOWEST = np.array([-1.0 if name == "mcc" else 0.0 for name in OVERALL])


def score_intervals(
    confusion: IntArray,
    value: Scores,
    rng: np.random.Generator,
    draws: int = DRAWS,
    together: Clusters | None = None,
) -> tuple[Scores, Scores]:
    """Return the lower and the upper 95% limits of all scores.

    Parameters
    ----------
    confusion : int64 (K, K), K >= 2, rows = true class.
    value : the scores of the same images; every interval contains its value.
    rng : makes the draws; the same state gives the same limits.
    together : which of these photographs belong together; None: each is a group of its own.

    Returns
    -------
    low, high : within [0, 1], and [-1, 1] for `mcc`. What cannot be measured has the whole range: a class without
        images, and where only one class has any, precision and `mcc`.
    """
    tail = (1 - CONFIDENCE) / 2
    per_class, overall = as_arrays(value)
    drawn = together or apart(confusion)
    below_class, below_overall = _draw_scores(drawn, _wrong_image(len(confusion)), rng, draws)
    above_class, above_overall = _draw_scores(drawn, np.eye(len(confusion)), rng, draws)
    low_class, high_class = np.quantile(below_class, tail, axis=0), np.quantile(above_class, 1 - tail, axis=0)
    low_overall = np.quantile(below_overall, tail, axis=0).min(axis=0)
    high_overall = np.quantile(above_overall, 1 - tail, axis=0).max(axis=0)
    unknown_class, unknown_overall = unknown(confusion.sum(axis=1) > 0)
    low_class[unknown_class], high_class[unknown_class] = 0.0, 1.0
    low_overall[unknown_overall], high_overall[unknown_overall] = -1.0, 1.0
    low_overall, high_overall = np.clip([low_overall, high_overall], _LOWEST, 1.0)
    return (
        as_scores(np.minimum(low_class, per_class), np.minimum(low_overall, overall)),
        as_scores(np.maximum(high_class, per_class), np.maximum(high_overall, overall)),
    )


def too_small(support: int, low: float, high: float, groups: int | None = None) -> str | None:
    """Say in words why nothing can be said about a class; None if something can.

    Parameters
    ----------
    support : the images of the class in this part.
    low, high : the interval of its F1.
    groups : that these images are from; None: each is one of its own.
    """
    if support == 0:
        return "no image here: not measured"
    if support < 5:
        return f"{support} image{'s' if support > 1 else ''}: too few to judge"
    if groups is not None and groups < 5:
        return f"{support} images in {groups} group{'s' if groups > 1 else ''}: too few to judge"
    if high - low > 0.5:
        return "interval too wide to judge"
    return None


def unknown(present: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Mark the scores that a part says nothing about: bool (3, K) and (5,).

    All of a class without images; and where only one class has images, what depends on the others.
    """
    per_class = np.tile(~present, (len(PER_CLASS), 1))
    per_class[PER_CLASS.index("precision")] |= present.sum() < 2
    overall = np.array([name == "mcc" and present.sum() < 2 for name in OVERALL])
    return per_class, overall


def _wrong_image(num_classes: int) -> FloatArray:
    """One wrong image a row, spread over the other classes: (K, K)."""
    spread: FloatArray = (1 - np.eye(num_classes)) / (num_classes - 1)
    return spread


def _draw_scores(
    drawn: Clusters, extra: FloatArray, rng: np.random.Generator, draws: int
) -> tuple[FloatArray, FloatArray]:
    """Draw the scores that a net with such a confusion matrix may really have.

    Returns
    -------
    per_class : (draws, 3, K), each class having one more group, of images like `extra`.
    overall : (draws, K + 1, 5), one class after the other having it, and at the end all sharing it.
    """
    batches = [_draw_batch(drawn, extra, rng, min(_BATCH, draws - done)) for done in range(0, draws, _BATCH)]
    per_class, overall = zip(*batches, strict=True)
    return np.concatenate(per_class), np.concatenate(overall)


def _draw_batch(
    drawn: Clusters, extra: FloatArray, rng: np.random.Generator, draws: int
) -> tuple[FloatArray, FloatArray]:
    num_classes, sizes = len(extra), drawn.support
    gammas, more = drawn.draw(rng, draws), drawn.size[:, None]
    plain = draw_rows(gammas, sizes)
    each = draw_rows(gammas + more * rng.standard_gamma(extra, size=gammas.shape), sizes)
    shared = draw_rows(gammas + more * rng.standard_gamma(extra / num_classes, size=gammas.shape), sizes)
    hits, given = _hits(plain)[:, None], plain.sum(axis=1)[:, None]
    # Row j of these has the group in class j: (draws, K, K).
    one_hits = hits + (_hits(each)[:, None] - hits) * np.eye(num_classes)
    one_given = np.maximum(given + each - plain, 0)  # not below 0 by rounding
    overall = [
        overall_scores(one_hits, sizes, one_given),
        overall_scores(_hits(shared), sizes, shared.sum(axis=1))[:, None],
    ]
    return class_scores(_hits(each), sizes, each.sum(axis=1)), np.concatenate(overall, axis=1)


def draw_rows(gammas: FloatArray, sizes: IntArray) -> FloatArray:
    """Turn gamma draws into the counts of each row on average: gammas over their sum are a Dirichlet draw."""
    return _ratio(gammas, gammas.sum(axis=-1, keepdims=True)) * sizes[:, None]


def _hits(counts: FloatArray) -> FloatArray:
    """The diagonals (..., K) of (..., K, K)."""
    return np.diagonal(counts, axis1=-2, axis2=-1)


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


def as_arrays(scores: Scores) -> tuple[FloatArray, FloatArray]:
    """Return the scores by class, (3, K), and those over all classes, (5,), in the order of `OVERALL`."""
    per_class = np.stack([getattr(scores, name) for name in PER_CLASS])
    return per_class, np.array([getattr(scores, name) for name in OVERALL])


def as_scores(per_class: FloatArray, overall: FloatArray) -> Scores:
    """The other way: `as_arrays` undone."""
    return Scores(*per_class, *overall.tolist())
