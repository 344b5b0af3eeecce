"""The words of each row of the rule: the verdict as sentences, for somebody who knows no statistics."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.feasibility import facts, in_words, said
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.standing import LEEWAY, TO_JUDGE, known_curve, more_to_tell, standing_so
from pipeline.report.words import counted, listed, photographs, quoted

_MORE_TIME = "twice the time (feasibility.minutes in params.yaml)"


@dataclass(frozen=True)
class Words:
    """What a row says: plain text; see `Verdict`."""

    headline: str
    reasons: tuple[str, ...]
    would_change: str
    next_step: str


def _not_known(why: tuple[str, ...], tell: str, would_change: str) -> Words:
    headline = f"Not known yet, and the cheapest thing that would tell: {tell}."
    return Words(headline, why, would_change, f"{tell[0].upper()}{tell[1:]}; then run this again.")


def say_cannot_learn(evidence: Evidence) -> Words:
    own = evidence.overfit[0]
    able = next((each for each in evidence.overfit if each.passed), None)
    tell = f"put the training right ({own.cause})"
    if able is not None:
        tell = f"train {able.model} at {able.resolution} pixels (train.model, train.resolution), which does learn it"
    return _not_known(
        (said.overfit_said(evidence), "So what it scores is no news of the photographs."),
        tell,
        "A net that learns the handful: only its scores tell something of the photographs.",
    )


def say_not_measured(_: Evidence) -> Words:
    return _not_known(
        ("There was no time to train a net for each fold: no score is of photographs that the net had not seen.",),
        _MORE_TIME,
        "Any score at all.",
    )


def say_shortcut(evidence: Evidence) -> Words:
    names = " and the ".join(each.attribute.name for each in facts.alarms(evidence))
    return Words(
        f"Stop, and make the photographs alike first: the {names} gives the class away, and may be all that the nets "
        "know.",
        (said.leaks_said(evidence), said.signal_said(evidence)),
        "Scores that stay when all photographs are alike in what is beside the defect: what is left then is real.",
        f"Bring all classes to one {names}, from the originals if they are there, and run this again.",
    )


def say_copies(evidence: Evidence) -> Words:
    leaks, real = evidence.leaks, facts.real_score(evidence)
    assert leaks is not None
    assert real is not None
    return Words(
        "Stop, and photograph other parts: a few parts stand behind these photographs. A score of "
        f"{leaks.random.value:.2f} would be of copies; {in_words.score(real)} is left of it.",
        (
            said.leaks_said(evidence),
            f"{photographs(leaks.in_groups)} of {evidence.support.sum()} are in groups of one part, and a group "
            f"counts as one. Copies make {in_words.gain(leaks.gap)} of macro F1.",
            *([said.signal_said(evidence)] if evidence.signal else []),
        ),
        "Photographs of more parts; more photographs of the same ones change nothing.",
        "Look at the groups in data/grouped/groups.html: if they are wrong, so is this. If they are right, photograph "
        "parts that are not in the set yet.",
    )


def say_net_blind(evidence: Evidence) -> Words:
    return _not_known(
        (said.signal_said(evidence), "So there is something to see in the photographs, and the nets did not find it."),
        f"{_MORE_TIME}, or another recipe (train in params.yaml)",
        "Nets that do better than the simple classifier.",
    )


def say_no_signal(evidence: Evidence) -> Words:
    return Words(
        "Stop or change the task: the photographs do not show what the classes are.",
        (
            said.signal_said(evidence),
            "There are photographs enough to have shown it: a score half way from chance to the target would have "
            "been seen.",
            said.overfit_said(evidence),
        ),
        "Photographs on which the difference can be seen: nearer, in other light, by another camera. Or labels of what "
        "is in the picture, and not of what is known of the part.",
        "Let somebody who does not know the labels name 20 photographs of two classes. If that fails, no net will do "
        "it.",
    )


def say_too_small(evidence: Evidence) -> Words:
    lacking = facts.lacking(evidence)
    if lacking:
        more = " and ".join(f"{count} more of {quoted(evidence.class_names[k])}" for k, count in lacking.items())
        tell = (
            f"photograph {more}, each on another part (with {facts.ENOUGH} parts of each of two classes, whatever is "
            "of use would show)"
        )
    elif not facts.learnt_by_heart(evidence):
        tell = _MORE_TIME
    elif evidence.signal and not facts.learnt_anything(evidence.signal):
        tell = _better_training(evidence)
    else:
        tell = "the largest classes alone (classes.drop in params.yaml), of which there are enough"
    return _not_known(
        (
            said.signal_said(evidence),
            "It may also be real, and these photographs too few to show it.",
        ),
        tell,
        "A score above chance, or one that is not with photographs enough.",
    )


def say_handful(evidence: Evidence) -> Words:
    # Those that lack the fewest: it tells most for the least.
    order = np.argsort(-evidence.groups, kind="stable")[: said.MOST_NAMED].tolist()
    more = [f"{TO_JUDGE - int(evidence.groups[k])} more of {quoted(evidence.class_names[k])}" for k in order]
    return _not_known(
        (
            said.signal_said(evidence),
            f"There is something to be learnt, but no class has {TO_JUDGE} parts to judge it by: what it is worth, "
            "whether labels are wrong, and what more photographs would bring cannot be told by so few.",
        ),
        f"photograph {listed(more)}, each on another part",
        f"Scores of classes that {TO_JUDGE} parts judge.",
    )


def say_labels(evidence: Evidence) -> Words:
    noise = facts.known_noise(evidence)
    assert noise is not None
    return Words(
        f"Stop, and put the labels right first: {in_words.share(noise.rate)} of them are likely wrong.",
        (
            said.noise_said(evidence),
            f"The target is {evidence.target:.2f}: with these labels it is out of reach.",
            *_not_learnt_said(evidence),
        ),
        "A look at the likeliest wrong ones: if most are right as they are, the nets are at fault and not the labels.",
        f"Look through the {counted(len(noise.doubts.doubts), 'photograph')} that are listed, from the top, move the "
        "wrong ones to their folder, and run this again.",
    )


def _not_learnt_said(evidence: Evidence) -> tuple[str, ...]:
    signal, classes = evidence.signal, standing_so(evidence, "not learnt")
    if signal is None or not classes:
        return ()
    return (
        f"The nets do not know {said.class_names(evidence, classes)} even of photographs that they were taught with "
        f"(macro F1 {in_words.score(signal.seen_macro_f1)}): where labels contradict each other, and where nets are "
        "trained for too short a time.",
    )


def say_one_class(evidence: Evidence) -> Words:
    found = facts.not_told_apart(evidence)[: said.MOST_NAMED]
    names = ", and ".join(said.pair_names(evidence, pair) for pair in found)
    return Words(
        f"Change the task: take {names} as one class.",
        tuple(said.pair_said(evidence, pair) for pair in found),
        "If a person tells them apart by these photographs alone, so can a net: then show it larger pictures "
        "(train.resolution), or nearer ones.",
        "Let a person try it. If that fails: classes.merge in params.yaml makes them one, and no photograph is moved.",
    )


def say_go(evidence: Evidence) -> Words:
    count, signal = len(evidence.class_names), evidence.signal
    assert signal is not None
    weakest = min(range(count), key=lambda k: signal.f1[k].value)
    alarms = " and ".join(each.attribute.name for each in facts.alarms(evidence))
    first = "Go, but look first at what gives the class away" if alarms else "Go"
    check = f"Make the photographs alike in {alarms}, run this again, and see that the scores stay. " if alarms else ""
    return Words(
        f"{first}: all {count} classes reach the target of {evidence.target:.2f}.",
        (
            f"The weakest is {said.class_said(evidence, weakest)}. All are at the target as measured, and by the lower "
            f"ends of their intervals not more than {LEEWAY:.2f} below it.",
            said.signal_said(evidence),
            said.leaks_said(evidence),
        ),
        "Photographs that are not like these: another camera, other parts, other light.",
        f"{check}Train with all there is (dvc repro); reports/report.html judges the model that is used in the end.",
    )


def say_underfit(evidence: Evidence) -> Words:
    signal = evidence.signal
    assert signal is not None
    classes = standing_so(evidence, "not learnt")
    few = [k for k in standing_so(evidence, "wants more") if evidence.groups[k] < TO_JUDGE]
    found = "; ".join(
        f"{said.class_said(evidence, k)}, of nets that were taught with these very photographs "
        f"{in_words.score(signal.seen_f1[k])}"
        for k in classes[: said.MOST_NAMED]
    )
    more = f"; and {len(classes) - said.MOST_NAMED} more" if len(classes) > said.MOST_NAMED else ""
    return _not_known(
        (
            f"Most of what is missing to the target of {evidence.target:.2f} is missing of what was taught, too: "
            f"{found}{more}.",
            "So these scores are no news of the photographs. The nets were trained for too short a time, or labels "
            "contradict each other.",
            said.signal_said(evidence),
            *_too_few_said(evidence, few),
        ),
        _better_training(evidence),
        "Nets that know what they were taught with: only their mistakes tell what is missing.",
    )


def _better_training(evidence: Evidence) -> str:
    """Return what makes better nets, the cheapest first."""
    better = facts.better_option(evidence)
    if better is not None:
        return (
            f"train {said.option_name(better)} (train.model, train.resolution in params.yaml), which does better in "
            "the same time"
        )
    if evidence.in_full is not None:
        minutes = in_words.amount(evidence.in_full)
        return f"train the nets in full (feasibility.minutes in params.yaml, at some {minutes})"
    return "train for more epochs (train.epochs in params.yaml)"


def say_collect(evidence: Evidence) -> Words:
    classes, hopeless = standing_so(evidence, "wants more"), standing_so(evidence, "no amount")
    wanted = [
        f"{quoted(evidence.class_names[k])}: {said.amount(evidence, k)} in all, {said.parts(evidence, k)} now"
        for k in classes[: said.MOST_NAMED]
    ]
    rest = len(classes) - len(wanted)
    more = f"; and of {rest} more" if rest else ""
    no_amount = f" No number is enough for {said.class_names(evidence, hopeless)}." if hopeless else ""
    return Words(
        f"Collect more photographs of {'; of '.join(wanted)}{more}.{no_amount}",
        (
            f"Below the target of {evidence.target:.2f}, or too few to tell: "
            f"{'; '.join(said.class_said(evidence, k) for k in classes)}.",
            *_too_few_said(evidence, classes),
            said.curve_said(evidence),
            said.signal_said(evidence),
        ),
        "The next photographs themselves: with them the forecast is better known. Photographs of parts that are in the "
        "set already count for little.",
        _how_to_collect(evidence, classes),
    )


def _too_few_said(evidence: Evidence, classes: Sequence[int]) -> tuple[str, ...]:
    few = [k for k in classes if evidence.groups[k] < TO_JUDGE]
    if not few:
        return ()
    return (
        f"Of {said.class_names(evidence, few)} there are fewer than {TO_JUDGE} to judge by. Neither the score nor the "
        "forecast is worth much with so few.",
    )


def _how_to_collect(evidence: Evidence, classes: Sequence[int]) -> str:
    better = facts.better_option(evidence)
    if better is not None:
        return (
            f"Set train.model: {better.model} and train.resolution: {better.resolution} in params.yaml, which does "
            "better and costs no photograph, and run this again: the numbers may fall."
        )
    more = [
        f"{said.to_come_back_with(evidence, k) - int(evidence.support[k])} more of {quoted(evidence.class_names[k])}"
        for k in classes[: said.MOST_NAMED]
    ]
    first = (
        "Make the photographs alike (see below), and run this again, to see what of the score is left. Then photograph"
        if facts.alarms(evidence)
        else "Photograph"
    )
    return (
        f"{first} {listed(more)}: up to twice what there is, or {TO_JUDGE}, if that is more, on parts that are not in "
        "the set yet. Then run this again: it then knows more."
    )


def say_other_pictures(evidence: Evidence) -> Words:
    best = facts.better_option(evidence)
    assert best is not None
    hopeless = standing_so(evidence, "no amount")
    return Words(
        f"Change how the net looks at the photographs: {said.option_name(best)} does better, and as it is no number of "
        f"photographs is enough for {said.class_names(evidence, hopeless)}.",
        (said.limits_said(evidence), *_hopeless_said(evidence)),
        "If the better net does not bring the classes to the target either: other photographs, or another task.",
        f"Set train.model: {best.model} and train.resolution: {best.resolution} in params.yaml, and run this again.",
    )


def say_no_amount(evidence: Evidence) -> Words:
    hopeless = said.class_names(evidence, standing_so(evidence, "no amount"))
    return Words(
        f"Stop or change the task: no number of photographs like these brings {hopeless} to {evidence.target:.2f}.",
        (*_hopeless_said(evidence), said.limits_said(evidence), said.signal_said(evidence)),
        "Other photographs: nearer, in other light, by another camera. Or a lower target (feasibility.target_f1), if "
        "what is reached is enough for the use.",
        "Look at the mistakes: if a person cannot tell these classes by the photographs either, merge or drop them "
        "(classes in params.yaml); if one can, photograph the place of the defect nearer.",
    )


def _hopeless_said(evidence: Evidence) -> tuple[str, ...]:
    hopeless, curve = standing_so(evidence, "no amount"), evidence.curve
    assert curve is not None
    return tuple(
        f"{said.class_said(evidence, k)}: with ever more photographs, F1 would come to "
        f"{in_words.score(curve.classes[k].ceiling)}."
        for k in hopeless
    )


def say_not_known(evidence: Evidence) -> Words:
    undecided = standing_so(evidence, "not known") or standing_so(evidence, "no amount")
    reasons = (_undecided_said(evidence, undecided), said.signal_said(evidence))
    if evidence.curve is None or evidence.leaks is None or facts.learnt_by_heart(evidence) is None:
        return _not_known(reasons, _MORE_TIME, "What was not measured.")
    if evidence.in_full is not None and any(_flat(evidence, k) for k in undecided):
        return _not_known(reasons, _better_training(evidence), "What nets reach that are trained in full.")
    k = min(undecided, key=lambda k: more_to_tell(evidence, k))
    return _not_known(
        reasons,
        f"photograph some {more_to_tell(evidence, k)} more of {quoted(evidence.class_names[k])}, on parts "
        f"that are not among the {said.parts(evidence, k)} in the set",
        "Intervals that end on one side of the target.",
    )


def _flat(evidence: Evidence, k: int) -> bool:
    curve = known_curve(evidence, k)
    return curve is not None and curve.hopeless


def _undecided_said(evidence: Evidence, classes: Sequence[int]) -> str:
    if not classes:
        return "All classes reach the target, but whether the score is real was not measured."
    return (
        f"Whether these reach the target of {evidence.target:.2f}, or would with more photographs, cannot be said yet: "
        f"{'; '.join(said.class_said(evidence, k) for k in classes)}."
    )
