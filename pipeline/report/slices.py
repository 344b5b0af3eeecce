"""Scores by slice: do photographs of one folder, file type, size or brightness fare worse than the rest?

Slices differ in which classes they hold, and classes in how hard they are, so a slice is held against the photographs
of the same classes outside of it: if the slice made no difference, its mistakes in a class would be drawn from those of
the whole class (hypergeometric), and the sum over the classes is compared with what was seen. The p-values of all
slices are corrected together (S. Holm, Scandinavian Journal of Statistics 6:2, 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from pipeline.evaluation.estimates import Measured, Rate, rate_of
from pipeline.evaluation.groups import clusters
from pipeline.evaluation.intervals import score_intervals
from pipeline.evaluation.metrics import confusion_matrix, score
from pipeline.evaluation.predictions import FloatArray, Predictions
from pipeline.report.attributes import attributes
from pipeline.report.judged import Judged
from pipeline.report.sections import Section, Table

PARTS = 3
WORSE = 0.05
_DRAWS = 1000  # a limit of macro F1 then moves by a hundredth from seed to seed


@dataclass(frozen=True)
class Slice:
    """Photographs of test that have something in common.

    Attributes
    ----------
    by, value : "file type", "PNG".
    right : how many were given their class.
    macro_f1 : over the classes that the slice holds.
    usual : the accuracy to be expected if the slice made no difference: that of its classes, weighed as they occur in
        it.
    p : of as many mistakes or more, if it made none, after correction; NaN if it holds all photographs of its classes,
        so that there is nothing to hold it against.
    """

    by: str
    value: str
    right: Rate
    macro_f1: Measured
    usual: float
    p: float

    @property
    def worse(self) -> bool:
        """Whether it is worse than the rest beyond noise."""
        return self.p < WORSE


def slices(judged: Judged, rng: np.random.Generator) -> list[Slice]:
    """Return the slices of test by folder, file type, size and brightness; what all photographs share makes none.

    Sizes and brightness are cut into thirds of all photographs that are used, not of test alone.
    """
    test = judged.test
    kinds = [each for each in attributes(judged.packed, judged.used, PARTS) if each.name != "file size a pixel"]
    places = np.searchsorted(judged.used, test.rows)
    chosen = [
        (each.name, value, each.codes[places] == code)
        for each in kinds
        for code, value in enumerate(each.values)
        if 0 < (each.codes[places] == code).sum() < len(places)
    ]
    raw = [worse_than_usual(test, inside) for _, _, inside in chosen]
    return [_slice(test, by, value, inside, p, rng) for (by, value, inside), p in zip(chosen, holm(raw), strict=True)]


def worse_than_usual(test: Predictions, inside: np.ndarray) -> float:
    """Return the one-sided p-value of a slice's mistakes, given those of each class; NaN if nothing is outside.

    Photographs of one group, class and side count as one, wrong if half of them or more are.

    Parameters
    ----------
    inside : bool (M,), which of the photographs belong to the slice.
    """
    units, at = np.unique(np.stack([test.y_true, inside, test.groups]), axis=1, return_inverse=True)
    share = np.bincount(at.ravel(), weights=test.y_pred != test.y_true) / np.bincount(at.ravel())
    wrong, true, within = share >= 0.5, units[0], units[1] == 1
    chances, comparable = np.ones(1), False
    for k in np.unique(true[within]):
        own = true == k
        count, mistakes, taken = own.sum(), (own & wrong).sum(), (own & within).sum()
        chances = np.convolve(chances, hypergeom.pmf(np.arange(taken + 1), count, mistakes, taken))
        comparable |= taken < count
    return float(min(1.0, chances[int((wrong & within).sum()) :].sum())) if comparable else np.nan


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values of several tests, Holm's way; NaN is none and stays."""
    tested = [place for place in np.argsort(p_values).tolist() if not np.isnan(p_values[place])]
    corrected, highest = [np.nan] * len(p_values), 0.0
    for done, place in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - done) * p_values[place]))
        corrected[place] = highest
    return corrected


def slices_section(judged: Judged, rng: np.random.Generator) -> Section:
    """Show the scores of every slice in a table, and say which are worse than the rest."""
    found = slices(judged, rng)
    title = "Scores by slice"
    if not found:
        return Section(title, ["All photographs of test are of one folder, file type, size and brightness."])
    worse = [each for each in found if each.worse]
    said = [
        *(_worse_said(each) for each in worse),
        *(
            []
            if worse
            else ["No slice is worse than the rest beyond noise; a small slice would have to be much worse."]
        ),
        "Usual: the accuracy to be expected of photographs of the same classes, if the slice made no difference. p: "
        "how likely as many mistakes would be then, corrected for the number of slices (Holm); a dash where all "
        "photographs of its classes are in the slice. Brightness (the mean grey level, 0 to 255), and size where there "
        "are many, are cut into thirds of all photographs that are used.",
        "The 95% intervals weigh whole groups; for p, the photographs of a group count as one.",
    ]
    return Section(title, said, _table(found))


def _slice(test: Predictions, by: str, value: str, inside: np.ndarray, p: float, rng: np.random.Generator) -> Slice:
    y_true, y_pred, num_classes = test.y_true[inside], test.y_pred[inside], len(test.class_names)
    scores = score(y_true, y_pred, num_classes)
    together = clusters(y_true, y_pred, test.groups[inside], num_classes)
    low, high = score_intervals(confusion_matrix(y_true, y_pred, num_classes), scores, rng, _DRAWS, together)
    return Slice(
        by=by,
        value=value,
        right=rate_of(y_true == y_pred, test.groups[inside]),
        macro_f1=Measured(scores.macro_f1, low.macro_f1, high.macro_f1),
        usual=float(_recalls(test)[y_true].mean()),
        p=p,
    )


def _recalls(test: Predictions) -> FloatArray:
    sizes = np.bincount(test.y_true, minlength=len(test.class_names))
    hits = np.bincount(test.y_true[test.y_true == test.y_pred], minlength=len(test.class_names))
    return hits / np.maximum(sizes, 1)


def _worse_said(each: Slice) -> str:
    count, value, interval = each.right.words()
    return (
        f"Worse than the rest: {each.by} {each.value}, {count} right, {value} {interval}, where {each.usual:.1%} are "
        f"usual for its classes (p = {each.p:.2g})."
    )


def _table(found: Sequence[Slice]) -> Table:
    rows = [
        [
            each.by,
            each.value,
            *each.right.words(),
            f"{each.macro_f1.value:.2f} [{each.macro_f1.low:.2f}, {each.macro_f1.high:.2f}]",
            f"{each.usual:.1%}",
            "-" if np.isnan(each.p) else f"{each.p:.2g}",
            "worse" if each.worse else ("too few to judge" if each.right.of < 5 else ""),
        ]
        for each in found
    ]
    header = ["Slice by", "", "Right", "Accuracy", "95% interval", "Macro F1", "Usual", "p", "Note"]
    return Table(header, "<<>>>>>><", rows)
