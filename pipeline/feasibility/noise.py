"""Are the labels the limit? How many are likely wrong, and what score they leave to be reached.

The rate is told from the nets' own mistakes by how sure they are: see `lapses`. Two classes that the nets do not tell
apart at all are rather one class (`pairs`) than full of wrong labels, and count as one here, but for the upper limit.
Which photographs: by confident learning (`report.labels`), whose count is not used: it holds a weak net's mistakes.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pipeline.data.duplicates import extract, find_pairs
from pipeline.data.groups import SURE
from pipeline.evaluation.estimates import Measured, Rate, mean_of, worth
from pipeline.evaluation.figures import BLUE, ORANGE
from pipeline.evaluation.intervals import overall_scores
from pipeline.evaluation.metrics import OVERALL
from pipeline.evaluation.predictions import FloatArray, Predictions
from pipeline.feasibility import in_words
from pipeline.feasibility.lapses import Levels, fit, margins
from pipeline.feasibility.pairs import perhaps_one
from pipeline.feasibility.scores import scored
from pipeline.feasibility.study import Study
from pipeline.report.labels import Doubt, Doubts, likely_wrong
from pipeline.report.photos import plain
from pipeline.report.sections import Drawing, Photo, Section, Strip, Table
from pipeline.report.svg import drawing
from pipeline.report.words import named, photographs

SHOWN = 12
_DOTS = 8
_LEAST_MCC = 0.1
_MACRO_F1 = list(OVERALL).index("macro_f1")


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """How many labels are likely wrong.

    Attributes
    ----------
    rate : share of labels that are wrong.
    by_class : K, likewise among the photographs labelled so; a class without photographs has 0 to 1.
    conflicts : photographs that stand under two classes with the same pixels, or nearly so.
    doubts : which, the likeliest first.
    ceiling : macro F1 that a net without fault would get, judged by these labels.
    believed : whether the nets know enough for any of it to be believed.
    one : pairs of classes, of which it is not known that they are two; labels that mix up these count for the
        upper limits alone.
    levels : what the rate was told from, for its picture.
    """

    rate: Measured
    by_class: tuple[Measured, ...]
    conflicts: int
    doubts: Doubts
    ceiling: Measured
    believed: bool
    one: tuple[tuple[int, int], ...] = ()
    levels: Levels | None = None


@dataclass(frozen=True, eq=False)
class Told:
    """What the rate of wrong labels is told from.

    Attributes
    ----------
    one : pairs of classes, of which it is not known that they are two.
    levels : with these as one class.
    upper : what the upper limit is told from: that, or all classes as they are, whichever has it higher.
    """

    one: tuple[tuple[int, int], ...]
    levels: Levels
    upper: Levels

    @property
    def rate(self) -> Measured:
        """The rate and its 95% interval."""
        return Measured(self.levels.likeliest.rate, self.levels.lowest.rate, self.upper.highest.rate)


def measure(study: Study, folds: Predictions, rng: np.random.Generator) -> LabelNoise:
    """Estimate how many labels are wrong from answers of nets that had not seen the photographs."""
    told = tell(folds, rng)
    # What goes with the label counts as right: a net that makes just the labeller's mistake is rare.
    curves = (told.levels, told.levels.likeliest), (told.levels, told.levels.lowest), (told.upper, told.upper.highest)
    value, low, high = (np.where(seen.against, curve.wrong(seen.margin), 0.0) for seen, curve in curves)
    ceilings = [_ceiling(folds, wrong) for wrong in (value, high, low)]
    return LabelNoise(
        told.rate,
        tuple(_of_class(folds, k, (value, low, high), rng) for k in range(len(study.class_names))),
        conflicts(study),
        likely_wrong(folds),
        Measured(ceilings[0], min(ceilings), max(ceilings)),
        _knows_something(folds, rng),
        told.one,
        told.levels,
    )


def tell(folds: Predictions, rng: np.random.Generator) -> Told:
    """Tell the rate of wrong labels; where classes may be one, their labels count for the upper limit alone."""
    one = tuple(perhaps_one(folds, rng))
    levels, every = told_from(folds, one), told_from(folds)
    return Told(one, levels, max(levels, every, key=lambda each: each.highest.rate))


def told_from(folds: Predictions, one: Sequence[tuple[int, int]] = ()) -> Levels:
    """Fit the rate of wrong labels to answers; the photographs of one group count together as much as one does.

    Parameters
    ----------
    one : pairs of classes that count as one.
    """
    goes_as, probabilities = np.arange(len(folds.class_names)), folds.probabilities
    for first, second in one:
        goes_as[goes_as == goes_as[second]] = goes_as[first]
    summed = np.stack([probabilities[:, goes_as == k].sum(axis=1) for k in range(len(goes_as))], axis=1)
    against = summed.argmax(axis=1) != goes_as[folds.y_true]
    return fit(margins(summed), against, worth(folds.groups) / len(against))


def _of_class(
    folds: Predictions, k: int, wrong: tuple[FloatArray, FloatArray, FloatArray], rng: np.random.Generator
) -> Measured:
    own = folds.y_true == k
    if not own.any():
        return Measured(0.0, 0.0, 1.0)
    value, low, high = (mean_of(each[own], (0.0, 1.0), rng, groups=folds.groups[own]) for each in wrong)
    return Measured(value.value, min(low.low, value.value), max(high.high, value.value))


def _ceiling(folds: Predictions, wrong: FloatArray) -> float:
    """Return the macro F1 of the truth judged by the labels, if an answer is the truth with probability `wrong`."""
    num_classes = len(folds.class_names)
    confusion = np.zeros((num_classes, num_classes))
    np.add.at(confusion, (folds.y_true, folds.y_pred), wrong)
    np.add.at(confusion, (folds.y_true, folds.y_true), 1 - wrong)
    scores = overall_scores(np.diagonal(confusion), np.bincount(folds.y_true, minlength=num_classes), confusion.sum(0))
    return float(scores[_MACRO_F1])


def _knows_something(folds: Predictions, rng: np.random.Generator) -> bool:
    """Whether the answers go with the labels more than chance by far; with a third of them wrong, they still do."""
    _, low, _ = scored(folds.y_true, folds.y_pred, folds.groups, len(folds.class_names), rng)
    return low.mcc > _LEAST_MCC


def conflicts(study: Study) -> int:
    """Count the photographs that stand under two classes: with the same pixels, or nearly so.

    Those with the same pixels may be kept out of the study for just that.
    """
    index = study.packed.index
    learnt_as = {index[row].class_name: int(study.packed.labels[row]) for row in study.rows.tolist()}
    by_pixels = defaultdict(list)
    for row, entry in enumerate(index):
        if entry.class_name in learnt_as:
            by_pixels[entry.pixels].append((row, learnt_as[entry.class_name]))
    same = [row for found in by_pixels.values() if len({k for _, k in found}) > 1 for row, _ in found]
    return len({*same, *_nearly_the_same(study)})


def _nearly_the_same(study: Study) -> Sequence[int]:
    """Return the rows that have such a one of another class in their group."""
    labels, group = study.packed.labels, study.group
    classes = defaultdict(set)
    for row in study.rows.tolist():
        classes[int(group[row])].add(int(labels[row]))
    rows = np.array([row for row in study.rows.tolist() if len(classes[int(group[row])]) > 1], np.int64)
    found = find_pairs(extract(study.packed.images, rows), np.arange(len(rows)), mirrored=False)
    pairs = rows[found.pairs[found.scores >= SURE]]
    rivals: list[int] = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]].ravel().tolist()
    return rivals


def noise_section(found: LabelNoise, study: Study) -> Section:
    """Say how many labels are wrong, what score that leaves, and what to do; show the photographs most in doubt."""
    title = "Are the labels the limit?"
    said = [*_rate_said(found, study), *_one_said(found, study), *_conflicts_said(found)]
    if not found.believed:
        return Section(title, said)
    likely = max(1, round(found.rate.value * found.doubts.judged))
    doubts = found.doubts.doubts[: min(SHOWN, likely)]
    strips = [Strip("Most in doubt", [_photo(study, doubt) for doubt in doubts])] if doubts else []
    return Section(title, said, _table(found, study), _drawn(found), strips, _NOTES)


def _drawn(found: LabelNoise) -> list[Drawing]:
    alt = (
        "Dots: the share of answers against their label, by how sure they are, with 95% intervals; the curve through "
        "them, and the level that it falls to, which is the share of wrong labels"
    )
    return [Drawing(level_svg(found.levels, found.rate), alt)] if found.levels else []


_NOTES = (
    "How it is told: the surer a net, the rarer its own mistakes; a wrong label does not care how sure the net is. So "
    "what is left of the contradictions among the surest answers are wrong labels. Wrong labels on photographs that "
    "are hard to tell pass for mistakes of the nets, and are not in it.",
)
SLIGHT = 0.05
"""A share of wrong labels that limits nothing yet."""


def _rate_said(found: LabelNoise, study: Study) -> list[str]:
    rate, count = found.rate, len(study.rows)
    if not found.believed:
        return [
            "Not known: the nets know too little to judge labels by. Their answers go with the labels hardly more "
            "often than chance."
        ]
    share = in_words.share(rate)
    if rate.low == 0:
        return [
            f"No sign of wrong labels: at most {in_words.percent(rate.high)} of {count} are wrong, or they are "
            "wrong just where the photographs are hard to tell."
            if rate.high <= SLIGHT
            else f"How many labels are wrong cannot be said closer than this: {share} of {count}. It may be none: the "
            "nets make mistakes of their own, and are seldom sure enough to tell the two apart."
        ]
    return [
        f"{share} of the {count} labels are wrong, some {round(rate.value * count)}.",
        f"A net without fault, judged by these labels, would have macro F1 {in_words.score(found.ceiling)}. "
        "No net and no more photographs labelled like these get beyond that.",
        "Let two people label the photographs most in doubt without seeing the label or each other's answer, first of "
        "the classes with the highest share; write down a rule where they differ, and put the labels right.",
    ]


def _one_said(found: LabelNoise, study: Study) -> list[str]:
    if not found.one:
        return []
    names = study.class_names
    pairs = "; ".join(f"{named(names, first)} and {named(names, second)}" for first, second in found.one)
    return [f"Labels between classes that the nets do not tell apart count for the upper limit alone: {pairs}."]


def _conflicts_said(found: LabelNoise) -> list[str]:
    if not found.conflicts:
        return []
    return [
        f"{photographs(found.conflicts)} stand under two classes with the same pixels, or nearly so: one of the labels "
        "must be wrong, or a photograph shows both."
    ]


def _table(found: LabelNoise, study: Study) -> Table:
    rows = [
        [named(study.class_names, k), str(count), *_share_and_ends(each)]
        for k, (count, each) in enumerate(zip(study.support.tolist(), found.by_class, strict=True))
    ]
    return Table(["Labelled", "Photographs", "Wrong", "95% interval"], "<>>>", rows)


def _share_and_ends(found: Measured) -> list[str]:
    return [in_words.percent(found.value), f"{in_words.percent(found.low)} to {in_words.percent(found.high)}"]


def _photo(study: Study, doubt: Doubt) -> Photo:
    names = study.class_names
    return plain(
        study.packed,
        doubt.row,
        f"labelled {named(names, doubt.labelled)}",
        f"likelier {named(names, doubt.likelier)} {doubt.p_likelier:.2f}",
    )


@drawing
def level_svg(levels: Levels, rate: Measured) -> Figure:
    """Draw the share of answers against their label by how sure they are, the curve, and the level that it falls to."""
    figure = Figure(figsize=(4.4, 2.9))
    axes = figure.subplots()
    axes.axhspan(rate.low, rate.high, color=ORANGE, alpha=0.25, linewidth=0)
    axes.axhline(rate.value, color=ORANGE, linestyle="--", label="wrong labels, 95%")
    parts = np.array_split(np.argsort(levels.margin, kind="stable"), min(_DOTS, len(levels.margin)))
    places = (np.arange(len(parts)) + 0.5) / len(parts)
    shares = [Rate(int(levels.against[part].sum()), len(part)) for part in parts]
    ends = [[each.value - each.low for each in shares], [each.high - each.value for each in shares]]
    axes.errorbar(places, [each.value for each in shares], ends, fmt="o", color=BLUE, markersize=5)
    along = np.linspace(0, 1, 101)
    axes.plot(along, levels.likeliest.against(np.quantile(levels.margin, along)), color=BLUE)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="Answers against their label", xlabel="Least sure to surest answers")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="upper right")
    return figure
