"""Is the data the limit? F1 by the number of photographs that taught, and what more of them would bring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.estimates import Measured, worth
from pipeline.evaluation.groups import clusters
from pipeline.evaluation.intervals import CONFIDENCE, score_intervals
from pipeline.evaluation.metrics import Scores, confusion_matrix, score
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions
from pipeline.feasibility.power_law import Points, between_trainings, fit, law, reached, trained
from pipeline.feasibility.study import FOLDS, Study, nested
from pipeline.report.words import counted

MOST = 100_000
"""What would take more photographs of a class than this is told as what no amount would do."""
FAR = 30
"""Times the photographs that there are: more than that nobody takes, and no law is to be trusted so far."""
UNLIKELY = 0.05
"""Probability that some number of photographs reaches the target, up to which it is not reckoned with."""
_TAIL = (1 - CONFIDENCE) / 2
_INTERVAL_DRAWS = 1000  # the limits of a point are drawn, no more: to a hundredth will do
_REPEATS = 5  # of the draws that tell how many photographs a share holds


@dataclass(frozen=True, eq=False)
class Curve:
    """F1 of a class (or macro F1) at several amounts of training photographs, and the law that was fitted to it.

    All classes grow together in it. The amounts in `needed`, `doubled` and `f1_at` are of all photographs that there
    are; the nets behind F1 are taught by four fifths of them and judged on the rest, and so it is meant there.

    Attributes
    ----------
    class_number : 0 to K - 1; None for macro F1.
    counts : float64 (S,), ascending: photographs of the class (all photographs, for macro F1) that taught, on average.
    f1 : S, at each.
    drawn : float64 (D, 3), draws of a, b, c of the law F1(n) = 1 - a - b n^-c, given what was seen.
    now : photographs of the class that there are.
    needed : how many there must be in all for the target, its 95% interval; inf: no amount, up to `MOST`.
    p_reach : the probability that any amount reaches it, 0 to 1.
    ceiling : F1 with any amount.
    doubled : F1 with twice as many as there are, of nets that are then trained: their own luck is in it.
    note : why nothing can be said of this class by itself, in words; else empty.
    """

    class_number: int | None
    counts: FloatArray
    f1: tuple[Measured, ...]
    drawn: FloatArray
    now: int
    needed: Measured
    p_reach: float
    ceiling: Measured
    doubled: Measured
    note: str

    @property
    def teaching(self) -> float:
        """The share of the photographs that there are by which the nets are taught, above 0, to 1."""
        return float(self.counts[-1] / self.now)

    @property
    def hopeless(self) -> bool:
        """Whether no number that anybody would collect is likely to reach the target."""
        return self.p_reach <= UNLIKELY or self.needed.low > FAR * self.now

    def f1_at(self, amounts: FloatArray) -> FloatArray:
        """Return F1 where there are so many photographs, (N,), by each draw: float64 (D, N)."""
        return law(self.drawn, amounts * self.teaching)


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Curves of all classes, and of macro F1.

    Attributes
    ----------
    target : F1 that is wanted of every class.
    classes : K.
    macro : of macro F1.
    """

    target: float
    classes: tuple[Curve, ...]
    macro: Curve


def measure(
    study: Study, by_share: Mapping[float, Predictions], target: float, rng: np.random.Generator
) -> LearningCurve:
    """Fit the curves of all classes.

    Parameters
    ----------
    by_share : share of the taught rows (see `nested`), above 0, 1 among them -> the answers for all photographs.
    target : F1, 0 to 1.
    rng : makes all draws.
    """
    shares = sorted(by_share)
    counts = np.stack([taught_by(study, share, rng) for share in shares])
    return curves_of([by_share[share] for share in shares], counts, study.support, target, rng)


def taught_by(study: Study, share: float, rng: np.random.Generator) -> FloatArray:
    """Return how many photographs of each class teach a net at this share, on average: float64 (K,)."""
    taken = [
        study.packed.labels[nested(study, study.taught(fold), share, rng)]
        for fold in range(FOLDS)
        for _ in range(_REPEATS)
    ]
    counts: FloatArray = np.mean([np.bincount(each, minlength=len(study.class_names)) for each in taken], axis=0)
    return counts


def curves_of(
    answers: Sequence[Predictions], counts: FloatArray, now: IntArray, target: float, rng: np.random.Generator
) -> LearningCurve:
    """Fit the curves of all classes.

    Parameters
    ----------
    answers : S, at ascending amounts, for the same photographs.
    counts : float64 (S, K), photographs of each class that taught, on average.
    now : int64 (K,), photographs of each class that there are.
    """
    classes = range(len(now))
    influences = np.stack([influence(each) for each in answers])
    f1, macro_f1 = _scored(answers, rng)
    points = [_points(influences[:, :, k], counts[:, k], f1[k], answers[0], k) for k in classes]
    mean = _mean_points(influences.mean(axis=2), counts, macro_f1, points, answers[0])
    *laws, laws_of_mean = fit(points, mean, rng)
    found = [_curve(k, points[k], f1[k], laws[k], int(now[k]), target, rng) for k in classes]
    return LearningCurve(target, tuple(found), _curve(None, mean, macro_f1, laws_of_mean, int(now.sum()), target, rng))


