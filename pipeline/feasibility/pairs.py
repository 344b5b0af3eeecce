"""Are two classes one? Pairs that the nets do not tell apart, and what merging or dropping them would bring.

How well two classes are told apart is the area under the ROC curve of p(a) / (p(a) + p(b)) among the photographs of the
two, as D. Hand and R. Till take it for many classes ("A Simple Generalisation of the Area Under the ROC Curve for
Multiple Class Classification Problems", Machine Learning 45, 2001). Chance is 0.5, and for two halves of one class
it lies slightly below: what a net has learnt of the one half is missing in what it is judged on.

What merging brings is measured on the same answers: the probabilities of the two are added up. So it is the score of
these nets at the easier task; nets that learn it from the start may do better.

Nets that were not trained for long enough tell nothing apart, and that is no news of the classes. So two are called one
only if both are learnt and the nets tell apart those photographs of them that they were taught with.

The intervals are those of `intervals` and `ranking`: every group is weighed anew by a standard exponential, and for the
area each class has half a group more, of which only the worst is assumed for the lower limit and the best for the
upper one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from scipy.sparse import csr_array

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.figures import BLUE, INK, MUTED, ORANGE, drawable_names
from pipeline.evaluation.groups import class_sizes, size_of_one
from pipeline.evaluation.intervals import CONFIDENCE, draw_rows, overall_scores
from pipeline.evaluation.metrics import OVERALL, confusion_matrix, score
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions
from pipeline.feasibility import in_words
from pipeline.feasibility.dots import ON_LINE
from pipeline.feasibility.scores import macro_f1
from pipeline.feasibility.study import Study
from pipeline.report.sections import Drawing, Section, Table
from pipeline.report.svg import drawing
from pipeline.report.words import named

APART = 0.75
"""An area below which two classes are not told apart: of one photograph of each, every fourth time the wrong one is put
first. Two halves of one class stay below it with their whole interval, mostly from 30 photographs each on; the interval
of classes that are hard, but told apart (0.85), does not."""

HARDLY = 0.8
"""Likewise, where the interval holds a coin's 0.5 as well: of 40 photographs each, one in six pairs of halves has an
interval that ends above 0.75."""

MOST = 5
"""Pairs that are looked at."""

_COIN = 0.5
_DRAWS, _BATCH, _MORE = 2000, 250, 0.5
_TAIL = (1 - CONFIDENCE) / 2
_MACRO_F1 = list(OVERALL).index("macro_f1")
_NOTHING = Measured(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Pair:
    """Two classes, and how well they are told apart.

    Attributes
    ----------
    first, second : class numbers, first < second.
    auc : how often the nets put a photograph of the one before one of the other, 0.5 (not told apart) to 1.
    seen : the same of nets that were taught with the photographs.
    confused : photographs of the two that were given the other's name.
    of : photographs of the two.
    merged : macro F1 with the two as one class; NaN where no other class is left.
    gain : of `merged` over macro F1 as it is, on the same answers; NaN likewise.
    dropped : macro F1 without the smaller of the two, its photographs left out and its probability taken away; NaN
        likewise.
    learnt : whether both are learnt, and the nets tell apart what they were taught with.
    told_apart : False only if the evidence is that they are not; None where it carries neither, or where they are not
        learnt.
    """

    first: int
    second: int
    auc: Measured
    seen: float
    confused: int
    of: int
    merged: Measured
    gain: Measured
    dropped: Measured
    learnt: bool
    told_apart: bool | None


def measure(
    folds: Predictions, seen: Predictions, learnt: Sequence[bool], rng: np.random.Generator
) -> tuple[Pair, ...]:
    """Return the pairs of classes that are confused most, at most `MOST`, the least told apart first.

    Parameters
    ----------
    folds : the answers of nets that had not seen the photographs.
    seen : of nets that were taught with them.
    learnt : K, whether the nets have learnt a class.
    """
    chosen = mixed_up(folds)[:MOST]
    found = [_pair(folds, seen, learnt[a] and learnt[b], a, b, rng) for a, b in chosen]
    return tuple(sorted(found, key=lambda pair: pair.auc.value))


def mixed_up(folds: Predictions) -> list[tuple[int, int]]:
    """Return the pairs of classes that are ever taken for each other, those with the largest shares of it first."""
    counts = confusion_matrix(folds.y_true, folds.y_pred, len(folds.class_names))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mixed, known = shares + shares.T, counts.any(axis=1)
    pairs = [(a, b) for a, b in combinations(np.flatnonzero(known).tolist(), 2) if mixed[a, b] > 0]
    return sorted(pairs, key=lambda pair: -mixed[pair])


def perhaps_one(folds: Predictions, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return the pairs that are not told apart, and where it is not even sure that anything of it is known.

    Not those with a class that is told apart from one of the two and not from the other: it is no part of a class, but
    unknown as a whole, as a small one is that has many wrong labels.
    """
    areas = [(pair, area(folds, *pair, rng)) for pair in mixed_up(folds)]
    found = [pair for pair, auc in areas if auc.low <= _COIN and auc.high < APART]
    like = {k: {k}.union(*(pair for pair in found if k in pair)) for pair in found for k in pair}
    return [(first, second) for first, second in found if like[first] == like[second]]


