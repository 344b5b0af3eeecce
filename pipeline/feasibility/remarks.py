"""What is true beside the verdict and matters."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.feasibility import facts, in_words, said
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.standing import FEWEST_GROUPS, standing_so
from pipeline.report.shortcuts import Association
from pipeline.report.words import counted, listed, quoted


@dataclass(frozen=True)
class _Remark:
    """A sentence, or "" where there is nothing to say; left out beside rows of the rule that say it or make it void."""

    says: Callable[[Evidence], str]
    not_with: frozenset[str] = frozenset()


def remarks(evidence: Evidence, rule: str) -> tuple[str, ...]:
    """Return what matters beside the row `rule` of the rule, a sentence or two each."""
    found = (each.says(evidence) for each in _REMARKS if rule not in each.not_with)
    return tuple(filter(None, found))


def _overfit(evidence: Evidence) -> str:
    return said.overfit_said(evidence) if facts.learnt_by_heart(evidence) is False else ""


def _shortcut(evidence: Evidence) -> str:
    found = facts.alarms(evidence)
    if not found:
        return ""
    return (
        f"{' '.join(_gives_away(evidence, each) for each in found)} A net may have learnt that in place of the defect: "
        "make the photographs alike, run this again, and compare."
    )


def _gives_away(evidence: Evidence, found: Association) -> str:
    name = found.attribute.name
    tales = [
        f"{tale.count} of {tale.of} of {name} {tale.value} are {quoted(evidence.class_names[tale.class_number])}"
        for tale in found.telltales[: said.MOST_NAMED]
    ]
    return f"The {name} gives the class away: {listed(tales)}." if tales else f"The {name} gives the class away."


def _copies(evidence: Evidence) -> str:
    leaks = evidence.leaks
    if leaks is None or leaks.gap.low <= 0:
        return ""
    return (
        "Photographs of one part must stay together: dealt out one by one, copies alone would add "
        f"{in_words.gain(leaks.gap)} to macro F1. The scores here are without that."
    )


def _border(evidence: Evidence) -> str:
    leaks = evidence.leaks
    if leaks is None or leaks.border.low <= leaks.chance:
        return ""
    return (
        f"The outermost pixels alone tell the classes with a macro F1 of {in_words.score(leaks.border)}, by "
        f"chance up to {leaks.chance:.2f}: if no defect reaches the border, that is the background, and no defect."
    )


def _conflicts(evidence: Evidence) -> str:
    conflicts = evidence.noise.conflicts if evidence.noise else 0
    return (
        f"{counted(conflicts, 'photograph')} stand under two classes: one of the labels is wrong." if conflicts else ""
    )


def _noise(evidence: Evidence) -> str:
    noise = facts.known_noise(evidence)
    return said.noise_said(evidence) if noise and noise.rate.low >= facts.MANY_WRONG else ""


def _pairs(evidence: Evidence) -> str:
    return " ".join(said.pair_said(evidence, pair) for pair in facts.not_told_apart(evidence)[: said.MOST_NAMED])


def _baseline(evidence: Evidence) -> str:
    signal = evidence.signal
    if signal is None or signal.gain.high >= 0:
        return ""
    return (
        f"A simple classifier without a net does better than the nets: {in_words.score(signal.baseline)} against "
        f"{in_words.score(signal.macro_f1)}. The recipe has more to give."
    )


def _limits(evidence: Evidence) -> str:
    return said.limits_said(evidence) if facts.better_option(evidence) else ""


def _few(evidence: Evidence) -> str:
    few = [k for k, groups in enumerate(evidence.groups.tolist()) if groups < FEWEST_GROUPS]
    if not few:
        return ""
    return (
        f"Of {said.class_names(evidence, few)} there are fewer than {FEWEST_GROUPS} parts: no score there is believed."
    )


def _undecided(evidence: Evidence) -> str:
    signal = evidence.signal
    if signal is None:
        return ""
    below = [k for k in standing_so(evidence, "not known") if signal.f1[k].value < evidence.target]
    return " ".join(
        f"Whether more photographs bring {said.class_said(evidence, k)} to the target is not known: "
        f"{signal.hits[k]} of {signal.support[k]} are found, "
        f"with {counted(int(signal.false_alarms[k]), 'false alarm')}."
        for k in below[: said.MOST_NAMED]
    )


def _curve(evidence: Evidence) -> str:
    wanting = [*standing_so(evidence, "wants more"), *standing_so(evidence, "no amount")]
    return f"{said.curve_said(evidence)} The step above may change that." if wanting else ""


def _missing(evidence: Evidence) -> str:
    found = facts.missing(evidence)
    return f"There was no time to measure: {'; '.join(found)}. It could change this." if found else ""


_VOID = frozenset({"cannot-learn", "not-measured", "shortcut", "net-blind", "no-signal", "too-small"})
"""Rows after which a score says nothing, and neither does what is drawn from it."""

_REMARKS = (
    _Remark(_overfit, frozenset({"cannot-learn"})),
    _Remark(_shortcut, frozenset({"shortcut"})),
    _Remark(_copies, frozenset({"copies"})),
    _Remark(_border, frozenset({"no-signal", "too-small"})),
    _Remark(_conflicts, frozenset({"wrong-labels"})),
    _Remark(_noise, _VOID | {"wrong-labels", "underfit"}),
    _Remark(_pairs, _VOID | {"one-class", "wrong-labels"}),
    _Remark(_baseline, frozenset({"cannot-learn", "net-blind"})),
    _Remark(_limits, _VOID | {"other-pictures", "no-amount"}),
    _Remark(_few, frozenset({"cannot-learn", "not-measured"})),
    _Remark(_undecided, _VOID | {"copies", "wrong-labels", "one-class", "go", "underfit", "not-known"}),
    _Remark(_curve, _VOID | {"wrong-labels", "go", "underfit", "collect", "other-pictures", "no-amount", "not-known"}),
    _Remark(_missing),
)
