"""The report's drawings: SVG in the page's colours, small enough for a phone. The page says beside what they show."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from pipeline.evaluation.calibration import Bin, Calibration
from pipeline.evaluation.figures import BLUE, GREEN, INK, MUTED, ORANGE
from pipeline.evaluation.history import History, LrHistory
from pipeline.evaluation.operating import FALSE_ALARMS, LIKELIEST, MISSES, Point, curve
from pipeline.evaluation.predictions import Answers, Predictions
from pipeline.evaluation.selective import Cut, risk_coverage
from pipeline.report.svg import drawing

_WIDE, _SQUARE = (4.4, 2.7), (4.2, 3.6)  # inches
_POINT_STYLES = {FALSE_ALARMS: (ORANGE, "s"), MISSES: (GREEN, "D"), LIKELIEST: (INK, "o")}
_RATES = (0, 0.01, 0.05, 0.1, 0.2, 0.5, 1)


def _axes(size: tuple[float, float], x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size)
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y")
    return figure, axes


@drawing
def loss_svg(history: History) -> Figure:
    """Draw the losses on `train` and on `val` by epoch; a dotted line is the epoch that is kept."""
    figure, axes = _axes(_WIDE, "Epoch", "Loss")
    axes.plot(history.epoch, history.train_loss, color=BLUE, label="train")
    axes.plot(history.epoch, history.val_loss, color=ORANGE, linestyle="--", label="val")
    axes.legend(loc="upper right")
    axes.set_ylim(bottom=0)
    _by_epoch(axes, history)
    return figure


@drawing
def val_score_svg(history: History) -> Figure:
    """Draw macro F1 on `val` by epoch; a dotted line is the epoch that is kept."""
    figure, axes = _axes(_WIDE, "Epoch", "Macro F1 on val")
    axes.plot(history.epoch, history.val_macro_f1, color=ORANGE, linestyle="--")
    axes.set_ylim(0, 1.02)
    _by_epoch(axes, history)
    return figure


def _by_epoch(axes: Axes, history: History) -> None:
    axes.axvline(history.epoch[history.kept], color=MUTED, linewidth=1.2, linestyle=":")
    axes.set_xlim(history.epoch.min() - 0.5, history.epoch.max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


@drawing
def lr_svg(changes: LrHistory, history: History) -> Figure:
    """Draw the learning rate by optimizer step, with a dot at each change that was neither planned nor a warm-up."""
    figure, axes = _axes(_WIDE, "Optimizer step", "Learning rate")
    end = max(changes.step[-1], history.step[-1])
    steps, rates = np.append(changes.step, end), np.append(changes.lr, changes.lr[-1])
    axes.step(steps, rates, where="post", color=BLUE)
    rare = np.array([why not in ("start", "warm-up", "schedule") for why in changes.why])
    axes.plot(changes.step[rare], changes.lr[rare], "o", color=ORANGE, markersize=5)
    if (rates > 0).any():
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    return figure


@drawing
def reliability_svg(found: Calibration) -> Figure:
    """Draw how often the net is right over how sure it is, with 95% intervals; a true one lies on the dotted line."""
    figure, axes = _axes(_SQUARE, "How sure it is", "How often it is right")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=":")
    _draw_bins(axes, found.bins_before, MUTED, "before", filled=False)
    _draw_bins(axes, found.bins_after, BLUE, "calibrated", filled=True)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="upper left")
    return figure


def _draw_bins(axes: Axes, bins: Sequence[Bin], color: str, label: str, filled: bool) -> None:
    x, y = [each.confidence for each in bins], [each.right.value for each in bins]
    ends = [[each.right.value - each.right.low, each.right.high - each.right.value] for each in bins]
    fill = color if filled else "none"
    axes.errorbar(x, y, np.transpose(ends), fmt="o", color=color, markerfacecolor=fill, markersize=5, label=label)


@drawing
def risk_coverage_svg(test: Predictions, found: Sequence[Cut]) -> Figure:
    """Draw the share of mistakes among the answers over the share that is answered; dots are the rows of the table."""
    figure, axes = _axes(_SQUARE, "Answered; a person gets the rest", "Mistakes among the answers")
    coverage, risk, low, high = risk_coverage(test)
    axes.fill_between(coverage, low, high, color=BLUE, alpha=0.18, linewidth=0, label="95% at each point")
    axes.plot(coverage, risk, color=BLUE)
    dots = [(cut.answered.value, cut.mistakes.value) for cut in found if cut.answered.count]
    axes.plot(*zip(*dots, strict=True), "o", color=INK, markersize=4) if dots else None
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, max(0.1, min(1.0, 2.5 * float(risk.max()))))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="upper right")
    return figure


@drawing
def operating_points_svg(nets: Sequence[Answers], sound: int, points: Sequence[Point]) -> Figure:
    """Draw misses over false alarms at every threshold, and the points of the table with their 95% intervals.

    Both axes are stretched near 0, where the choice is. Test has sound photographs and others.
    """
    figure, axes = _axes(_SQUARE, "False alarms: sound, and yet an alarm", "Misses: a defect, and no alarm")
    axes.plot(*curve(nets, sound), color=BLUE, drawstyle="steps-post")
    for point in points:
        _draw_point(axes, point)
    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("function", functions=(lambda rate: np.sqrt(np.maximum(rate, 0)), np.square))
        axis.set_ticks(_RATES)
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(True)
    axes.legend(loc="upper right")
    return figure


def _draw_point(axes: Axes, point: Point) -> None:
    color, marker = _POINT_STYLES[point.name]
    x, y = point.false_alarms, point.misses
    x_ends, y_ends = [[x.value - x.low], [x.high - x.value]], [[y.value - y.low], [y.high - y.value]]
    axes.errorbar([x.value], [y.value], y_ends, x_ends, fmt=marker, color=color, markersize=6, label=point.words())
