"""Each finding in a sentence or two, with its figures, for somebody who knows no statistics."""

import math
from collections.abc import Sequence

from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.facts import alarms, better_option, chance_limit, known_noise
from pipeline.feasibility.in_words import gain, in_steps, score, share
from pipeline.feasibility.learning_curve import FAR
from pipeline.feasibility.limits import Option
from pipeline.feasibility.pairs import Pair
from pipeline.feasibility.standing import TO_JUDGE, by_chance, standing_so, wanted_in_all
from pipeline.report.words import counted, listed, quoted

NOT_MEASURED = "Not measured: there was no time."
MOST_NAMED = 3
_NEARLY_ALL = 0.9


def amount(evidence: Evidence, k: int) -> str:
    """Return how many photographs of a class there should be in all: "some 40 to 150"; rounded, since nobody knows."""
    wanted, now = wanted_in_all(evidence, k), int(evidence.support[k])
    low, value, high = (in_steps(each) for each in (wanted.low, wanted.value, wanted.high))
    if wanted.high <= now + 1:
        return f"a few more than {now}"
    if math.isinf(wanted.value) or (math.isinf(wanted.high) and wanted.value > FAR * now):
        return f"{in_steps(max(wanted.low, 2 * now)):.0f} at the least"
    if math.isinf(wanted.high):
        return f"some {value:.0f}, perhaps many more"
    if wanted.low <= now + 1:
        return f"up to {high:.0f}"
    return f"some {low:.0f} to {high:.0f}" if high > low else f"some {low:.0f}"


def to_come_back_with(evidence: Evidence, k: int) -> int:
    """Return how many photographs of a class in all tell more: twice what there is, or enough to judge by."""
    now = int(evidence.support[k])
    enough = now + max(1, TO_JUDGE - int(evidence.groups[k]))
    return max(enough, round(in_steps(min(2 * now, wanted_in_all(evidence, k).value))))


def class_names(evidence: Evidence, classes: Sequence[int]) -> str:
    """Return the names of classes in a row, all but the first few only counted."""
    names = [quoted(evidence.class_names[k]) for k in classes[:MOST_NAMED]]
    rest = len(classes) - MOST_NAMED
    return listed([*names, f"{rest} more"] if rest > 0 else names)


def parts(evidence: Evidence, k: int) -> str:
    """Return how many photographs of a class there are: "8", or "8 (3 parts)" where more than a few belong together."""
    support, groups = int(evidence.support[k]), int(evidence.groups[k])
    return str(support) if groups > _NEARLY_ALL * support else f"{support} ({counted(groups, 'part')})"


def pair_names(evidence: Evidence, pair: Pair) -> str:
    """Return the names of two classes: “a” and “b”."""
    return class_names(evidence, [pair.first, pair.second])


def option_name(option: Option) -> str:
    """Return "resnet18 at 96 pixels"."""
    return f"{option.model} at {option.resolution} pixels"


def overfit_said(evidence: Evidence) -> str:
    """Say whether the net can learn at all."""
    if not evidence.overfit:
        return NOT_MEASURED
    own = evidence.overfit[0]
    net = f"{own.model} at {own.resolution} pixels"
    if own.passed:
        return f"{net} learns a handful of each class by heart, in {counted(own.steps, 'step')}: it can learn."
    if own.passed is None:
        return f"{net} was not finished with a handful of each class in its time, which says nothing against it."
    return (
        f"{net} does not even learn a handful of each class by heart: after {counted(own.steps, 'step')} its loss is "
        f"{own.loss:.2f}. Likely cause: {own.cause}."
    )


def signal_said(evidence: Evidence) -> str:
    """Say whether the score is above chance, and above what is had without a net."""
    signal = evidence.signal
    if signal is None:
        return NOT_MEASURED
    return (
        "On photographs that they had not seen, the nets reach a macro F1 (the mean over the classes, 0 to 1) of "
        f"{score(signal.macro_f1)}, on those that they were taught with {score(signal.seen_macro_f1)}. What chance "
        f"reaches is below {chance_limit(signal):.2f} in 19 of 20 cases"
        f"{', so this may be chance' if by_chance(evidence) else ''} (p = {signal.p:.2g}); always naming the largest "
        f"class reaches {signal.majority:.2f}, and a simple classifier without a net {score(signal.baseline)}."
    )


def leaks_said(evidence: Evidence) -> str:
    """Say whether the score is real."""
    leaks = evidence.leaks
    if leaks is None:
        return NOT_MEASURED
    found = [each.attribute.name for each in alarms(evidence)]
    told = (
        f"The {listed(found)} gives the class away. " if found else "Nothing beside the picture gives the class away. "
    )
    return (
        f"{told}By file type, size, brightness and the like alone, macro F1 is {score(leaks.attributes)}; by the "
        f"outermost pixels alone {score(leaks.border)}; by chance up to {leaks.chance:.2f}. The most alike photograph "
        f"tells the class with {score(leaks.random)} where copies may be among them, with {score(leaks.grouped)} where "
        "none are, as in all other scores here."
    )


