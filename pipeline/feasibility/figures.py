"""All findings as plain numbers, for `dvc metrics show`, `dvc metrics diff` and whoever wants to plot them."""

import json
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.leaks import Leaks
from pipeline.feasibility.learning_curve import Curve
from pipeline.feasibility.noise import LabelNoise
from pipeline.feasibility.pairs import Pair
from pipeline.feasibility.plan import Probe
from pipeline.feasibility.standing import standings, wanted_in_all
from pipeline.feasibility.verdict import judge
from pipeline.files import write_text
from pipeline.text import shown

_QUANTILES = {"low": 0.025, "median": 0.5, "high": 0.975}
_DIGITS = 4
_BY_CLASS = ("f1", "seen_f1", "support", "groups", "hits", "false_alarms", "class_chance")  # they stand by their names


def write_json(path: Path, evidence: Evidence, probe: Probe) -> None:
    """Write `figures` as JSON, whole or not at all."""
    write_text(path, json.dumps(figures(evidence, probe), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def figures(evidence: Evidence, probe: Probe) -> dict[str, Any]:
    """Return verdict, target, classes, findings and probe as nested dicts of numbers and text, as `dvc metrics` wants.

    A value with its interval is {value, low, high}; draws are {low, median, high}, their quantiles; what is infinite
    (no amount) or has no value is null; so is a finding that was not measured. Classes, pairs, nets and attributes
    stand by their names.
    """
    signal, leaks, noise, limits = evidence.signal, evidence.leaks, evidence.noise, evidence.limits
    return {
        "verdict": _plain(judge(evidence)),
        "target": evidence.target,
        "classes": {shown(name): _class(evidence, k) for k, name in enumerate(evidence.class_names)},
        "overfit": {f"{each.model} {each.resolution}": _plain(each, "losses") for each in evidence.overfit} or None,
        "signal": signal and _plain(signal, *_BY_CLASS),
        "curve": evidence.curve and _curve(evidence.curve.macro),
        "noise": noise and _noise(noise),
        "pairs": None if evidence.pairs is None else _pairs(evidence.class_names, evidence.pairs),
        "leaks": leaks and _leaks(leaks),
        "limits": limits and {f"{each.model} {each.resolution}": _plain(each) for each in limits.options},
        "probe": {**_plain(probe, "recipe"), "recipe": probe.recipe.title},
    }


def _class(evidence: Evidence, k: int) -> dict[str, Any]:
    signal, noise, curve = evidence.signal, evidence.noise, evidence.curve
    return {
        "photographs": int(evidence.support[k]),
        "groups": int(evidence.groups[k]),
        "stands": standings(evidence)[k],
        "wanted_in_all": _plain(wanted_in_all(evidence, k)) if standings(evidence)[k] == "wants more" else None,
        "f1": signal and _plain(signal.f1[k]),
        "seen_f1": signal and _plain(signal.seen_f1[k]),
        "hits": signal and int(signal.hits[k]),
        "false_alarms": signal and int(signal.false_alarms[k]),
        "f1_by_chance": signal and _plain(signal.class_chance[:, k]),
        "wrong_labels": noise and _plain(noise.by_class[k]),
        "curve": curve and _curve(curve.classes[k]),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    """Return a curve, with what was seen by the number of photographs that taught."""
    seen = {f"{count:.1f}": _plain(f1) for count, f1 in zip(curve.counts.tolist(), curve.f1, strict=True)}
    law = {name: _plain(curve.drawn[:, place]) for place, name in enumerate("abc")}
    return {**_plain(curve, "class_number", "counts", "f1", "drawn"), "seen": seen, "law": law}


def _noise(noise: LabelNoise) -> dict[str, Any]:
    doubts = noise.doubts
    return {
        **_plain(noise, "by_class", "doubts", "one", "levels"),
        "listed": len(doubts.doubts),
        "judged": doubts.judged,
    }


def _pairs(names: Sequence[str], pairs: Sequence[Pair]) -> dict[str, Any]:
    return {
        f"{shown(names[each.first])}, {shown(names[each.second])}": _plain(each, "first", "second") for each in pairs
    }


def _leaks(leaks: Leaks) -> dict[str, Any]:
    found = {
        each.attribute.name: {**_plain(each, "attribute", "telltales"), "alarm": each.alarm}
        for each in leaks.associations
    }
    return {**_plain(leaks, "associations"), "associations": found}


def _plain(value: Any, *without: str) -> Any:
    """Return a value as JSON has it: dataclasses as dicts, but for some fields; arrays as their quantiles."""
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.name not in without}
    if isinstance(value, np.ndarray):
        if not len(value):
            return None
        return {name: _plain(float(np.quantile(value, quantile))) for name, quantile in _QUANTILES.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return round(float(value), _DIGITS) if math.isfinite(value) else None
    return value
