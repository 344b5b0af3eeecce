"""Can the net learn at all? A handful of each class, learnt by heart: see `training.overfit`."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from pipeline.data.packed import PackedSet
from pipeline.errors import PipelineError
from pipeline.evaluation.figures import BLUE, GREEN, MUTED, ORANGE, PURPLE
from pipeline.evaluation.predictions import IntArray
from pipeline.feasibility.study import Study
from pipeline.report.sections import Drawing, Section, Table
from pipeline.report.svg import drawing
from pipeline.report.words import counted, photographs
from pipeline.training.device import Compute
from pipeline.training.loop import Trainer
from pipeline.training.overfit import LEARNT, handful, verdict
from pipeline.training.recipe import TrainParams
from pipeline.training.records import EpochRecord

PER_CLASS = 4
"""Half of what `mode: overfit` takes: resnet101 has a step in half the time, and a handful is a handful."""
SECONDS = 60.0
"""For each net."""

_STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"))


@dataclass(frozen=True)
class Overfit:
    """What came of one net.

    Attributes
    ----------
    model, resolution : the net, and the side of what it is shown, in pixels.
    pictures : that it was to learn.
    passed : whether it learnt them by heart; None: its time was over before that could be said.
    steps, loss : at its end; 0 and infinity if there was no step.
    cause : the likely one if it failed; else empty.
    losses : mean loss of each step, in nats.
    """

    model: str
    resolution: int
    pictures: int
    passed: bool | None
    steps: int
    loss: float
    cause: str
    losses: tuple[float, ...]


def check(
    study: Study, recipe: TrainParams, models: Sequence[str], compute: Compute, seconds: float = SECONDS
) -> tuple[Overfit, ...]:
    """Let each net learn a few pictures of each class by heart, at the recipe's resolution and learning rate.

    Parameters
    ----------
    models : names of nets. All but the recipe's own start from random weights.
    seconds : for each net, at the most; the step that it is at is ended.

    Raises
    ------
    ModelError
        If there is no such net, or it takes no pictures of this size.
    """
    rows = few(study)
    return tuple(_check(study.packed, rows, _for(recipe, model), compute, seconds) for model in models)


def few(study: Study) -> IntArray:
    """Return rows of the study, int64: as many of each class as the smallest has, at most `PER_CLASS`."""
    labels = study.packed.labels
    rows = handful(labels, study.rows)
    return rows.reshape(len(np.unique(labels[rows])), -1)[:, :PER_CLASS].ravel()


def _for(recipe: TrainParams, model: str) -> TrainParams:
    weights = recipe.weights if model == recipe.model else "none"
    return recipe.model_copy(update={"mode": "overfit", "model": model, "weights": weights})


def _check(packed: PackedSet, rows: IntArray, recipe: TrainParams, compute: Compute, seconds: float) -> Overfit:
    trainer = Trainer(packed, rows, np.empty(0, np.int64), recipe, compute)
    end, in_time = time.monotonic() + seconds, True
    try:
        for _ in trainer.epochs():
            in_time = time.monotonic() < end or trainer.is_done
            if not in_time:
                break
    except PipelineError as error:  # the loss is no longer a number
        return _found(trainer.params, rows, trainer.records, False, str(error))
    if not in_time:
        return _found(trainer.params, rows, trainer.records, None, "")
    came_of_it = verdict(packed, rows, trainer.params, trainer.records)
    return _found(trainer.params, rows, trainer.records, came_of_it.passed, came_of_it.cause)


def _found(
    recipe: TrainParams, rows: IntArray, records: Sequence[EpochRecord], passed: bool | None, cause: str
) -> Overfit:
    losses = tuple(record.train_loss for record in records)
    last = losses[-1] if losses else math.inf
    return Overfit(recipe.model, recipe.resolution, len(rows), passed, len(losses), last, cause, losses)


def overfit_section(found: Sequence[Overfit]) -> Section:
    """Say which nets can learn a handful by heart, and what is wrong with those that cannot."""
    rows = [
        [each.model, f"{each.resolution} px", str(each.pictures), str(each.steps), f"{each.loss:.3f}", _outcome(each)]
        for each in found
    ]
    table = Table(["Net", "Shown at", "Pictures", "Steps", "Loss", "Learnt by heart"], "<>>>><", rows)
    pictures = [
        Drawing(
            losses_svg(found),
            "Curves: the loss by step, on a scale on which equal steps are equal factors; below the dotted line, the "
            "pictures count as learnt",
        )
    ]
    return Section("Can the net learn at all?", [_said(each) for each in found], table, pictures)


def _outcome(each: Overfit) -> str:
    return {True: "yes", False: "no", None: "not finished"}[each.passed]


def _said(each: Overfit) -> str:
    if each.passed:
        return (
            f"{each.model} learnt {counted(each.pictures, 'picture')} by heart in {counted(each.steps, 'step')}: net, "
            "learning rate and resolution can do it, and these labels do not contradict each other."
        )
    if each.passed is None:
        return (
            f"{each.model} was not finished in its time: after {counted(each.steps, 'step')} its loss was "
            f"{each.loss:.2f}. That says nothing against it."
        )
    return (
        f"{each.model} cannot even learn {photographs(each.pictures)} by heart, so no amount of them will help. "
        f"Likely cause: {each.cause}."
    )


@drawing
def losses_svg(found: Sequence[Overfit]) -> Figure:
    """Draw the loss of each net by step."""
    figure = Figure(figsize=(4.4, 2.7))
    axes = figure.subplots()
    for place, each in enumerate(found):
        color, line = _STYLES[place % len(_STYLES)]
        steps = np.arange(1, len(each.losses) + 1)
        axes.plot(steps, each.losses, line, color=color, marker="o", markersize=2.5, label=each.model)
    axes.axhline(LEARNT, color=MUTED, linewidth=1.2, linestyle=":")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="Step", ylabel="Loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y")
    axes.legend(loc="upper right")
    return figure
