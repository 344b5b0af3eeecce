"""All that was found out about a set: what the verdict rests on."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.predictions import IntArray
from pipeline.feasibility.leaks import Leaks
from pipeline.feasibility.learning_curve import LearningCurve
from pipeline.feasibility.limits import Limits
from pipeline.feasibility.noise import LabelNoise
from pipeline.feasibility.overfit import Overfit
from pipeline.feasibility.pairs import Pair
from pipeline.feasibility.signal import Signal


@dataclass(frozen=True, eq=False)
class Evidence:
    """Findings; None: there was no time to measure it.

    Attributes
    ----------
    class_names : the K classes.
    support, groups : int64 (K,), photographs of each, and groups that hold some.
    target : F1 that is wanted of every class.
    in_full : minutes in which, about, the nets would be trained as params.yaml has it; None: these were, or nearly.
    pairs : the pairs that are confused most, the least told apart first.
    """

    class_names: tuple[str, ...]
    support: IntArray
    groups: IntArray
    target: float
    in_full: float | None
    overfit: Sequence[Overfit]
    signal: Signal | None
    curve: LearningCurve | None
    noise: LabelNoise | None
    pairs: Sequence[Pair] | None
    leaks: Leaks | None
    limits: Limits | None