def _pair(
    folds: Predictions, seen: Predictions, both_learnt: bool, first: int, second: int, rng: np.random.Generator
) -> Pair:
    y_true, y_pred = folds.y_true, folds.y_pred
    auc, auc_seen = area(folds, first, second, rng), float(_in_order(seen, first, second).mean())
    confused = ((y_true == first) & (y_pred == second)) | ((y_true == second) & (y_pred == first))
    sizes = np.bincount(y_true, minlength=len(folds.class_names))
    smaller = min((first, second), key=lambda k: int(sizes[k]))
    left = len(folds.class_names) > 2
    learnt = both_learnt and auc_seen >= APART
    told_apart = True if auc.low > APART else False if _alike(auc) and learnt else None
    return Pair(
        first,
        second,
        auc,
        auc_seen,
        int(confused.sum()),
        int(sizes[first] + sizes[second]),
        _macro_f1(merged(folds, first, second), rng) if left else _NOTHING,
        _gain(folds, first, second, rng) if left else _NOTHING,
        _macro_f1(without(folds, smaller), rng) if left else _NOTHING,
        learnt,
        told_apart,
    )


def _alike(auc: Measured) -> bool:
    return auc.high < APART or (auc.low <= _COIN and auc.high < HARDLY)


def area(folds: Predictions, first: int, second: int, rng: np.random.Generator) -> Measured:
    """Return the area under the ROC curve of two classes that have photographs, and its 95% interval."""
    own, other = (np.flatnonzero(folds.y_true == k) for k in (first, second))
    before = _in_order(folds, first, second)
    _, group = np.unique(folds.groups, return_inverse=True)
    weights = rng.standard_exponential((_DRAWS, int(group.max()) + 1))
    own_weights, other_weights = weights[:, group[own]], weights[:, group[other]]
    right = ((own_weights @ before) * other_weights).sum(axis=1)
    sizes = class_sizes(folds.y_true, folds.groups, len(folds.class_names))
    a, b = own_weights.sum(axis=1), other_weights.sum(axis=1)
    more_a, more_b = (rng.standard_gamma(_MORE, _DRAWS) * size_of_one(sizes[k]) for k in (first, second))
    everything = (a + more_a) * (b + more_b)
    value = float(before.mean())
    low = float(np.quantile(right / everything, _TAIL))
    high = float(np.quantile((right + everything - a * b) / everything, 1 - _TAIL))
    return Measured(value, min(low, value), max(high, value))


def _in_order(folds: Predictions, first: int, second: int) -> FloatArray:
    """Return float64 (A, B), of each photograph of the first class and each of the second.

    1: put in the right order, 0: in the wrong one, 0.5: neither before the other.
    """
    own, other = (folds.y_true == k for k in (first, second))
    chances = np.maximum(folds.probabilities[:, [first, second]], 1e-12)
    share = np.round(chances[:, 0] / chances.sum(axis=1), 9)  # equal but for rounding is equal
    before: FloatArray = (share[own][:, None] > share[other]) + 0.5 * (share[own][:, None] == share[other])
    return before


