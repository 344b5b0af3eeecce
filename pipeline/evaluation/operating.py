"""From probabilities to a decision, sound or not: thresholds chosen on val, and the rates that they have on test.

The score of a photograph is 1 - p(sound); it raises an alarm where that is at least the threshold. A *false alarm* is
an alarm for a sound photograph; a *miss* is none for a defect, of whatever class: an escaped defect. A defect that is
given the name of another defect is no miss.

A threshold for a rate r comes from the n photographs of val that the rate is about: k of them may be on the wrong side,
k + 1 the largest whole number that is at most r (n + 1). Then a new photograph is on the wrong side with probability at
most r, on average over such val parts, whatever the net (V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in
a Random World", 2005); and on val itself the rate is below r. Where n is less than 1 / r - 1 no threshold can promise
that: then none of val is on the wrong side, and it is said. Photographs of one group are not independent, so n is the
number of groups, and each stands for itself with the photograph that comes to the wrong side first.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.estimates import Rate, rate_of
from pipeline.evaluation.predictions import Answers, FloatArray, IntArray, Predictions

FALSE_ALARMS, MISSES, LIKELIEST = "false_alarm_rate", "miss_rate", "likeliest_class"
_ROUNDING = 1e-9  # 0.29 * 100 is a little less than 29


@dataclass(frozen=True)
class Point:
    """One way to decide, and what comes of it.

    Attributes
    ----------
    name : `FALSE_ALARMS` or `MISSES`, the rate that is held, or `LIKELIEST`, no threshold at all
    target : the rate that is wanted; None without one
    thresholds : of the score, 0 to 1, one a net; empty without one
    val_false_alarms, val_misses, false_alarms, misses : rates on val and on test
    escaped : class -> photographs of test that were missed
    notes : sentences on what these counts cannot show
    """

    name: str
    target: float | None
    thresholds: tuple[float, ...]
    val_false_alarms: Rate
    val_misses: Rate
    false_alarms: Rate
    misses: Rate
    escaped: Mapping[str, int]
    notes: tuple[str, ...]

    def words(self) -> str:
        """Return the point's name for people."""
        if self.target is None:
            return "the likeliest class"
        return f"{'false alarms' if self.name == FALSE_ALARMS else 'misses'} at most {percent(self.target)}"

    def figures(self) -> dict[str, float]:
        """Return the entry in `metrics.json`."""
        target = {} if self.target is None else {"target": self.target}
        return target | self.false_alarms.figures(FALSE_ALARMS) | self.misses.figures(MISSES)


def score_of_defect(predictions: Predictions, sound: int) -> FloatArray:
    """Return float64 (N,), 0 to 1: how much speaks against the class `sound`."""
    score: FloatArray = 1 - predictions.probabilities[:, sound]
    return score


def alarm_threshold(scores: FloatArray, rate: float) -> float:
    """Return the lowest threshold at which at most `rate` of sound photographs with these scores raise an alarm.

    Without any, 0: everything raises one.
    """
    if not len(scores):
        return 0.0
    return float(np.nextafter(np.sort(scores)[::-1][_allowed(len(scores), rate)], np.inf))


def miss_threshold(scores: FloatArray, rate: float) -> float:
    """Return the highest threshold at which at most `rate` of such defects raise no alarm; without any, 0."""
    return float(np.sort(scores)[_allowed(len(scores), rate)]) if len(scores) else 0.0


def _allowed(count: int, rate: float) -> int:
    return max(0, math.floor(rate * (count + 1) + _ROUNDING) - 1)


def percent(rate: float) -> str:
    """Return "0.5%" for 0.005."""
    return f"{100 * rate:.6g}%"


def fewest_for(rate: float) -> int:
    """Return how many photographs of val it takes to promise a rate."""
    return math.ceil(1 / rate - 1 - _ROUNDING)


def operating_points(nets: Sequence[Answers], sound: int, false_alarm_rate: float, miss_rate: float) -> list[Point]:
    """Return the point at each rate, each net with thresholds from its own val part, and that of the likeliest class.

    Parameters
    ----------
    sound : place of the class that means "no defect"
    false_alarm_rate, miss_rate : above 0 and below 1
    """
    return [
        _point(nets, sound, FALSE_ALARMS, false_alarm_rate),
        _point(nets, sound, MISSES, miss_rate),
        _point(nets, sound, LIKELIEST, None),
    ]


