"""What holds of the findings, as far as they were measured: what the rows of the rule ask."""

import numpy as np

from pipeline.evaluation.estimates import Measured
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.limits import Option
from pipeline.feasibility.noise import LabelNoise
from pipeline.feasibility.pairs import Pair
from pipeline.feasibility.signal import SURE, Signal
from pipeline.feasibility.standing import TO_JUDGE, standings
from pipeline.report.shortcuts import Association

ENOUGH = 30
"""Groups of each of two classes. Of 60, to name 70% rightly is told from a guess, 50%, 9 times in 10 (binomial)."""
MUCH = 0.1
"""Of a macro F1, that copies make."""
MANY_WRONG = 0.05
"""Share of wrong labels, at the least."""
SO_MANY_WRONG = 0.15
"""Share of wrong labels, as the likeliest: where a fifth of 150 are wrong, the lower limit is often near 0; where none
are, a net that learns anything seldom finds so many (`benchmarks/known_cases.py`)."""


def learnt_by_heart(evidence: Evidence) -> bool | None:
    """Whether the recipe's own net, the first, learnt a handful by heart; None: not measured, or not to its end."""
    return evidence.overfit[0].passed if evidence.overfit else None


def at_target(evidence: Evidence) -> bool:
    """Whether all classes reach the target."""
    return all(each == "at target" for each in standings(evidence))


def alarms(evidence: Evidence) -> list[Association]:
    """Return what is not in the picture and gives the class away."""
    return [each for each in evidence.leaks.associations if each.alarm] if evidence.leaks else []


def shortcut_is_the_score(evidence: Evidence) -> bool:
    """Whether something beside the picture gives the class away, and tells it as well as the net does."""
    leaks, signal = evidence.leaks, evidence.signal
    if leaks is None or signal is None or not alarms(evidence):
        return False
    return leaks.attributes.low > leaks.chance and leaks.attributes.value >= signal.macro_f1.low


def real_score(evidence: Evidence) -> Measured | None:
    """Return macro F1 where groups are kept together: of the net, or else of the nearest neighbour."""
    if evidence.signal is not None:
        return evidence.signal.macro_f1
    return evidence.leaks.grouped if evidence.leaks else None


def copies_are_the_score(evidence: Evidence) -> bool:
    """Whether with copies on both sides the target seems to be reached, and without them it surely is not."""
    real, leaks = real_score(evidence), evidence.leaks
    if real is None or leaks is None or leaks.gap.low <= MUCH:
        return False
    return leaks.random.value >= evidence.target > real.high


def chance_limit(signal: Signal) -> float:
    """Return the macro F1 that chance stays below 19 times in 20."""
    return float(np.quantile(signal.chance, 1 - SURE)) if len(signal.chance) else signal.majority


def hardly_above_chance(evidence: Evidence) -> bool:
    """Whether the score may well be chance, or has an interval that begins where chance ends.

    By p alone, 1 in 20 sets of labels that mean nothing would be taken for more.
    """
    signal = evidence.signal
    return signal is not None and (signal.p > SURE or signal.macro_f1.low <= chance_limit(signal))


def baseline_sees(signal: Signal) -> bool:
    """Whether the classifier without a net is surely above chance."""
    return signal.baseline.low > chance_limit(signal)


def lacking(evidence: Evidence) -> dict[int, int]:
    """Return the classes, of the two with the most groups, that have fewer than `ENOUGH`, and how many they lack."""
    largest = np.argsort(-evidence.groups, kind="stable")[:2].tolist()
    return {k: ENOUGH - int(evidence.groups[k]) for k in largest if evidence.groups[k] < ENOUGH}


def only_a_handful(evidence: Evidence) -> bool:
    """Whether no class has groups enough to judge it by, and not all are at the target even so."""
    return int(evidence.groups.max()) < TO_JUDGE and not at_target(evidence)


def learnt_anything(signal: Signal) -> bool:
    """Whether the nets surely know more than chance of what they were taught with."""
    return signal.seen_macro_f1.low > chance_limit(signal)


def would_have_shown(evidence: Evidence) -> bool:
    """Whether a score that is good for anything would have been seen, if there was one.

    There are photographs enough, the net can learn, and has learnt what it was taught with as far as that is more than
    chance, and half the way from chance to the target lies above the interval.
    """
    signal = evidence.signal
    if signal is None or lacking(evidence) or not learnt_by_heart(evidence) or not learnt_anything(signal):
        return False
    chance = float(np.median(signal.chance)) if len(signal.chance) else signal.majority
    return signal.macro_f1.high < (chance + evidence.target) / 2


def known_noise(evidence: Evidence) -> LabelNoise | None:
    """Return what is known of the labels, if the nets know enough for it to be believed.

    Nets that have not learnt some classes, and are surely worse than the labels would let them be, make mistakes of
    their own that pass for wrong labels.
    """
    noise, signal = evidence.noise, evidence.signal
    if noise is None or not noise.believed or signal is None:
        return None
    own_mistakes = "not learnt" in standings(evidence) and noise.ceiling.low > signal.macro_f1.high
    return None if own_mistakes else noise


def labels_are_the_limit(evidence: Evidence) -> bool:
    """Whether labels are wrong in number, the target is out of reach by them, and they alone may be why it is missed.

    In number: surely `MANY_WRONG`, or likely `SO_MANY_WRONG`. A net that is surely worse than they let it be makes
    mistakes of its own, which may pass for wrong labels.
    """
    noise, signal = known_noise(evidence), evidence.signal
    if noise is None or signal is None or noise.ceiling.value >= evidence.target:
        return False
    in_number = noise.rate.low >= MANY_WRONG or noise.rate.value >= SO_MANY_WRONG
    return in_number and noise.ceiling.low <= signal.macro_f1.high


def not_told_apart(evidence: Evidence) -> list[Pair]:
    """Return the pairs that are not told apart, and of which a class is not at the target."""
    stands = standings(evidence)
    return [
        pair
        for pair in evidence.pairs or ()
        if pair.told_apart is False and {stands[pair.first], stands[pair.second]} != {"at target"}
    ]


def better_option(evidence: Evidence) -> Option | None:
    """Return the net and resolution that gain most over the recipe's own, if some surely do."""
    others = evidence.limits.options[1:] if evidence.limits else ()
    return max((each for each in others if each.gain.low > 0), key=lambda each: each.gain.value, default=None)


def missing(evidence: Evidence) -> list[str]:
    """Return in words what there was no time to measure."""
    measured = {
        "whether the net can learn a handful by heart": evidence.overfit or None,
        "whether the score is above chance": evidence.signal,
        "whether the score is real": evidence.leaks,
        "wrong labels": evidence.noise,
        "classes that are one": evidence.pairs,
        "what more photographs would bring": evidence.curve,
        "what another net or picture size would bring": evidence.limits,
    }
    return [what for what, found in measured.items() if found is None]
