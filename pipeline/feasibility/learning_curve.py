"""Is the data the limit? F1 by the number of photographs that taught, and what more of them would bring."""

from dataclasses import dataclass

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.predictions import FloatArray


@dataclass(frozen=True, eq=False)
class Curve:
    """F1 of a class (or macro F1) at several amounts of training photographs, and the law that was fitted to it.

    Attributes
    ----------
    class_number : 0 to K - 1; None for macro F1.
    counts : float64 (S,), ascending: photographs of the class (all photographs, for macro F1) that taught, on average.
    f1 : S, at each.
    drawn : float64 (D, 3), draws of a, b, c of the law F1(n) = 1 - a - b n^-c, given what was seen.
    now : photographs of the class that there are.
    needed : how many there must be in all for the target, its 95% interval; inf: no amount.
    p_reach : the probability that any amount reaches it, 0 to 1.
    ceiling : F1 with any amount.
    doubled : F1 with twice as many as there are.
    note : why nothing can be said, in words; else empty.
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
