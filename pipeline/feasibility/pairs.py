"""Are two classes one? Pairs that the nets do not tell apart, and what merging or dropping them would bring."""

from dataclasses import dataclass

from pipeline.evaluation.estimates import Measured


@dataclass(frozen=True)
class Pair:
    """Two classes, and how well they are told apart.

    Attributes
    ----------
    first, second : class numbers, first < second.
    auc : how often the nets put a photograph of the one before one of the other, 0.5 (not told apart) to 1.
    confused : photographs of the two that were given the other's name.
    of : photographs of the two.
    merged : macro F1 with the two as one class.
    gain : of `merged` over macro F1 as it is, on the same answers.
    dropped : macro F1 without the smaller of the two.
    told_apart : False only if the evidence is that they are not; None where it carries neither.
    """

    first: int
    second: int
    auc: Measured
    confused: int
    of: int
    merged: Measured
    gain: Measured
    dropped: Measured
    told_apart: bool | None