def _point(nets: Sequence[Answers], sound: int, name: str, target: float | None) -> Point:
    thresholds = () if target is None else tuple(_threshold(net.val, sound, name, target) for net in nets)
    raised = {
        part: [_alarms(getattr(net, part), sound, thresholds[k] if thresholds else None) for k, net in enumerate(nets)]
        for part in ("val", "test")
    }
    y_true, groups = (
        {part: np.concatenate([getattr(getattr(net, part), name) for net in nets]) for part in raised}
        for name in ("y_true", "groups")
    )
    rates = {part: _rates(y_true[part] == sound, np.concatenate(raised[part]), groups[part]) for part in raised}
    missed = y_true["test"][(y_true["test"] != sound) & ~np.concatenate(raised["test"])]
    class_names = nets[0].test.class_names
    notes = () if target is None else _notes([net.val for net in nets], sound, name, target, rates["test"])
    return Point(
        name,
        target,
        thresholds,
        *rates["val"],
        *rates["test"],
        escaped={class_names[k]: count for k, count in sorted(Counter(missed.tolist()).items())},
        notes=notes,
    )


def _threshold(val: Predictions, sound: int, name: str, target: float) -> float:
    scores, is_sound = score_of_defect(val, sound), val.y_true == sound
    if name == FALSE_ALARMS:
        return alarm_threshold(-_lowest(-scores[is_sound], val.groups[is_sound]), target)
    return miss_threshold(_lowest(scores[~is_sound], val.groups[~is_sound]), target)


def _lowest(scores: FloatArray, groups: IntArray) -> FloatArray:
    """Return the lowest score of each group."""
    found, of = np.unique(groups, return_inverse=True)
    lowest = np.full(len(found), np.inf)
    np.minimum.at(lowest, of, scores)
    return lowest


def _alarms(part: Predictions, sound: int, threshold: float | None) -> NDArray[np.bool_]:
    alarms: NDArray[np.bool_] = part.y_pred != sound if threshold is None else score_of_defect(part, sound) >= threshold
    return alarms


def _rates(is_sound: NDArray[np.bool_], alarms: NDArray[np.bool_], groups: IntArray) -> tuple[Rate, Rate]:
    """Return false alarms and misses."""
    return rate_of(alarms[is_sound], groups[is_sound]), rate_of(~alarms[~is_sound], groups[~is_sound])


def _notes(
    vals: Sequence[Predictions], sound: int, name: str, target: float, on_test: tuple[Rate, Rate]
) -> tuple[str, ...]:
    alarms = name == FALSE_ALARMS
    kind = "sound photographs" if alarms else "photographs of defects"
    there = min((_counts(val, (val.y_true == sound) == alarms) for val in vals), key=lambda counts: counts[::-1])
    judged = on_test[0 if alarms else 1]
    notes = []
    if there[1] < fewest_for(target):
        least = (
            "0: everything raises an alarm" if not there[1] else "the one at which none of them is on the wrong side"
        )
        notes.append(
            f"val has {there[0]} {kind}{_in_groups(*there)}{' in one fold' if len(vals) > 1 else ''}; to promise "
            f"{percent(target)} takes {fewest_for(target)}. The threshold is {least}."
        )
    best = Rate(0, judged.of, judged.worth).high
    if best > target:
        notes.append(
            f"{judged.of} {kind} in test cannot show {percent(target)}: even with none on the wrong side it could be "
            f"{best:.1%}."
        )
    return tuple(notes)


def _counts(val: Predictions, chosen: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many photographs are chosen, and of how many groups."""
    return int(chosen.sum()), len(np.unique(val.groups[chosen]))


def _in_groups(photographs: int, groups: int) -> str:
    return "" if groups == photographs else f" in {groups} group{'s' if groups > 1 else ''}"


def curve(nets: Sequence[Answers], sound: int) -> tuple[FloatArray, FloatArray]:
    """Return the false-alarm and miss rates on test at every threshold, the same for all nets: float64 (T,) each.

    Empty where test has no sound photographs or no others.
    """
    scores = np.concatenate([score_of_defect(net.test, sound) for net in nets])
    is_sound = np.concatenate([net.test.y_true == sound for net in nets])
    if is_sound.all() or not is_sound.any():
        return np.empty(0), np.empty(0)
    thresholds = np.append(np.unique(scores), np.inf)
    false_alarms = 1 - np.searchsorted(np.sort(scores[is_sound]), thresholds) / is_sound.sum()
    misses = np.searchsorted(np.sort(scores[~is_sound]), thresholds) / (~is_sound).sum()
    return false_alarms, misses
