"""Scores as dots with their 95% intervals, a row each."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from pipeline.evaluation.estimates import Measured

ON_LINE = {"facecolor": "#ffffff", "edgecolor": "none", "pad": 1.0}
"""The box of a text of matplotlib's that stands over a line."""


def dot(axes: Axes, measured: Measured, place: float, color: str) -> None:
    """Draw a value and its interval at the height `place`."""
    ends = [[measured.value - measured.low], [measured.high - measured.value]]
    axes.errorbar([measured.value], [place], xerr=ends, fmt="o", color=color, capsize=3, markersize=6, linewidth=1.6)


def name_rows(axes: Axes, names: Sequence[str], x: str) -> None:
    """Name the rows at 0, 1, ..., from below; scores of 0 to 1 go to the right."""
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(names) - 0.4), xlabel=x)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
