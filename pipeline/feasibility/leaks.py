"""Is the score real? Copies on both sides of a split, and what beside the defect gives the class away.

Copies: the nearest neighbour among small pictures, the simplest thing that can learn a copy by heart, is judged twice:
where groups are kept together, as all scores here are, and where photographs are dealt out one by one, as a careless
split does. What the second has more is what copies would have added to a score.

Shortcuts: how closely file type, size in pixels, folder, brightness and file size each go with the class is
`report.shortcuts`' business. Here they are all given at once to a small forest of random trees, without the picture,
and so is the outermost rim of each picture, where there is hardly a defect; groups are kept together. What they would
have by chance is measured by shuffling the classes from group to group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import KNeighborsClassifier

from pipeline.data.packed import PackedSet
from pipeline.data.squares import resize_square
from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.figures import BLUE, MUTED, ORANGE
from pipeline.evaluation.metrics import score
from pipeline.evaluation.paired import Pairs, difference, difference_intervals
from pipeline.evaluation.predictions import FloatArray, IntArray
from pipeline.feasibility import in_words
from pipeline.feasibility.dots import ON_LINE
from pipeline.feasibility.scores import macro_f1
from pipeline.feasibility.study import FOLDS, Study
from pipeline.report.attributes import brightness
from pipeline.report.sections import Drawing, Section, Table
from pipeline.report.shortcuts import Association, associations, gives_away, remedy
from pipeline.report.svg import drawing
from pipeline.report.words import counted, named, photographs

SIDE = 24
"""Pixels of the small pictures."""
SHUFFLES = 9
"""Of each of two classifiers: the highest of 18 scores is about the upper 95% limit of chance."""
_RIM = 1 / 28  # of the side of a picture
_LEVELS = 8  # of grey, in the rim's histogram
_FOREST = {"n_estimators": 20, "max_depth": 8, "min_samples_leaf": 2, "class_weight": "balanced"}

COPIED = 0.05
"""A gap whose whole interval is above that is no trifle."""


@dataclass(frozen=True, eq=False)
class Leaks:
    """What a score can be had by without knowing defects.

    Attributes
    ----------
    random : macro F1 of the nearest neighbour where photographs are dealt out one by one.
    grouped : where groups are kept together, as all scores here are.
    gap : `random` - `grouped`, paired.
    in_groups : photographs that are in a group with others.
    associations : how closely file type, size in pixels, brightness, ... each go with the class.
    attributes : macro F1 from all of these together, without the picture.
    border : macro F1 from the outermost pixels alone.
    chance : macro F1 that the last two have with shuffled classes, the upper 95% limit.
    """

    random: Measured
    grouped: Measured
    gap: Measured
    in_groups: int
    associations: tuple[Association, ...]
    attributes: Measured
    border: Measured
    chance: float

    @property
    def alarms(self) -> tuple[Association, ...]:
        """What goes with the class and is nothing that a net should learn: folder, file type, size in pixels."""
        return tuple(each for each in self.associations if each.alarm)

    @property
    def copied(self) -> bool:
        """Whether a split that divides groups would have given a score that is not real."""
        return self.gap.low > COPIED


def measure(study: Study, rng: np.random.Generator, shuffles: int = SHUFFLES) -> Leaks:
    """Measure what copies and shortcuts there are; no net takes part in it.

    Parameters
    ----------
    shuffles : of the classes, to measure chance.
    """
    squares, kept = small(study.packed, study.rows), study.fold[study.rows]
    together, apart = (
        _answers(KNeighborsClassifier(1), squares, study.labels, fold) for fold in (kept, _dealt(study.labels, rng))
    )
    looked_at = [features(study.packed, study.rows) for features in (attribute_features, border_features)]
    seed = int(rng.integers(2**31))
    told = [_answers(_forest(seed), each, study.labels, kept) for each in looked_at]
    _, sizes = np.unique(study.group[study.rows], return_counts=True)
    return Leaks(
        _macro_f1(study, apart, rng),
        _macro_f1(study, together, rng),
        _gap(study, together, apart, rng),
        int(sizes[sizes > 1].sum()),
        tuple(associations(study.packed, study.rows, study.group, rng)),
        _macro_f1(study, told[0], rng),
        _macro_f1(study, told[1], rng),
        _chance(study, looked_at, seed, rng, shuffles),
    )


def small(packed: PackedSet, rows: IntArray) -> FloatArray:
    """Return small pictures whose light and contrast no longer count: float64 (M, `SIDE` squared), mean 0, length 1."""
    squares = np.array([resize_square(np.asarray(packed.images[row]), SIDE) for row in rows.tolist()], np.float64)
    flat = squares.reshape(len(rows), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    even: FloatArray = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    return even


def attribute_features(packed: PackedSet, rows: IntArray) -> FloatArray:
    """Return what is known without looking: file type, width, height, file size, also a pixel, brightness: (M, F)."""
    entries = [packed.index[row] for row in rows.tolist()]
    types = sorted({entry.format for entry in entries})
    known = [
        [
            *(float(entry.format == each) for each in types),
            entry.width,
            entry.height,
            entry.width / entry.height,
            entry.size_bytes,
            entry.size_bytes / (entry.width * entry.height),
        ]
        for entry in entries
    ]
    return np.column_stack([np.array(known, np.float64), brightness(packed, rows)])


def border_features(packed: PackedSet, rows: IntArray) -> FloatArray:
    """Return of the outermost pixels the mean and spread of each of the four sides, and a histogram: (M, F)."""
    return np.array([_rim(np.asarray(packed.images[row], np.float64)) for row in rows.tolist()])


def _rim(image: FloatArray) -> FloatArray:
    wide = max(1, round(_RIM * len(image)))
    sides = image[:wide], image[-wide:], image[:, :wide], image[:, -wide:]
    levels = np.histogram(np.concatenate([side.ravel() for side in sides]), _LEVELS, (0, 256))[0]
    return np.array([*(side.mean() for side in sides), *(side.std() for side in sides), *(levels / levels.sum())])


def _forest(seed: int) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(**_FOREST, random_state=seed)


def _dealt(labels: IntArray, rng: np.random.Generator) -> IntArray:
    """Deal photographs out one by one, of each class about as many to each fold: int64 (M,)."""
    fold = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        fold[own] = (np.arange(len(own)) + rng.integers(FOLDS)) % FOLDS
    return fold


def _answers(model: ClassifierMixin, features: FloatArray, labels: IntArray, fold: IntArray) -> IntArray:
    """Return what a classifier says of each fold, taught by all others: int64 (M,)."""
    said = np.empty_like(labels)
    for each in np.unique(fold):
        judged = fold == each
        said[judged] = model.fit(features[~judged], labels[~judged]).predict(features[judged])
    return said


def _macro_f1(study: Study, said: IntArray, rng: np.random.Generator) -> Measured:
    return macro_f1(study.labels, said, study.group[study.rows], len(study.class_names), rng)


def _gap(study: Study, together: IntArray, apart: IntArray, rng: np.random.Generator) -> Measured:
    pairs = Pairs(len(study.class_names), study.labels, together, apart, study.group[study.rows])
    value = difference(*pairs.scores())
    low, high = difference_intervals(pairs, value, rng)
    return Measured(value.macro_f1, low.macro_f1, high.macro_f1)


def _chance(study: Study, looked_at: Sequence[FloatArray], seed: int, rng: np.random.Generator, shuffles: int) -> float:
    """Return the highest macro F1 that these have where classes are shuffled from group to group."""
    fold, num_classes = study.fold[study.rows], len(study.class_names)
    _, first, member = np.unique(study.group[study.rows], return_index=True, return_inverse=True)
    reached = []
    for _ in range(shuffles):
        labels = rng.permutation(study.labels[first])[member]
        said = [_answers(_forest(seed), each, labels, fold) for each in looked_at]
        reached += [score(labels, each, num_classes).macro_f1 for each in said]
    return max(reached)


def leaks_section(found: Leaks, study: Study) -> Section:
    """Say whether a score on these photographs is one of defects, and what to do if not."""
    names = study.class_names
    alarms = [sentence for each in found.alarms for sentence in (*gives_away(each, names), remedy(each))]
    said = [*alarms, *_copies_said(found, study), *_looks_said(found)]
    drawn = Drawing(
        shortcuts_svg(found),
        "Dots: macro F1 that is had without knowing defects, with 95% intervals; the dotted line is the most that "
        "chance gives to file and rim",
    )
    return Section("Is the score real?", said, _table(found), [drawn], warning=alarms[0] if alarms else "")


def _copies_said(found: Leaks, study: Study) -> list[str]:
    count, parts = len(study.rows), len(np.unique(study.group[study.rows]))
    if not found.in_groups:
        return ["No photograph has a copy, or another one of its part, among the others."]
    said = [
        f"{found.in_groups} of {photographs(count)} are of a part, or copies of a picture, that others show too: there "
        f"are {parts} independent ones. All scores here keep these together."
    ]
    if found.copied:
        said.append(
            "It matters: with photographs dealt out one by one, a mere nearest neighbour would have had macro F1 "
            f"{in_words.score(found.random)}; with groups kept together it has {in_words.score(found.grouped)}. A "
            "score from a split that divides groups is not real; if you have one, forget it."
        )
    few = [
        f"{counted(shown, 'photograph')} of {named(study.class_names, k)} show {counted(own, 'part')}"
        for k, (shown, own) in enumerate(zip(study.support.tolist(), study.groups_of.tolist(), strict=True))
        if own < _FEW_PARTS and shown >= 2 * own
    ]
    if few:
        said.append(
            f"{'; '.join(few)}. What counts is the number of parts: photograph others, not the same ones again."
        )
    return said


_FEW_PARTS = 10


def _looks_said(found: Leaks) -> list[str]:
    said = []
    if found.attributes.low > found.chance:
        said.append(
            f"File and brightness alone, without the picture, have macro F1 {in_words.score(found.attributes)}, "
            f"where chance has at most {found.chance:.2f}. {_reasons(found)}"
        )
    if found.border.low > found.chance:
        said.append(
            f"The rim of the pictures alone has macro F1 {in_words.score(found.border)}. If defects do not reach "
            "the rim, "
            "the background gives the class away: look whether light, fixture or crop differ from class to class."
        )
    return said or ["Neither the file nor the rim of the picture tells the class better than chance."]


def _reasons(found: Leaks) -> str:
    honest = [each.attribute.name for each in found.associations if each.goes_with_class and not each.alarm]
    if not honest:
        return "No single one of them goes closely with the class."
    go = "goes" if len(honest) == 1 else "go"
    return (
        f"The {' and the '.join(honest)} {go} with the class. That may be of the defects themselves, or of how the "
        "classes were photographed: take some of each class in one session, with the same light, and compare."
    )


def _table(found: Leaks) -> Table:
    rows = [[name, f"{each.value:.2f}", f"{each.low:.2f} to {each.high:.2f}"] for name, each in _scores(found)]
    rows.append(["Chance, for the last two, at most", f"{found.chance:.2f}", ""])
    return Table(["Told by", "Macro F1", "95% interval"], "<>>", rows)


def _scores(found: Leaks) -> list[tuple[str, Measured]]:
    return [
        ("Nearest neighbour, groups divided", found.random),
        ("Nearest neighbour, groups kept together", found.grouped),
        ("File and brightness, without the picture", found.attributes),
        ("Rim of the picture alone", found.border),
    ]


@drawing
def shortcuts_svg(found: Leaks) -> Figure:
    """Draw what is had without knowing defects, with intervals, and what chance gives."""
    figure = Figure(figsize=(4.4, 2.7))
    axes = figure.subplots()
    for place, (name, each) in enumerate(_scores(found)):
        ends = [[each.value - each.low], [each.high - each.value]]
        color = ORANGE if place == 0 and found.copied else BLUE
        axes.errorbar([each.value], [-place], xerr=ends, fmt="o", color=color, markersize=6)
        axes.text(0.01, 0.25 - place, name, fontsize=8.5, bbox=ON_LINE)
    axes.plot([found.chance] * 2, [-1.5, -3.5], color=MUTED, linewidth=1.2, linestyle=":")
    axes.set(xlim=(0, 1.02), ylim=(-3.5, 0.7), yticks=[], xlabel="Macro F1")
    axes.spines["left"].set_visible(False)
    return figure