def noise_said(evidence: Evidence) -> str:
    """Say how many labels are likely wrong."""
    noise = evidence.noise
    if noise is None:
        return NOT_MEASURED
    twice = f" {counted(noise.conflicts, 'photograph')} stand under two classes." if noise.conflicts else ""
    if known_noise(evidence) is None:
        return f"The nets know too little to judge labels by.{twice}"
    return (
        f"Likely wrong are {share(noise.rate)} of the labels.{twice} A net without fault, judged by these labels, "
        f"would get a macro F1 of {score(noise.ceiling)}."
    )


def pairs_said(evidence: Evidence) -> str:
    """Say which classes are not told apart."""
    if evidence.pairs is None:
        return NOT_MEASURED
    if not evidence.pairs:
        return "There are no two classes to compare."
    together = [pair for pair in evidence.pairs if pair.told_apart is False]
    if together:
        return " ".join(pair_said(evidence, pair) for pair in together[:MOST_NAMED])
    open_ = [pair for pair in evidence.pairs if pair.told_apart is None]
    if open_:
        names = listed([pair_names(evidence, pair) for pair in open_[:MOST_NAMED]])
        others = "all others that were asked are" if len(open_) <= MOST_NAMED else "nor is it of some others"
        return f"Whether {names} are told apart is not known; {others}."
    worst = evidence.pairs[0]
    return (
        f"All that were asked are told apart; {pair_names(evidence, worst)} the least: of one of each, the nets know "
        f"which is which {share(worst.auc)} of the time."
    )


def pair_said(evidence: Evidence, pair: Pair) -> str:
    """Say of two classes that they are not told apart, and what taking them as one would bring."""
    merged = f" As one class, macro F1 would be {score(pair.merged)}, {gain(pair.gain)}."
    if math.isnan(pair.merged.value):
        merged = " As one class there is no other left to tell it from."
    return (
        f"{pair_names(evidence, pair)} are not told apart: of one of each, the nets know which is which "
        f"{share(pair.auc)} of the time, where a guess is right 50%, and {pair.confused} of {pair.of} got the "
        f"other's name.{merged}"
    )


def curve_said(evidence: Evidence) -> str:
    """Say what more photographs would bring."""
    if evidence.curve is None or evidence.signal is None:
        return NOT_MEASURED
    macro = evidence.curve.macro
    all_classes = (
        f"Of all classes together nothing can be said: {macro.note}."
        if macro.note
        else f"With twice as many of all, macro F1 would be {score(macro.doubled)}; with ever more it would come to "
        f"{score(macro.ceiling)}."
    )
    wanting = standing_so(evidence, "wants more")
    collect = [f"{quoted(evidence.class_names[k])} {amount(evidence, k)} in all" for k in wanting[:MOST_NAMED]]
    if len(wanting) > MOST_NAMED:
        collect.append(f"and {len(wanting) - MOST_NAMED} more classes, as in the table")
    hopeless = standing_so(evidence, "no amount")
    more = f" For the target of {evidence.target:.2f}: {'; '.join(collect)}." if collect else ""
    none = f" No number of photographs like these is enough for {class_names(evidence, hopeless)}." if hopeless else ""
    return f"{all_classes}{more}{none}"


def limits_said(evidence: Evidence) -> str:
    """Say whether another net or another size of picture does better."""
    if evidence.limits is None:
        return NOT_MEASURED
    own, *others = evidence.limits.options
    if not others:
        return "No other net or picture size was tried."
    best = better_option(evidence)
    if best is not None:
        return (
            f"{option_name(best)} does better than {option_name(own)} in the same time: macro F1 "
            f"{score(best.macro_f1)}, {gain(best.gain)}."
        )
    nearest = max(others, key=lambda each: each.gain.value)
    return (
        f"Of {counted(len(others), 'other choice')} of net and picture size none surely does better than "
        f"{option_name(own)}; the best is {option_name(nearest)}, {gain(nearest.gain)}."
    )


def class_said(evidence: Evidence, k: int) -> str:
    """Return the name of a class with its score: “crack” (F1 0.71 (0.55 to 0.83), 37 photographs)."""
    f1 = f"F1 {score(evidence.signal.f1[k])}, " if evidence.signal else ""
    return f"{quoted(evidence.class_names[k])} ({f1}photographs: {parts(evidence, k)})"
