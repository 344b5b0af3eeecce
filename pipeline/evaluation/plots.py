"""Pictures of a result and of how training went: PNG bytes at 100 dpi."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from pipeline.evaluation.figures import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    drawable,
    drawable_names,
    picture,
    titled,
)
from pipeline.evaluation.history import History, LrHistory
from pipeline.evaluation.predictions import FloatArray, IntArray
from pipeline.evaluation.result import AVERAGE_PRECISION, Result
from pipeline.evaluation.tables import WORDS, score_words
from pipeline.evaluation.text import shorten

NAME_LENGTH = 28
# What stands for all classes below the score of each; there is no mean precision.
OVER_ALL = {"recall": "balanced_accuracy", "f1": "macro_f1", AVERAGE_PRECISION: f"macro_{AVERAGE_PRECISION}"}
_REASON_COLORS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, INK)
_REASON_MARKERS = "osDv^P*"


@picture
def confusion_png(result: Result, part: str) -> Figure:
    """Draw the confusion matrix: each cell has the count and its share of the row; hits blue, mistakes orange."""
    num_classes = len(result.class_names)
    cell = float(np.clip(8 / num_classes, 0.52, 1.3))
    figure = Figure(figsize=(cell * num_classes, cell * num_classes))
    axes = figure.add_axes((0, 0, 1, 1))
    sizes = result.support[:, None]
    shares = np.divide(result.confusion, sizes, out=np.zeros(result.confusion.shape), where=sizes > 0)
    axes.imshow(_cell_colors(shares))
    for row, column in np.argwhere(result.confusion > 0).tolist():
        ink = "white" if row == column and shares[row, column] > 0.55 else INK
        _write_cell(axes, row, column, result.confusion[row, column], shares[row, column], cell, ink)
    names = drawable_names(result.class_names, NAME_LENGTH)
    upright = num_classes <= 4 and max(map(len, names)) <= 11
    axes.set_xticks(range(num_classes), names, rotation=0 if upright else 45, ha="center" if upright else "right")
    for label in axes.get_xticklabels():
        label.set_rotation_mode("anchor" if not upright else "default")
    axes.set_yticks(range(num_classes), [f"{n} ({k})" for n, k in zip(names, result.support.tolist(), strict=True)])
    _rule_cells(axes, num_classes)
    axes.set_xlabel("Predicted class", labelpad=8)
    axes.set_ylabel("True class (images)", labelpad=8)
    titled(
        axes, f"Confusion matrix, {part}", f"{result.images} images; in each cell the count and its share of the row"
    )
    return figure


def _cell_colors(shares: FloatArray) -> FloatArray:
    """Mix white with blue on the diagonal and orange beside it: (K, K, 3), 0 to 1."""
    full = np.where(np.eye(len(shares), dtype=bool)[..., None], to_rgb(BLUE), to_rgb(ORANGE))
    strength = np.where(shares > 0, 0.08 + 0.92 * shares, 0.0)[..., None]  # a single mistake still shows
    mixed: FloatArray = 1 - strength * (1 - full)
    return mixed


def _write_cell(axes: Axes, row: int, column: int, count: int, share: float, cell: float, ink: str) -> None:
    large = float(np.clip(13 * cell, 8, 13))
    axes.text(column, row - 0.02, f"{count}", ha="center", va="bottom", fontsize=large, color=ink)
    axes.text(column, row + 0.06, f"{share:.0%}", ha="center", va="top", fontsize=max(0.75 * large, 7), color=ink)


def _rule_cells(axes: Axes, num_classes: int) -> None:
    axes.spines[:].set(visible=True, color=FAINT, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.set_xticks(np.arange(num_classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(num_classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.8)


@picture
def class_scores_png(result: Result, part: str) -> Figure:
    """Draw each score by class and over all classes as dots with their 95% intervals, the largest class on top.

    F1 comes last, with its numbers. Hollow grey dots are of a class that has too few images to judge.
    """
    order = np.argsort(-result.support, kind="stable").tolist()
    lines, names, notes = len(order) + 1.5, drawable_names(result.class_names, NAME_LENGTH), result.notes()
    by_class, overall = result.scores_by_class(), result.scores_overall()
    panels = sorted(by_class, key=lambda name: name == "f1")
    figure = Figure(figsize=(2.4 * len(panels), 0.36 * lines + 0.3))
    for number, name in enumerate(panels):
        axes = figure.add_axes((number / len(panels), 0, 0.88 / len(panels), 1))
        _draw_scores(axes, result.support[order], np.stack(by_class[name])[:, order], [notes[k] for k in order])
        over_all = OVER_ALL.get(name)
        if over_all:
            _draw_interval(axes, len(order) + 0.5, overall[over_all], "", marker="D", color=INK)
        axes.set_xlabel(WORDS[name])
        axes.set_yticks([*range(len(order)), len(order) + 0.5], [""] * (len(order) + 1))
    first, last = figure.axes[0], figure.axes[-1]
    first.set_yticklabels([*(f"{names[k]} ({_counts(result, k)})" for k in order), "All classes"])
    first.get_yticklabels()[-1].set_fontweight("bold")
    _write_scores(last, result, order, notes)
    grouped = " / its groups" if result.grouped else ""
    titled(
        first, f"Scores by class, {part}", f"95% intervals; (images of the class{grouped}); hollow: too few to judge"
    )
    return figure


def _counts(result: Result, k: int) -> str:
    return f"{result.support[k]} / {result.groups[k]}" if result.grouped else f"{result.support[k]}"


def _draw_scores(axes: Axes, support: IntArray, ends: FloatArray, notes: list[str]) -> None:
    """Draw a line a class, from values and limits (3, K)."""
    for y, (images, row, note) in enumerate(zip(support.tolist(), ends.T.tolist(), notes, strict=True)):
        if images:
            _draw_interval(axes, y, tuple(row), note)
    axes.axhline(len(notes) - 0.25, color=FAINT, linewidth=1)
    axes.set_ylim(len(notes) + 1, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _draw_interval(
    axes: Axes, y: float, ends: tuple[float, ...], note: str, marker: str = "o", color: str = BLUE
) -> None:
    value, low, high = ends
    color = MUTED if note else color
    axes.plot([low, high], [y, y], color=color, linewidth=3, alpha=0.45, solid_capstyle="butt")
    axes.plot(
        [value], [y], marker, color=color, markerfacecolor="white" if note else color, markersize=7, clip_on=False
    )


def _write_scores(axes: Axes, result: Result, order: list[int], notes: list[str]) -> None:
    """Write F1 beside its dots, and what cannot be judged."""
    f1, macro = result.scores_by_class()["f1"], result.scores_overall()["macro_f1"]
    for y, k in enumerate(order):
        words = [score_words(*(end[k] for end in f1))] if result.support[k] else []
        _write_beside(axes, y, "  ".join([*words, notes[k]]), MUTED if notes[k] else INK)
    _write_beside(axes, len(order) + 0.5, score_words(*macro), INK)


def _write_beside(axes: Axes, y: float, words: str, color: str) -> None:
    across = ("axes fraction", "data")
    axes.annotate(words, (1, y), (14, 0), across, "offset points", va="center", color=color, fontsize=9)


@picture
def learning_curves_png(history: History) -> Figure:
    """Draw the losses on `train` and `val` and the macro F1 on `val` by epoch, with the epoch that is kept marked."""
    figure = Figure(figsize=(8, 6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    marker = _marker(history)
    above.plot(history.epoch, history.train_loss, color=BLUE, marker=marker, label="train")
    above.plot(history.epoch, history.val_loss, color=RED, marker=marker, linestyle="--", label="val")
    above.set_ylabel("Loss")
    above.legend(loc="upper right")
    below.plot(history.epoch, history.val_macro_f1, color=RED, marker=marker, linestyle="--")
    below.set_ylabel("Macro F1, val")
    below.set_ylim(0, 1.02)
    below.set_xlabel("Epoch")
    below.set_xlim(history.epoch.min() - 0.5, history.epoch.max() + 0.5)
    below.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (above, below):
        axes.grid(axis="y")
    note = _mark_kept(above, below, history)
    titled(above, "Learning curves", note)
    return figure


def _marker(history: History) -> str:
    return "o" if len(history.epoch) <= 30 else ""


def _mark_kept(above: Axes, below: Axes, history: History) -> str:
    epoch, score = history.epoch[history.kept], history.val_macro_f1[history.kept]
    for axes in (above, below):
        axes.axvline(epoch, color=MUTED, linewidth=1, linestyle=":")
    if np.isnan(score):
        return f"kept: epoch {epoch:g}; macro F1 on val was never measured"
    below.plot([epoch], [score], "*", color=INK, markersize=13, zorder=3)
    return f"★ kept: epoch {epoch:g}, macro F1 on val {score:.3f}"


@picture
def lr_history_png(changes: LrHistory, history: History) -> Figure:
    """Draw the learning rate, each change marked with its reason, above the loss on `train`, by optimiser step."""
    figure = Figure(figsize=(8, 6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    end = max(changes.step[-1], history.step[-1])
    above.step(
        np.append(changes.step, end),
        np.append(changes.lr, changes.lr[-1]),
        where="post",
        color=MUTED,
        alpha=0.5,
        zorder=1,
    )
    for number, why in enumerate(dict.fromkeys(changes.why)):
        _mark_reason(above, below, changes, why, number)
    _log_axis(above, changes.lr)
    above.set_ylabel("Learning rate")
    above.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="Why it changed", alignment="left")
    below.plot(history.step, history.train_loss, color=BLUE, marker=_marker(history))
    below.set_ylabel("Loss, train")
    below.set_xlabel("Optimiser step")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (above, below):
        axes.grid(axis="y")
    titled(above, "Learning rate", "dotted lines: single changes, with their factor")
    return figure


@picture
def lr_range_png(lr: FloatArray, loss: FloatArray, suggested: float) -> Figure:
    """Draw the smoothed loss of the learning-rate range test over the rate, and mark the rate that it suggests."""
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    axes.plot(lr, loss, color=BLUE)
    axes.axvline(suggested, color=RED, linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlim(lr[0], lr[-1])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    low, start = loss.min(), loss[0]
    axes.set_ylim(low - 0.1 * (start - low) - 0.02, start + 0.5 * (start - low) + 0.02)
    axes.set_xlabel("Learning rate")
    axes.set_ylabel("Loss, train, smoothed")
    axes.grid(axis="y")
    titled(axes, "Learning-rate range test", f"dotted: half the rate where it is lowest, {suggested:.1e}")
    return figure


def _mark_reason(above: Axes, below: Axes, changes: LrHistory, why: str, number: int) -> None:
    chosen = np.array([reason == why for reason in changes.why])
    color, marker = _REASON_COLORS[number % 7], _REASON_MARKERS[number % 7]
    rare = chosen.sum() <= 10 and why != "warm-up"  # a ramp of many steps is not an event
    label = f"{shorten(drawable(why), 24, 0)} ({chosen.sum()})"
    steps, rates = changes.step[chosen], changes.lr[chosen]
    above.plot(steps, rates, marker, color=color, markersize=7 if rare else 3, label=label, zorder=3 if rare else 2)
    if not rare:
        return
    for step, rate, factor in zip(steps, rates, changes.factor[chosen], strict=True):
        for axes in (above, below):
            axes.axvline(step, color=color, linewidth=1, linestyle=":", zorder=0)
        if np.isfinite(factor) and factor != 1:
            above.annotate(
                f"\N{MULTIPLICATION SIGN}{factor:.3g}",
                (step, rate),
                (5, 5),
                textcoords="offset points",
                color=color,
                fontsize=9,
            )


def _log_axis(axes: Axes, rates: FloatArray) -> None:
    rates = rates[rates > 0]
    if not len(rates):
        return
    axes.set_yscale("log", nonpositive="mask")
    axes.set_ylim(rates.min() / 1.6, rates.max() * 1.6)
    wide = rates.max() / rates.min() > 1000
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