def merged(folds: Predictions, first: int, second: int) -> Predictions:
    """Return the answers with the second class made one with the first: probabilities are added up."""
    probabilities = folds.probabilities.copy()
    probabilities[:, first] += probabilities[:, second]
    y_true = np.where(folds.y_true == second, first, folds.y_true)
    return _left(folds, probabilities, y_true, second, np.arange(len(y_true)))


def without(folds: Predictions, dropped: int) -> Predictions:
    """Return the answers for the photographs of all other classes, as if the nets did not know this one."""
    return _left(folds, folds.probabilities, folds.y_true, dropped, np.flatnonzero(folds.y_true != dropped))


def _left(folds: Predictions, probabilities: FloatArray, y_true: IntArray, gone: int, places: IntArray) -> Predictions:
    kept = np.delete(probabilities[places], gone, axis=1) + 1e-12
    names = tuple(name for k, name in enumerate(folds.class_names) if k != gone)
    true = y_true[places]
    return Predictions(
        names,
        true - (true > gone),
        kept / kept.sum(axis=1, keepdims=True),
        [folds.paths[place] for place in places.tolist()],
        folds.rows[places],
        folds.groups[places],
    )


def _macro_f1(folds: Predictions, rng: np.random.Generator) -> Measured:
    return macro_f1(folds.y_true, folds.y_pred, folds.groups, len(folds.class_names), rng)


def _gain(folds: Predictions, first: int, second: int, rng: np.random.Generator) -> Measured:
    easier = merged(folds, first, second)
    _, group = np.unique(folds.groups, return_inverse=True)
    drawn = []
    for _ in range(0, _DRAWS, _BATCH):
        weights = rng.standard_exponential((_BATCH, int(group.max()) + 1))[:, group]
        drawn.append(_drawn_macro_f1(easier, weights) - _drawn_macro_f1(folds, weights))
    scores = [score(each.y_true, each.y_pred, len(each.class_names)).macro_f1 for each in (easier, folds)]
    low, high = np.quantile(np.concatenate(drawn), [_TAIL, 1 - _TAIL])
    value = scores[0] - scores[1]
    return Measured(value, min(float(low), value), max(float(high), value))


def _drawn_macro_f1(folds: Predictions, weights: FloatArray) -> FloatArray:
    """Return macro F1 with each photograph counted by its weights, (draws, N): float64 (draws,)."""
    num_classes = len(folds.class_names)
    cells = folds.y_true * num_classes + folds.y_pred
    members = csr_array((np.ones(len(cells)), cells, np.arange(len(cells) + 1)), shape=(len(cells), num_classes**2))
    sizes = np.bincount(folds.y_true, minlength=num_classes)
    rows = draw_rows((weights @ members).reshape(-1, num_classes, num_classes), sizes)
    scores = overall_scores(np.diagonal(rows, axis1=-2, axis2=-1), sizes, rows.sum(axis=-2))
    drawn: FloatArray = scores[:, _MACRO_F1]
    return drawn


def pairs_section(found: Sequence[Pair], study: Study) -> Section:
    """Say which classes the nets do not tell apart, what merging them would bring, and what to do."""
    title = "Are two classes one?"
    if not found:
        return Section(title, ["No two classes are mixed up."])
    names = study.class_names
    alike = [pair for pair in found if pair.told_apart is False]
    unsure = [pair for pair in found if pair.told_apart is None]
    said = [_alike_said(pair, names) for pair in alike] or [_none_alike_said(found, names)]
    wide = [pair for pair in unsure if pair.learnt and pair.auc.high >= APART]
    if few := [f"{_pair_name(pair, names)} ({pair.of} photographs)" for pair in wide]:
        said.append(f"Not known, as the interval reaches to both sides of {APART}: {'; '.join(few)}.")
    if not_learnt := [_pair_name(pair, names) for pair in unsure if pair not in wide]:
        said.append(
            f"Not known, as the nets do not even know what they were taught with: {'; '.join(not_learnt)}. "
            "They were not trained for long enough."
        )
    drawn = Drawing(
        areas_svg(found, names),
        "Dots: how often the right one of two photographs is put first, by pair of classes, with 95% intervals; the "
        f"dashed line is a coin, the dotted one {APART}",
    )
    return Section(title, said, _table(found, names), [drawn], notes=_NOTES)