def influence(answers: Predictions) -> FloatArray:
    """Return by how much each group moves F1 of each class: float64 (G, K), groups in ascending order.

    The sum over the groups of the products of two such columns is the covariance of two F1, by the infinitesimal
    jackknife (B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982).
    """
    classes = np.arange(len(answers.class_names))
    true, given = answers.y_true[:, None] == classes, answers.y_pred[:, None] == classes
    both = true.sum(axis=0) + given.sum(axis=0)
    f1 = 2 * (true & given).sum(axis=0) / np.maximum(both, 1)
    of_each = (2.0 * (true & given) - f1 * (true.astype(float) + given)) / np.maximum(both, 1)
    _, group = np.unique(answers.groups, return_inverse=True)
    return np.stack([np.bincount(group, weights=column) for column in of_each.T], axis=1)


def _scored(answers: Sequence[Predictions], rng: np.random.Generator) -> tuple[list[list[Measured]], list[Measured]]:
    """F1 of each class at all amounts, and macro F1 at all."""
    num_classes = len(answers[0].class_names)
    found = [_with_limits(each, rng) for each in answers]
    by_class = [[Measured(*(scores.f1[k] for scores in each)) for each in found] for k in range(num_classes)]
    return by_class, [Measured(*(scores.macro_f1 for scores in each)) for each in found]


def _with_limits(answers: Predictions, rng: np.random.Generator) -> tuple[Scores, Scores, Scores]:
    y_true, y_pred, num_classes = answers.y_true, answers.y_pred, len(answers.class_names)
    value = score(y_true, y_pred, num_classes)
    together = clusters(y_true, y_pred, answers.groups, num_classes)
    confusion = confusion_matrix(y_true, y_pred, num_classes)
    low, high = score_intervals(confusion, value, rng, _INTERVAL_DRAWS, together)
    return value, low, high


def _points(
    influences: FloatArray, counts: FloatArray, f1: Sequence[Measured], answers: Predictions, label: int
) -> Points:
    own = worth(answers.groups[answers.y_true == label])
    # One more group that may be right or wrong, and in each amount for itself: no F1 is known without error.
    more = np.eye(len(f1)) * (0.5 / (own + 1)) ** 2
    return Points(counts, _values(f1), influences @ influences.T + more, own)


def _mean_points(
    influences: FloatArray, counts: FloatArray, f1: Sequence[Measured], classes: Sequence[Points], answers: Predictions
) -> Points:
    more = sum((0.5 / (each.worth + 1)) ** 2 for each in classes) / len(classes) ** 2
    each_between = [between_trainings(each.f1, each.counts, each.worth) for each in classes]
    between = np.mean(each_between, axis=0) / len(classes)
    covariance = influences @ influences.T + more * np.eye(len(f1))
    return Points(counts.sum(axis=1), _values(f1), covariance, worth(answers.groups), between)


def _values(f1: Sequence[Measured]) -> FloatArray:
    return np.array([each.value for each in f1])


def _note(amounts: int, groups: float) -> str:
    if amounts == 1:
        return "one amount alone was tried: how F1 grows with photographs was not measured"
    if groups < 3:
        return f"from {counted(round(groups), 'group')}: its range is what the other classes show"
    return ""


def _curve(
    class_number: int | None,
    points: Points,
    f1: Sequence[Measured],
    drawn: FloatArray,
    now: int,
    target: float,
    rng: np.random.Generator,
) -> Curve:
    teaching = points.counts[-1] / now
    needed = np.ceil(np.maximum(reached(drawn, target) / teaching, 1))
    needed[needed > MOST] = np.inf
    return Curve(
        class_number=class_number,
        counts=points.counts,
        f1=tuple(f1),
        drawn=drawn,
        now=now,
        needed=_middle(needed),
        p_reach=float(np.isfinite(needed).mean()),
        ceiling=_middle(law(drawn, np.array([MOST * teaching]))[:, 0]),
        doubled=_middle(trained(drawn, points, 2 * points.counts[-1], rng)),
        note=_note(len(f1), points.worth),
    )


def _middle(draws: FloatArray) -> Measured:
    """The median and the middle 95% of draws, some of which may be inf."""
    low, value, high = np.quantile(draws, [_TAIL, 0.5, 1 - _TAIL], method="inverted_cdf").tolist()
    return Measured(value, low, high)
