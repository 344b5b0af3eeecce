"""How each class stands.

At the target, in want of photographs, past what more of them would bring, not even learnt, or not known.
"""

import math
from typing import Literal

from pipeline.evaluation.estimates import Measured
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.learning_curve import FAR, Curve
from pipeline.feasibility.signal import SURE

Standing = Literal["at target", "wants more", "not learnt", "no amount", "not known"]

LEEWAY = 0.15
"""So far below the target may the lower limit of a class be that is called at target.

More certainty than that is not to be had: of 20 photographs, all but one named rightly, the limit of a rate is 0.75.
And a wrong call here costs a training, after which the class is judged again.
"""
FEWEST_GROUPS = 5
"""Groups of a class below which no score of it is believed."""
TO_JUDGE = 20
"""Groups of a class below which it cannot be said that more of them would not help."""
LIKELY = 0.5
"""Probability that some number of photographs reaches the target, from which on it is reckoned with."""


def by_chance(evidence: Evidence) -> bool:
    """Whether the score may well be chance."""
    return evidence.signal is not None and evidence.signal.p > SURE


def standings(evidence: Evidence) -> tuple[Standing, ...]:
    """Return how each of the K classes stands; not known, of all, where no score is above chance."""
    return tuple(_standing(evidence, k) for k in range(len(evidence.class_names)))


def standing_so(evidence: Evidence, wanted: Standing) -> list[int]:
    """Return the classes that stand so, the one with the fewest photographs first."""
    found = [k for k, each in enumerate(standings(evidence)) if each == wanted]
    return sorted(found, key=lambda k: int(evidence.support[k]))


def _standing(evidence: Evidence, k: int) -> Standing:
    if evidence.signal is None or by_chance(evidence):
        return "not known"
    f1, groups = evidence.signal.f1[k], int(evidence.groups[k])
    if groups >= FEWEST_GROUPS and f1.value >= evidence.target and f1.low >= evidence.target - LEEWAY:
        return "at target"
    if groups < TO_JUDGE:
        return "wants more"
    return "not known" if f1.value >= evidence.target else _below_target(evidence, k)


def _below_target(evidence: Evidence, k: int) -> Standing:
    curve = known_curve(evidence, k)
    if not learnt(evidence, k):
        return "not learnt"
    if curve is None:
        return "not known"
    if curve.hopeless:
        # That is the end of a project: not by nets that were trained for less than they might be.
        return "no amount" if evidence.in_full is None else "not known"
    return "wants more" if curve.p_reach >= LIKELY and curve.needed.value <= FAR * curve.now else "not known"


def learnt(evidence: Evidence, k: int) -> bool:
    """Whether a class is learnt, see `Signal.learnt`; True where nothing is measured."""
    return evidence.signal is None or evidence.signal.learnt(evidence.target)[k]


def known_curve(evidence: Evidence, k: int) -> Curve | None:
    """Return the curve of a class, if there is one that says something: that of one that is not learnt does not."""
    curve = evidence.curve.classes[k] if evidence.curve and learnt(evidence, k) else None
    return curve if curve and not curve.note else None


def wanted_in_all(evidence: Evidence, k: int) -> Measured:
    """Return how many photographs of a class there should be in all, more than now; `value` and `high` may be inf."""
    now, curve = int(evidence.support[k]), known_curve(evidence, k)
    least = float(now + max(1, TO_JUDGE - int(evidence.groups[k])))
    if curve is None:
        return Measured(math.inf, least, math.inf)
    needed = curve.needed
    return Measured(max(needed.value, least), max(needed.low, least), max(needed.high, least))


def more_to_tell(evidence: Evidence, k: int) -> int:
    """Return how many more photographs would tell how a class stands that is not known to: about.

    Where it is at the target as measured: until its interval ends within `LEEWAY` below, if that narrows by the root of
    their number. Else as many as there are, which doubles what the curve is drawn from.
    """
    now = max(5, int(evidence.support[k]))
    f1 = evidence.signal.f1[k] if evidence.signal else None
    if f1 is None or f1.value < evidence.target:
        return math.ceil(now / 5) * 5
    times = ((f1.value - f1.low) / (f1.value - evidence.target + LEEWAY)) ** 2
    return max(5, math.ceil((times - 1) * now / 5) * 5)
