"""Is there signal? The net's scores beside chance, the largest class, and a classifier without a net."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.figures import BLUE, INK, MUTED, ORANGE, drawable_names
from pipeline.evaluation.intervals import too_small
from pipeline.evaluation.metrics import confusion_matrix, score
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions
from pipeline.feasibility import in_words
from pipeline.feasibility.baseline import out_of_fold
from pipeline.feasibility.chance import by_chance, p_value
from pipeline.feasibility.dots import dot, name_rows
from pipeline.feasibility.scores import among, f1_of, gain_of, together
from pipeline.feasibility.study import Study
from pipeline.report.sections import Drawing, Section, Table
from pipeline.report.slices import holm
from pipeline.report.svg import drawing
from pipeline.report.words import named

SURE = 0.05
"""A score has another cause than chance if its p is not above this."""
_TITLE = "Is there anything to be learnt?"
_NAME_LENGTH, _LISTED = 18, 6


@dataclass(frozen=True, eq=False)
class Signal:
    """Scores over all photographs, each answered for by a net that has not seen it; `seen...` by one that has.

    Attributes
    ----------
    macro_f1 : of the net.
    seen_macro_f1 : the same of nets that were taught with the photographs.
    f1, seen_f1 : K, of each class.
    support, groups : int64 (K,), photographs of each class, and groups that hold some.
    hits, false_alarms : int64 (K,), photographs of each class that got its name, and others that did.
    majority : macro F1 of always the largest class.
    baseline : macro F1 of histograms of gradients and a logistic regression.
    gain : of the net over that, paired.
    chance : float64 (P,), macro F1 by chance: see `chance`.
    class_chance : float64 (P, K), F1 by class likewise.
    p : of `macro_f1` by chance.
    class_p : float64 (K,), of `f1` by chance, corrected for the number of classes (Holm).
    shuffled : whether `chance` is of nets that learnt shuffled labels; else of the net's own answers.
    """

    macro_f1: Measured
    seen_macro_f1: Measured
    f1: tuple[Measured, ...]
    seen_f1: tuple[Measured, ...]
    support: IntArray
    groups: IntArray
    hits: IntArray
    false_alarms: IntArray
    majority: float
    baseline: Measured
    gain: Measured
    chance: FloatArray
    class_chance: FloatArray
    p: float
    class_p: FloatArray
    shuffled: bool

    def learnt(self, target: float) -> tuple[bool, ...]:
        """Return whether each class is at the target, or most of what it misses is missed of new photographs alone.

        What is missed of those that were taught as well is not for want of photographs. A. Ng, "Machine Learning
        Yearning" (2018), chapters 20 to 27: bias that can be avoided, which is dealt with before variance.
        """
        scores = [(unseen.value, seen.value) for unseen, seen in zip(self.f1, self.seen_f1, strict=True)]
        return tuple(unseen >= target or target - seen <= max(0.0, seen - unseen) for unseen, seen in scores)


def measure(
    study: Study, folds: Predictions, seen: Predictions, shuffled: Predictions | None, rng: np.random.Generator
) -> Signal:
    """Hold the answers of the recipe's nets against what can be had without them.

    Parameters
    ----------
    folds : out-of-fold answers, over the study's folds.
    seen : for the same photographs, of nets that were taught with them.
    shuffled : likewise, of nets that learnt labels permuted from group to group, with the true labels as truth; None:
        there was no time for them, or for some. Chance is then what the net's own answers give by permuted labels,
        which takes the shares of its answers for those of a net that knows nothing.
    """
    macro_f1, f1 = f1_of(folds, rng)
    seen_macro_f1, seen_f1 = f1_of(seen, rng)
    without_net = among(out_of_fold(study), folds.rows)
    answers = folds if shuffled is None else shuffled
    chance, class_chance = by_chance(answers, study.fold[answers.rows], rng)
    by_class = [p_value(each.value, drawn) for each, drawn in zip(f1, class_chance.T, strict=True)]
    found, confusion = together(folds), confusion_matrix(folds.y_true, folds.y_pred, len(f1))
    hits = confusion.diagonal()
    return Signal(
        macro_f1=macro_f1,
        seen_macro_f1=seen_macro_f1,
        f1=f1,
        seen_f1=seen_f1,
        support=found.support,
        groups=found.groups,
        hits=hits,
        false_alarms=confusion.sum(axis=0) - hits,
        majority=_majority(folds),
        baseline=f1_of(without_net, rng)[0],
        gain=gain_of(folds, without_net, rng),
        chance=chance,
        class_chance=class_chance,
        p=p_value(macro_f1.value, chance),
        class_p=np.array(holm(by_class)),
        shuffled=shuffled is not None,
    )


def _majority(answers: Predictions) -> float:
    num_classes = len(answers.class_names)
    largest = np.bincount(answers.y_true, minlength=num_classes).argmax()
    return score(answers.y_true, np.full_like(answers.y_true, largest), num_classes).macro_f1


def signal_section(found: Signal, study: Study) -> Section:
    """Say whether there is more than chance, overall and by class, and whether a net is needed for it."""
    names = study.class_names
    pictures = [
        Drawing(
            overall_svg(found),
            "Macro F1, 0 to 1, with 95% intervals: of nets that were taught with the photographs, of the net, of the "
            "classifier without a net, of always the largest class, and by chance",
        ),
        Drawing(
            classes_svg(found, names),
            "F1 of each class, 0 to 1, with 95% intervals; the grey bars hold 95% of what chance gives",
        ),
    ]
    said = [_overall_said(found), _seen_said(found), _baseline_said(found), *_classes_said(found, names)]
    return Section(_TITLE, said, _table(found, names), pictures, notes=[_how(found)])


def _overall_said(found: Signal) -> str:
    score = (
        f"Macro F1 is {in_words.score(found.macro_f1)}: the mean of F1 over the classes, 1 if all is right; "
        "in brackets, where it would lie with other photographs of the kind, 95 times of 100."
    )
    chance = f"Chance gives {found.chance.mean():.2f}, and seldom more than {np.quantile(found.chance, 0.95):.2f}"
    if found.p <= SURE:
        return f"{score} {chance}: there is something to be learnt."
    return f"{score} {chance}: that the net has learnt anything from these photographs cannot be shown."


def _seen_said(found: Signal) -> str:
    return (
        "Asked about photographs that they were taught with, the nets have "
        f"{in_words.score(found.seen_macro_f1)}. What is missing there no more photographs would bring, but longer "
        "training might, another net, or other labels."
    )


def _baseline_said(found: Signal) -> str:
    start = (
        f"A classifier without a net, which learns in seconds, has {in_words.score(found.baseline)}; always naming the "
        f"largest class has {found.majority:.2f}."
    )
    gain = in_words.gain(found.gain)
    if found.gain.low > 0:
        return f"{start} The net is better than the classifier by {gain}."
    if found.gain.high < 0:
        return f"{start} The net is worse than that by {gain}: it has not yet learnt what simple means find."
    return f"{start} Whether the net is better than the classifier cannot be told from so few: {gain}."


def _classes_said(found: Signal, names: tuple[str, ...]) -> list[str]:
    lost = [named(names, k) for k in np.argsort(-found.support, kind="stable") if not found.class_p[k] <= SURE]
    if not lost:
        return ["Every class is found more often than by chance."]
    more = f" and {len(lost) - _LISTED} more" if len(lost) > _LISTED else ""
    return [f"Not shown to be found more often than by chance: {', '.join(lost[:_LISTED])}{more}."]


def _how(found: Signal) -> str:
    if found.shuffled:
        nets = "Chance: nets were trained by the same recipe on shuffled labels"
    else:
        nets = "Chance: there was no time to train nets on shuffled labels, so the net's own answers were taken"
    return (
        f"{nets}, and judged by {len(found.chance)} further shuffles of the labels, from group to group within each "
        f"fold; p {found.p:.2g}. By class, p is corrected for the number of classes (Holm). Without a net: histograms "
        "of oriented gradients and a logistic regression."
    )


def _table(found: Signal, names: tuple[str, ...]) -> Table:
    highest = np.quantile(found.class_chance, 0.95, axis=0)
    rows = [
        [
            named(names, k),
            str(found.support[k]),
            str(found.groups[k]),
            in_words.score(found.f1[k]),
            f"{highest[k]:.2f}",
            f"{found.class_p[k]:.2g}",
            too_small(int(found.support[k]), found.f1[k].low, found.f1[k].high, int(found.groups[k])) or "",
        ]
        for k in np.argsort(-found.support, kind="stable").tolist()
    ]
    return Table(["Class", "Photographs", "Groups", "F1", "Chance up to", "p", "Note"], "<>>>>><", rows)


@drawing
def overall_svg(found: Signal) -> Figure:
    """Draw macro F1 of the net and of what it is held against, on one axis."""
    figure = Figure(figsize=(4.4, 2.3))
    axes = figure.subplots()
    dot(axes, found.seen_macro_f1, 4, INK)
    dot(axes, found.macro_f1, 3, BLUE)
    dot(axes, found.baseline, 2, ORANGE)
    axes.plot([found.majority], [1], "D", color=INK, markersize=5)
    heights, edges = np.histogram(found.chance, bins=60, range=(0, 1))
    axes.stairs(-0.4 + 0.8 * heights / heights.max(), edges, baseline=-0.4, fill=True, color=MUTED)
    axes.axvline(float(np.quantile(found.chance, 0.95)), color=MUTED, linestyle=":", linewidth=1.2)
    name_rows(axes, ["Chance", "Largest class", "Without a net", "Net", "Taught with them"], "Macro F1")
    return figure


@drawing
def classes_svg(found: Signal, class_names: tuple[str, ...]) -> Figure:
    """Draw F1 of each class, the largest at the top, over the range that holds 95% of what chance gives."""
    order = np.argsort(found.support, kind="stable").tolist()
    figure = Figure(figsize=(4.4, 0.7 + 0.3 * len(order)))
    axes = figure.subplots()
    low, high = np.quantile(found.class_chance, [0.025, 0.975], axis=0)
    for place, k in enumerate(order):
        axes.barh(place, high[k] - low[k], 0.5, low[k], color=MUTED, alpha=0.35)
        dot(axes, found.f1[k], place, BLUE)
    names = drawable_names(class_names, _NAME_LENGTH)
    name_rows(axes, [f"{names[k]} ({found.support[k]})" for k in order], "F1")
    return figure