_NOTES = (
    "Told apart: of one photograph of each class, how often the nets put the right one first. 0.5 is a coin, 1 always. "
    "Taught: the same, of nets that were taught with these very photographs.",
    "Mixed up, and yet told apart: the nets rank the two rightly, and draw the line between them in the wrong place, "
    "as nets do that were not trained for long. Merging is no remedy for that.",
    "F1 as one: macro F1 of the same answers with the probabilities of the two added up. Nets that learn the easier "
    "task from the start may do better. Macro F1 over fewer classes is the score of an easier task.",
)


def _alike_said(pair: Pair, names: Sequence[str]) -> str:
    easier = (
        f" As one class, macro F1 would be {in_words.score(pair.merged)}, a gain of "
        f"{in_words.gain(pair.gain)}; without the smaller of the two {in_words.score(pair.dropped)}."
        if not np.isnan(pair.merged.value)
        else " There is no other class: if they are one, nothing is left to tell."
    )
    return (
        f"{_pair_name(pair, names)} are not told apart: of one photograph of each, the nets put the right one first "
        f"{in_words.score(pair.auc)} of the time, where a coin has 0.50. {pair.confused} of {pair.of} "
        "photographs were given "
        f"the other's name.{easier} Merge them, unless something that can be photographed tells them apart."
    )


def _none_alike_said(found: Sequence[Pair], names: Sequence[str]) -> str:
    least = found[0]
    return (
        f"No two classes are known to be one. The least told apart are {_pair_name(least, names)}: of one photograph "
        f"of each, the nets put the right one first {in_words.score(least.auc)} of the time, where a coin has 0.50."
    )


def _pair_name(pair: Pair, names: Sequence[str]) -> str:
    return f"{named(names, pair.first)} and {named(names, pair.second)}"


def _table(found: Sequence[Pair], names: Sequence[str]) -> Table:
    verdicts = {True: "yes", False: "no", None: "not known"}
    rows = [
        [
            _pair_name(pair, names),
            verdicts[pair.told_apart],
            in_words.score(pair.auc),
            f"{pair.seen:.2f}",
            f"{pair.confused} of {pair.of}",
            in_words.score(pair.merged),
            in_words.gain(pair.gain),
            in_words.score(pair.dropped),
        ]
        for pair in found
    ]
    header = ["Classes", "Told apart", "How well", "Taught", "Mixed up", "F1 as one", "Gain", "Without the smaller"]
    return Table(header, "<<>>>>>>", rows)


@drawing
def areas_svg(found: Sequence[Pair], names: Sequence[str]) -> Figure:
    """Draw the area of each pair with its interval; what is not told apart stands out."""
    short = drawable_names(names, 24)
    figure = Figure(figsize=(4.4, 0.7 + 0.5 * len(found)))
    axes = figure.subplots()
    axes.axvline(0.5, color=MUTED, linewidth=1.2, linestyle="--")
    axes.axvline(APART, color=MUTED, linewidth=1.2, linestyle=":")
    least = min(0.4, *(pair.auc.low for pair in found))
    for place, pair in enumerate(found):
        auc, color = pair.auc, ORANGE if pair.told_apart is False else BLUE
        ends = [[auc.value - auc.low], [auc.high - auc.value]]
        axes.errorbar([auc.value], [-place], xerr=ends, fmt="o", color=color, markersize=6)
        name = f"{short[pair.first]} / {short[pair.second]}"
        axes.text(least, 0.22 - place, name, color=INK, fontsize=8.5, bbox=ON_LINE)
    axes.set(xlim=(least - 0.02, 1.02), ylim=(0.6 - len(found), 0.7), yticks=[], xlabel="How well they are told apart")
    axes.spines["left"].set_visible(False)
    return figure
