"""Is the score real? Copies on both sides of a split, and what beside the defect gives the class away."""

from dataclasses import dataclass

from pipeline.evaluation.estimates import Measured
from pipeline.report.shortcuts import Association


@dataclass(frozen=True, eq=False)
class Leaks:
    """What a score can be had by without knowing defects.

    Attributes
    ----------
    random : macro F1 of the nearest neighbour where photographs are dealt out one by one.
    grouped : where groups are kept together, as all scores here are.
    gap : `random` - `grouped`.
    in_groups : photographs that are in a group with others.
    associations : how closely file type, size in pixels, brightness, ... each go with the class.
    attributes : macro F1 from all of these together, without the picture.
    border : macro F1 from the outermost pixels alone.
    chance : macro F1 that the last two have with shuffled classes, the upper 95% limit.
    """

    random: Measured
    grouped: Measured
    gap: Measured
    in_groups: int
    associations: tuple[Association, ...]
    attributes: Measured
    border: Measured
    chance: float
