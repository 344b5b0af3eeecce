"""What two nets' answers to the same photographs say about the difference between them: 95% intervals and a test.

The intervals are percentiles of a paired bootstrap (B. Efron and R. Tibshirani, An Introduction to the Bootstrap,
1993): a photograph is drawn with both answers to it; within each true class as many are drawn as there are; and
photographs that belong together are drawn together, since they are not independent.

The plain bootstrap knows only what was seen. Where 8 photographs of a class got the same answers of both nets, it is
certain that all others would; where the two that they differ in speak for B, that no other would speak for A. Such an
interval has no width, or lies on one side of 0 by chance. So each class has `MORE` of a photograph added to what is
drawn from (in groups: of a group of mean size), half of it right in A alone and half in B alone: the two nets are
allowed to differ in every class, and what is added takes no side. `benchmarks/compare_coverage.py` measures the
coverage, beside the plain bootstrap's; docs/comparing.md has the figures.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import comb

import numpy as np

from pipeline.evaluation.intervals import (
    CONFIDENCE,
    DRAWS,
    as_arrays,
    as_scores,
    class_scores,
    draw_rows,
    overall_scores,
    unknown,
)
from pipeline.evaluation.metrics import OVERALL, Scores, score
from pipeline.evaluation.predictions import FloatArray, IntArray

MORE = 0.5
_BATCH = 250  # draws at once, for memory's sake

_RANGE = np.array([2.0 if name == "mcc" else 1.0 for name in OVERALL])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two answers to each of N photographs.

    Attributes
    ----------
    num_classes : K >= 2.
    y_true, y_a, y_b : int64 (N,), 0 to K - 1.
    group : int64 (N,), any numbers: photographs with the same one belong together.
    """

    num_classes: int
    y_true: IntArray
    y_a: IntArray
    y_b: IntArray
    group: IntArray

    def sizes(self) -> IntArray:
        """int64 (K,): the photographs of each class."""
        counts: IntArray = np.bincount(self.y_true, minlength=self.num_classes).astype(np.int64)
        return counts

    def group_sizes(self) -> FloatArray:
        """float64 (K,): of each class the photographs that a group holds on average; 1 without photographs."""
        members = np.unique(np.stack([self.y_true, self.group]), axis=1)[0]
        groups = np.bincount(members, minlength=self.num_classes)
        return np.divide(self.sizes(), groups, out=np.ones(self.num_classes), where=groups > 0)

    def scores(self) -> tuple[Scores, Scores]:
        """Return the scores of A and those of B. Raises DataError if there is no photograph."""
        return score(self.y_true, self.y_a, self.num_classes), score(self.y_true, self.y_b, self.num_classes)


def difference(a: Scores, b: Scores) -> Scores:
    """Return B - A, score by score."""
    (class_a, overall_a), (class_b, overall_b) = as_arrays(a), as_arrays(b)
    return as_scores(class_b - class_a, overall_b - overall_a)


