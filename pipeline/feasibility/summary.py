"""The tables at the head of the page: what was asked and what came of it, and what each class wants."""

from collections import Counter
from typing import Any

from pipeline.feasibility import facts, in_words, said
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.plan import Probe
from pipeline.feasibility.standing import TO_JUDGE, Standing, by_chance, known_curve, standings
from pipeline.report.sections import Section, Table
from pipeline.report.words import counted

_UNKNOWN = "Not measured"
_STANDS: dict[Standing, str] = {
    "wants more": "Yes",
    "not learnt": "Not known, they are not learnt",
    "no amount": "No, no number of these",
    "at target": "No need",
    "not known": "Not known",
}


def findings_section(evidence: Evidence) -> Section:
    """Return the table of all findings: what was asked, the answer in short, and its figures."""
    rows = [
        ["Can the net learn at all?", _can_learn(evidence), said.overfit_said(evidence)],
        ["Is there anything to learn?", _signal(evidence), said.signal_said(evidence)],
        ["Is the score real?", _real(evidence), said.leaks_said(evidence)],
        ["Are the labels right?", _labels(evidence), said.noise_said(evidence)],
        ["Is each class one of its own?", _pairs(evidence), said.pairs_said(evidence)],
        ["Would more photographs help?", _more(evidence), said.curve_said(evidence)],
        ["Would another net or picture size?", _limits(evidence), said.limits_said(evidence)],
    ]
    note = "In brackets: the 95% interval, computed so that it holds the truth 19 times in 20."
    table = Table(["Question", "Answer", "Found"], "<<<", rows)
    return Section("What was asked, and what came of it", table=table, notes=[note])


def class_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a row a class, the largest first."""
    order = sorted(range(len(evidence.class_names)), key=lambda k: -int(evidence.support[k]))
    signal = evidence.signal
    return [
        {
            "name": evidence.class_names[k],
            "photographs": said.parts(evidence, k),
            "score": signal.f1[k] if signal else None,
            "found": f"{signal.hits[k]} of {signal.support[k]}" if signal else "-",
            "false_alarms": str(signal.false_alarms[k]) if signal else "-",
            "few": int(evidence.groups[k]) < TO_JUDGE,
            "wants": wants(evidence, k),
        }
        for k in order
    ]


def wants(evidence: Evidence, k: int) -> str:
    """Return in a few words what a class wants."""
    match standings(evidence)[k]:
        case "at target":
            return "at the target"
        case "wants more":
            return f"photographs: {said.amount(evidence, k)} in all"
        case "not learnt":
            return "not known: the nets have not learnt it"
        case "no amount":
            return "no number of photographs like these is enough"
        case _:
            return f"not known{_at_least(evidence, k)}"


def _at_least(evidence: Evidence, k: int) -> str:
    curve = known_curve(evidence, k)
    if curve is None or curve.hopeless or evidence.signal is None or evidence.signal.f1[k].value >= evidence.target:
        return ""
    return f"; photographs: {in_words.amount(max(curve.needed.low, 2 * curve.now))} at the least in all"


def weaker_said(probe: Probe) -> tuple[str, ...]:
    """Say how the nets are weaker than what params.yaml asks for; nothing if they are not."""
    if not probe.weaker:
        return ()
    said_of_it = (
        f"In {probe.minutes:g} minutes the nets could not be trained in full ({'; '.join(probe.weaker)}). A full "
        "training most likely reaches more, and then fewer photographs are wanted"
    )
    if probe.in_full is None:
        return (f"{said_of_it}.",)
    minutes = in_words.amount(probe.in_full)
    return (f"{said_of_it}: run it once with feasibility.minutes at some {minutes} before many are taken.",)


def probe_section(probe: Probe) -> Section:
    """Say what it took to find this out, and what that leaves open."""
    recipe = probe.recipe
    said_of_it = [
        f"{counted(probe.trainings, 'net')} trained, in {probe.used:.2g} of {probe.minutes:g} minutes. The scores "
        f"are of {recipe.model} at {recipe.resolution} pixels, {counted(recipe.epochs, 'epoch')}.",
    ]
    if probe.left_out:
        said_of_it.append(f"There was no time for: {'; '.join(probe.left_out)}.")
    said_of_it.append(
        "All photographs were asked about, those of test too, by nets that had not seen them. Nothing of the model is "
        "chosen by it."
    )
    return Section("What it took", said_of_it)


def _can_learn(evidence: Evidence) -> str:
    return {True: "Yes", False: "No", None: _UNKNOWN}[facts.learnt_by_heart(evidence)]


def _signal(evidence: Evidence) -> str:
    if evidence.signal is None:
        return _UNKNOWN
    if not by_chance(evidence):
        return "Yes"
    return "No" if facts.would_have_shown(evidence) else "Not known"


def _real(evidence: Evidence) -> str:
    if evidence.leaks is None:
        return _UNKNOWN
    if facts.copies_are_the_score(evidence) or facts.shortcut_is_the_score(evidence):
        return "No"
    return "Partly in doubt" if facts.alarms(evidence) else "Nothing speaks against it"


def _labels(evidence: Evidence) -> str:
    noise = facts.known_noise(evidence)
    if noise is None:
        return _UNKNOWN if evidence.noise is None else "Not known"
    if noise.rate.low >= facts.MANY_WRONG:
        return "Too many are wrong"
    return "Mostly" if noise.rate.low > 0 else "Nothing speaks against it"


def _pairs(evidence: Evidence) -> str:
    if evidence.pairs is None:
        return _UNKNOWN
    told = {pair.told_apart for pair in evidence.pairs}
    if False in told:
        return "No"
    return "Not known of all" if None in told else "Yes"


def _more(evidence: Evidence) -> str:
    if evidence.curve is None or evidence.signal is None:
        return _UNKNOWN
    counts = Counter(standings(evidence))
    return "; ".join(f"{what} ({counts[stands]})" for stands, what in _STANDS.items() if counts[stands])


def _limits(evidence: Evidence) -> str:
    if evidence.limits is None:
        return _UNKNOWN
    return "Yes" if facts.better_option(evidence) else "Not surely"
