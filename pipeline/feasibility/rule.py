"""The rule of the verdict: rows, of which each would make void what stands below it. See docs/feasibility.md."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.feasibility import facts, words
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.standing import by_chance, standings

Kind = Literal["go", "collect", "change", "unknown"]


@dataclass(frozen=True)
class Row:
    """A row of the rule.

    Attributes
    ----------
    id : its name, as in the documentation.
    kind : of verdict.
    holds : whether it applies; asked only if no row before it does.
    says : what is said then.
    """

    id: str
    kind: Kind
    holds: Callable[[Evidence], bool]
    says: Callable[[Evidence], words.Words]


def _cannot_learn(evidence: Evidence) -> bool:
    return facts.learnt_by_heart(evidence) is False and not facts.at_target(evidence)


def _not_measured(evidence: Evidence) -> bool:
    return evidence.signal is None


def _net_blind(evidence: Evidence) -> bool:
    signal = evidence.signal
    return by_chance(evidence) and signal is not None and facts.baseline_sees(signal)


def _no_signal(evidence: Evidence) -> bool:
    return facts.hardly_above_chance(evidence) and facts.would_have_shown(evidence)


def _labels(evidence: Evidence) -> bool:
    return facts.labels_are_the_limit(evidence) and not facts.at_target(evidence)


def _go(evidence: Evidence) -> bool:
    return facts.at_target(evidence) and evidence.leaks is not None


def _underfit(evidence: Evidence) -> bool:
    return "not learnt" in standings(evidence)


def _collect(evidence: Evidence) -> bool:
    return "wants more" in standings(evidence)


def _no_amount(evidence: Evidence) -> bool:
    return "no amount" in standings(evidence) and bool(facts.learnt_by_heart(evidence))


def _other_pictures(evidence: Evidence) -> bool:
    return _no_amount(evidence) and facts.better_option(evidence) is not None


def _always(_: Evidence) -> bool:
    return True


RULE = (
    Row("cannot-learn", "unknown", _cannot_learn, words.say_cannot_learn),
    Row("copies", "change", facts.copies_are_the_score, words.say_copies),
    Row("not-measured", "unknown", _not_measured, words.say_not_measured),
    Row("shortcut", "change", facts.shortcut_is_the_score, words.say_shortcut),
    Row("net-blind", "unknown", _net_blind, words.say_net_blind),
    Row("no-signal", "change", _no_signal, words.say_no_signal),
    Row("too-small", "unknown", by_chance, words.say_too_small),
    Row("handful", "unknown", facts.only_a_handful, words.say_handful),
    Row("wrong-labels", "change", _labels, words.say_labels),
    Row("one-class", "change", lambda evidence: bool(facts.not_told_apart(evidence)), words.say_one_class),
    Row("go", "go", _go, words.say_go),
    Row("underfit", "unknown", _underfit, words.say_underfit),
    Row("collect", "collect", _collect, words.say_collect),
    Row("other-pictures", "change", _other_pictures, words.say_other_pictures),
    Row("no-amount", "change", _no_amount, words.say_no_amount),
    Row("not-known", "unknown", _always, words.say_not_known),
)
"""From the top; the first row that applies decides. The last always does."""
