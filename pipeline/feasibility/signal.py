"""Is there signal? The net's scores beside chance, the largest class, and a classifier without a net."""

from dataclasses import dataclass

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.predictions import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Signal:
    """Scores over all photographs, each answered for by a net that has not seen it.

    Attributes
    ----------
    macro_f1 : of the net.
    f1 : K, of each class.
    support, groups : int64 (K,), photographs of each class, and groups that hold some.
    majority : macro F1 of always the largest class.
    baseline : macro F1 of histograms of gradients and a logistic regression.
    gain : of the net over that, paired.
    chance : float64 (P,), macro F1 by chance: nets trained on shuffled labels, judged on shuffled ones.
    class_chance : float64 (P, K), F1 by class likewise.
    p : of `macro_f1` by chance.
    """

    macro_f1: Measured
    f1: tuple[Measured, ...]
    support: IntArray
    groups: IntArray
    majority: float
    baseline: Measured
    gain: Measured
    chance: FloatArray
    class_chance: FloatArray
    p: float
