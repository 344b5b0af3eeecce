"""Are the labels the limit? How many are likely wrong, and what score they leave to be reached."""

from dataclasses import dataclass

from pipeline.evaluation.estimates import Measured
from pipeline.report.labels import Doubts


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """How many labels are likely wrong.

    Attributes
    ----------
    rate : share of labels that are wrong.
    by_class : K, likewise among the photographs labelled so.
    conflicts : photographs that stand under two classes with the same pixels, or nearly so.
    doubts : which, the likeliest first.
    ceiling : macro F1 that a net without fault would get, judged by these labels.
    believed : whether the nets know enough for any of it to be believed.
    """

    rate: Measured
    by_class: tuple[Measured, ...]
    conflicts: int
    doubts: Doubts
    ceiling: Measured
    believed: bool
