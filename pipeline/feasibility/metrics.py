"""What a tracker is told of the findings: a run each."""

import math
from collections.abc import Iterator, Mapping

from pipeline.evaluation.estimates import Measured
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.leaks import Leaks
from pipeline.feasibility.learning_curve import LearningCurve
from pipeline.feasibility.limits import Limits
from pipeline.feasibility.noise import LabelNoise
from pipeline.feasibility.signal import Signal

Metrics = Mapping[int, Mapping[str, float]]
"""Step -> name -> value, a finite one."""


def metrics_of(evidence: Evidence) -> dict[str, Metrics]:
    """Return the metrics of each finding that there is, by its name.

    The steps of the learning curve are numbers of photographs; all else is at step 0. An interval's ends are called
    ``<name>/low`` and ``<name>/high``.
    """
    names = evidence.class_names
    told: dict[str, Metrics] = {"overfit": {0: dict(_overfit(evidence))}}
    if evidence.signal:
        told["signal"] = {0: dict(_signal(evidence.signal, names))}
    if evidence.curve:
        told["learning_curve"] = _curve(evidence.curve, names)
    if evidence.noise:
        told["noise"] = {0: dict(_noise(evidence.noise, names))}
    if evidence.pairs:
        told["pairs"] = {0: dict(_pairs(evidence))}
    if evidence.leaks:
        told["leaks"] = {0: dict(_leaks(evidence.leaks))}
    if evidence.limits:
        told["limits"] = {0: dict(_limits(evidence.limits))}
    return {name: _finite(steps) for name, steps in told.items()}


Named = Iterator[tuple[str, float]]


def _measured(name: str, measured: Measured) -> Named:
    yield name, measured.value
    yield f"{name}/low", measured.low
    yield f"{name}/high", measured.high


def _finite(steps: Metrics) -> Metrics:
    return {
        step: {name: value for name, value in values.items() if math.isfinite(value)} for step, values in steps.items()
    }


def _overfit(evidence: Evidence) -> Named:
    for each in evidence.overfit:
        if each.passed is not None:
            yield f"passed/{each.model}", float(each.passed)
        yield f"steps/{each.model}", float(each.steps)
        yield f"loss/{each.model}", each.loss


def _signal(signal: Signal, names: tuple[str, ...]) -> Named:
    yield from _measured("macro_f1", signal.macro_f1)
    yield from _measured("seen/macro_f1", signal.seen_macro_f1)
    for name, f1 in zip(names, signal.f1, strict=True):
        yield from _measured(f"f1/{name}", f1)
    yield "majority/macro_f1", signal.majority
    yield from _measured("baseline/macro_f1", signal.baseline)
    yield from _measured("gain", signal.gain)
    yield "p", signal.p


def _curve(curve: LearningCurve, names: tuple[str, ...]) -> Metrics:
    steps: dict[int, dict[str, float]] = {}
    for each in (curve.macro, *curve.classes):
        name = "macro_f1" if each.class_number is None else f"f1/{names[each.class_number]}"
        for count, f1 in zip(each.counts.tolist(), each.f1, strict=True):
            steps.setdefault(round(count), {}).update(_measured(name, f1))
        kind, _, class_name = name.partition("/")
        forecasts = {"needed": each.needed, "ceiling": each.ceiling, "doubled": each.doubled}
        for word, measured in forecasts.items():
            called = f"{word}/{class_name}" if class_name else f"{word}/{kind}"
            steps.setdefault(0, {}).update(_measured(called, measured))
    return steps


def _noise(noise: LabelNoise, names: tuple[str, ...]) -> Named:
    yield from _measured("rate", noise.rate)
    for name, rate in zip(names, noise.by_class, strict=True):
        yield from _measured(f"rate/{name}", rate)
    yield from _measured("ceiling", noise.ceiling)
    yield "conflicts", float(noise.conflicts)


def _pairs(evidence: Evidence) -> Named:
    for pair in evidence.pairs or ():
        both = f"{evidence.class_names[pair.first]} - {evidence.class_names[pair.second]}"
        yield from _measured(f"auc/{both}", pair.auc)
        yield f"seen/{both}", pair.seen
        yield from _measured(f"merged/{both}", pair.merged)


def _leaks(leaks: Leaks) -> Named:
    for name in ("random", "grouped", "gap", "attributes", "border"):
        yield from _measured(name, getattr(leaks, name))
    yield "chance", leaks.chance


def _limits(limits: Limits) -> Named:
    for option in limits.options:
        net = f"{option.model} {option.resolution} px"
        yield from _measured(f"macro_f1/{net}", option.macro_f1)
        yield from _measured(f"gain/{net}", option.gain)
