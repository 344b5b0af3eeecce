"""Pictures of what the probabilities are good for: PNG bytes at 100 dpi."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pipeline.evaluation.calibration import Bin, Calibration
from pipeline.evaluation.figures import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, drawable, picture, titled
from pipeline.evaluation.operating import FALSE_ALARMS, LIKELIEST, MISSES, Point, curve
from pipeline.evaluation.predictions import Answers, Predictions
from pipeline.evaluation.selective import Cut, risk_coverage
from pipeline.evaluation.text import shorten

_POINT_STYLES = {FALSE_ALARMS: (ORANGE, "s"), MISSES: (GREEN, "D"), LIKELIEST: (INK, "o")}
_RATES = (0, 0.01, 0.05, 0.1, 0.2, 0.5, 1)


@picture
def reliability_png(found: Calibration, part: str) -> Figure:
    """Draw how often the net is right over how sure it is, in bins of equally many photographs with 95% intervals."""
    figure = Figure(figsize=(6, 6))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":")
    _draw_bins(axes, found.bins_before, MUTED, "o", "before the temperature", filled=False)
    _draw_bins(axes, found.bins_after, BLUE, "o", "after", filled=True)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("Confidence: mean probability of the predicted class")
    axes.set_ylabel("Share that is right")
    axes.grid()
    axes.legend(loc="upper left")
    after = found.after["ece"]
    words = f"calibration error {after.value:.3f} [{after.low:.3f}, {after.high:.3f}]"
    fewest = min(each.right.of for each in found.bins_after)
    titled(axes, f"Reliability, {part}", f"{found.images} images, {fewest} or more a dot; {words}")
    return figure


def _draw_bins(axes: Axes, bins: Sequence[Bin], color: str, marker: str, label: str, filled: bool) -> None:
    x, y = [each.confidence for each in bins], [each.right.value for each in bins]
    ends = [[each.right.value - each.right.low, each.right.high - each.right.value] for each in bins]
    axes.errorbar(
        x,
        y,
        np.transpose(ends),
        fmt=marker,
        color=color,
        alpha=1.0 if filled else 0.6,
        markerfacecolor=color if filled else "white",
        markersize=6,
        elinewidth=1.5,
        label=label,
    )


@picture
def operating_points_png(nets: Sequence[Answers], sound: int | None, points: Sequence[Point]) -> Figure:
    """Draw the misses over the false alarms at every threshold, and the chosen points with their 95% intervals.

    Both axes are stretched near 0, where the choice is. Without a class that means "no defect", a line that says so.
    """
    figure = Figure(figsize=(6.5, 6))
    axes = figure.subplots()
    if sound is None:
        return _empty(figure, axes, "no class means “no defect”: evaluate.sound_class in params.yaml")
    false_alarms, misses = curve(nets, sound)
    if not len(misses):
        return _empty(figure, axes, "test has no photographs of sound parts, or no others")
    axes.plot(false_alarms, misses, color=BLUE, drawstyle="steps-post", label="every threshold")
    for point in points:
        _draw_point(axes, point)
    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("function", functions=(lambda rate: np.sqrt(np.maximum(rate, 0)), np.square))
        axis.set_ticks(_RATES)
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_xlabel("False alarms: alarms for sound photographs")
    axes.set_ylabel("Misses: defects without an alarm")
    axes.grid()
    axes.legend(loc="upper right")
    name = shorten(drawable(nets[0].test.class_names[sound]), 30, 10)
    counts = f"{points[0].false_alarms.of} sound ({name}), {points[0].misses.of} of defects"
    titled(axes, "Misses and false alarms, test", f"{counts}; thresholds chosen on val; 95% intervals")
    return figure


def _draw_point(axes: Axes, point: Point) -> None:
    color, marker = _POINT_STYLES[point.name]
    x, y = point.false_alarms, point.misses
    axes.errorbar(
        [x.value],
        [y.value],
        [[y.value - y.low], [y.high - y.value]],
        [[x.value - x.low], [x.high - x.value]],
        fmt=marker,
        color=color,
        markersize=7,
        elinewidth=1.2,
        label=point.words(),
        clip_on=False,
        zorder=3,
    )


def _empty(figure: Figure, axes: Axes, words: str) -> Figure:
    figure.set_size_inches(6.5, 1)
    axes.axis("off")
    titled(axes, "Misses and false alarms, test", words)
    return figure


@picture
def risk_coverage_png(test: Predictions, found: Sequence[Cut]) -> Figure:
    """Draw the share of mistakes among the answers over the share that is answered, and the cuts of the table."""
    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    coverage, risk, low, high = risk_coverage(test)
    axes.fill_between(coverage, low, high, color=BLUE, alpha=0.15, linewidth=0, label="95% at each point")
    axes.plot(coverage, risk, color=BLUE)
    for cut in found:
        if cut.answered.count:
            axes.plot([cut.answered.value], [cut.mistakes.value], "o", color=INK, markersize=5, zorder=3)
            axes.axvline(cut.answered.value, color=FAINT, linewidth=1, zorder=0)
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, max(0.1, min(1.0, 2.5 * float(risk.max()))))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("Share that is answered; a person gets the rest, the least sure")
    axes.set_ylabel("Mistakes among the answers")
    axes.grid(axis="y")
    axes.legend(loc="upper center")
    dots = ", ".join(f"{cut.below:g}" for cut in found)
    titled(axes, "Mistakes by how much is answered, test", f"dots, from right to left: to a person below {dots}")
    return figure