def difference_intervals(
    pairs: Pairs, value: Scores, rng: np.random.Generator, draws: int = DRAWS, more: float = MORE
) -> tuple[Scores, Scores]:
    """Return the lower and the upper 95% limits of B - A, of all scores.

    With the same state of `rng`, A and B exchanged give exactly the negative limits. They depend on the order of the
    photographs by a hair, as on the seed.

    Parameters
    ----------
    value : B - A; every interval contains it.
    rng : makes the draws.
    draws : half of them are the others with the added photographs' sides exchanged.
    more : photographs added to each class; 0 is the plain bootstrap.

    Returns
    -------
    low, high : within [-1, 1], and [-2, 2] for `mcc`. What cannot be measured has the whole range: see `intervals`.
    """
    drawn_class, drawn_overall = (np.sort(drawn, axis=0) for drawn in _draw_differences(pairs, rng, draws // 2, more))
    # No interpolation: the limits of A and B exchanged are then the same draws, from the other end.
    cut = int((1 - CONFIDENCE) / 2 * len(drawn_overall))
    low_class, low_overall = drawn_class[cut], drawn_overall[cut]
    high_class, high_overall = drawn_class[-1 - cut], drawn_overall[-1 - cut]
    unknown_class, unknown_overall = unknown(pairs.sizes() > 0)
    low_class[unknown_class], high_class[unknown_class] = -1.0, 1.0
    low_overall[unknown_overall], high_overall[unknown_overall] = -_RANGE[unknown_overall], _RANGE[unknown_overall]
    per_class, overall = as_arrays(value)
    return (
        as_scores(np.minimum(low_class, per_class), np.minimum(low_overall, overall)),
        as_scores(np.maximum(high_class, per_class), np.maximum(high_overall, overall)),
    )


def sign_test(pairs: Pairs) -> float:
    """Return the two-sided p-value of A and B being right equally often, 0 to 1.

    Each group counts once, for the one that is right more often in it; without groups of several photographs this is
    McNemar's test (Psychometrika 12:2, 1947) in its exact form.
    """
    lead = (pairs.y_b == pairs.y_true).astype(np.int64) - (pairs.y_a == pairs.y_true)
    _, group = np.unique(pairs.group, return_inverse=True)
    leads = np.bincount(group, weights=lead)
    for_a, for_b = int((leads < 0).sum()), int((leads > 0).sum())
    tail = sum(comb(for_a + for_b, wins) for wins in range(min(for_a, for_b) + 1))
    return min(1.0, 2 * tail / (1 << (for_a + for_b)))


def _draw_differences(pairs: Pairs, rng: np.random.Generator, draws: int, more: float) -> tuple[FloatArray, FloatArray]:
    """Draw B - A: by class, (2 draws, 3, K), and over all classes, (2 draws, 5)."""
    strata, added, sizes = _strata(pairs, more), _one_more(pairs), pairs.sizes()
    by_class, overall = [], []
    for done in range(0, draws, _BATCH):
        for a, b in _draw_answers(strata, added, rng, min(_BATCH, draws - done)):
            (class_a, overall_a), (class_b, overall_b) = _scores_of(a, sizes), _scores_of(b, sizes)
            by_class.append(class_b - class_a)
            overall.append(overall_b - overall_a)
    return np.concatenate(by_class), np.concatenate(overall)


def _scores_of(counts: FloatArray, sizes: IntArray) -> tuple[FloatArray, FloatArray]:
    # A group may hold photographs of several classes, or be larger than others: back to the sizes of the classes.
    rows = draw_rows(counts, sizes)
    parts = np.diagonal(rows, axis1=-2, axis2=-1), sizes, rows.sum(axis=-2)
    return class_scores(*parts), overall_scores(*parts)


def _draw_answers(
    strata: "list[_Stratum]", added: tuple[FloatArray, FloatArray], rng: np.random.Generator, draws: int
) -> list[tuple[FloatArray, FloatArray]]:
    """Draw confusion matrices of A and of B, (draws, K, K), rows = true class, of any scale; twice.

    The second time the same is drawn, with the sides of the added photographs exchanged.
    """
    right, wrong = added
    num_classes = len(right)
    a, b = np.zeros((2, draws, num_classes, num_classes))
    for_a, for_b = np.zeros((2, draws, num_classes, 1))
    for stratum in strata:
        said_a, said_b, added_a, added_b = stratum.draw(rng, draws)
        a += said_a.reshape(a.shape)
        b += said_b.reshape(b.shape)
        for_a[:, stratum.class_number, 0], for_b[:, stratum.class_number, 0] = added_a, added_b
    one, other = for_a * right + for_b * wrong, for_a * wrong + for_b * right
    return [(a + one, b + other), (a + other, b + one)]


def _one_more(pairs: Pairs) -> tuple[FloatArray, FloatArray]:
    """Return one right and one wrong photograph (or group) a class, (K, K); the wrong answer is any, evenly."""
    num_classes, sizes = pairs.num_classes, pairs.group_sizes()[:, None]
    return np.eye(num_classes) * sizes, (1 - np.eye(num_classes)) / (num_classes - 1) * sizes


class _Stratum:
    """The groups that are drawn for one class; a draw has as many.

    Parameters
    ----------
    class_number : 0 to K - 1.
    groups : of each, the (true class, A's answer, B's answer) of its photographs. Groups that are alike are drawn
        together. All is kept in the order in which it first occurs, which no exchange of A and B changes.
    more : groups that are added, half right in A alone, half in B alone.
    """

    def __init__(
        self, class_number: int, groups: list[list[tuple[int, int, int]]], num_classes: int, more: float
    ) -> None:
        self.class_number = class_number
        self._groups = len(groups)
        alike = Counter(tuple(sorted(group)) for group in groups)
        times = np.array([*alike.values(), more / 2, more / 2])
        self._chances = times / times.sum()
        self._said_a, self._said_b = np.zeros((2, len(alike), num_classes, num_classes))
        for row, group in enumerate(alike):
            for true, a, b in group:
                self._said_a[row, true, a] += 1
                self._said_b[row, true, b] += 1

    def draw(self, rng: np.random.Generator, draws: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return A's and B's answers, (draws, K * K), and how often the added ones came, A's and B's, (draws,)."""
        counts = rng.multinomial(self._groups, self._chances, draws).astype(float)
        seen = counts[:, :-2]
        said_a, said_b = (said.reshape(len(said), -1) for said in (self._said_a, self._said_b))
        return seen @ said_a, seen @ said_b, counts[:, -2], counts[:, -1]


def _strata(pairs: Pairs, more: float) -> list[_Stratum]:
    """Deal the groups to the classes; one of several classes goes to the smallest, which needs it most."""
    members: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
    columns = (column.tolist() for column in (pairs.group, pairs.y_true, pairs.y_a, pairs.y_b))
    for group, *cell in zip(*columns, strict=True):
        members[group].append((cell[0], cell[1], cell[2]))
    sizes = pairs.sizes().tolist()
    dealt: defaultdict[int, list[list[tuple[int, int, int]]]] = defaultdict(list)
    for cells in members.values():
        dealt[min((sizes[true], true) for true, _, _ in cells)[1]].append(cells)
    return [_Stratum(number, groups, pairs.num_classes, more) for number, groups in sorted(dealt.items())]
