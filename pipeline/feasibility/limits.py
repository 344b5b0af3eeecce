"""Is the net or the picture size the limit? Other nets and resolutions, given the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from matplotlib.figure import Figure

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.figures import BLUE, MUTED, drawable
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility import in_words
from pipeline.feasibility.dots import dot, name_rows
from pipeline.feasibility.scores import among, f1_of, gain_of
from pipeline.report.sections import Drawing, Section, Table
from pipeline.report.svg import drawing
from pipeline.report.words import photographs
from pipeline.training.recipe import TrainParams

Answered = tuple[TrainParams, Predictions]
"""A recipe, and what its nets answered for photographs that they had not seen."""


@dataclass(frozen=True)
class Option:
    """A net at a resolution.

    Attributes
    ----------
    model, resolution : the net, and the side of what it is shown, in pixels.
    epochs : what it was trained for in the time.
    macro_f1 : on the photographs that all options answered for.
    gain : over the first option, paired; of the first itself, 0.
    """

    model: str
    resolution: int
    epochs: int
    macro_f1: Measured
    gain: Measured

    @property
    def name(self) -> str:
        """The net and the side: "resnet18 at 96 px"."""
        return f"{self.model} at {self.resolution} px"


@dataclass(frozen=True)
class Limits:
    """The options, the recipe's own first.

    Attributes
    ----------
    judged : photographs that all of them answered for.
    """

    options: tuple[Option, ...]
    judged: int


def measure(own: Answered, others: Sequence[Answered], rng: np.random.Generator) -> Limits:
    """Compare other nets and sizes with the recipe's own, on the photographs that all of them answered for.

    Parameters
    ----------
    own : the recipe and its answers.
    others : likewise, from the same folds, trained for the same time.
    """
    rows = reduce(np.intersect1d, [answers.rows for _, answers in (own, *others)])
    first = among(own[1], rows)
    options = [_option(own[0], first, Measured(0.0, 0.0, 0.0), rng)]
    for recipe, answers in others:
        said = among(answers, rows)
        options.append(_option(recipe, said, gain_of(said, first, rng), rng))
    return Limits(tuple(options), len(rows))


def _option(recipe: TrainParams, answers: Predictions, gain: Measured, rng: np.random.Generator) -> Option:
    return Option(recipe.model, recipe.resolution, recipe.epochs, f1_of(answers, rng)[0], gain)


def limits_section(found: Limits) -> Section:
    """Say of each other net or size whether it is better than the recipe's own, worse, or cannot be told from it."""
    first, *others = found.options
    if not others:
        return Section("Is the net or the picture size the limit?", ["There was no time to try another net or size."])
    said = [
        f"All were trained for the same time and asked about the same {photographs(found.judged)}. "
        f"The recipe's own, {first.name}, has a macro F1 of {in_words.score(first.macro_f1)}.",
        *(_said(each, first) for each in others),
    ]
    rows = [
        [each.name, str(each.epochs), in_words.score(each.macro_f1), "-" if each is first else in_words.gain(each.gain)]
        for each in found.options
    ]
    shown = Drawing(
        options_svg(found),
        f"Dots: macro F1 with 95% intervals on the left; on the right what each has over {first.name}, which is the "
        "dotted line",
    )
    table = Table(["Net and size", "Epochs", "Macro F1", "Gain"], "<>>>", rows)
    return Section("Is the net or the picture size the limit?", said, table, [shown], notes=[_HOW])


_HOW = (
    "Gain: in macro F1, with its 95% interval, from both answers to the same photographs. A net that learns slowly may "
    "still win with more time."
)


def _said(each: Option, first: Option) -> str:
    gain = in_words.gain(each.gain)
    if each.gain.low > 0:
        return f"{each.name} is clearly better, by {gain}: {_limit(each, first)} holds the score down."
    if each.gain.high < 0:
        return f"{each.name} is clearly worse, by {gain}."
    return f"Whether {each.name} is better or worse cannot be told from so few photographs: {gain}."


def _limit(each: Option, first: Option) -> str:
    if each.model == first.model:
        return "the picture size"
    return "the net" if each.resolution == first.resolution else "the net or the picture size"


@drawing
def options_svg(found: Limits) -> Figure:
    """Draw macro F1 of the options, and beside it their gain over the first."""
    options = found.options[::-1]
    figure = Figure(figsize=(4.4, 0.8 + 0.34 * len(options)))
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.12})
    for place, each in enumerate(options):
        color = BLUE if each is found.options[0] else MUTED
        dot(left, each.macro_f1, place, color)
        if each is not found.options[0]:
            dot(right, each.gain, place, color)
    name_rows(left, [f"{drawable(each.model)}\n{each.resolution} px" for each in options], "Macro F1")
    right.set_xlabel("Gain")
    right.axvline(0, color=MUTED, linestyle=":", linewidth=1.2)
    right.grid(axis="x")
    right.spines["left"].set_visible(False)
    return figure
