"""The learning curves on the page: which classes need how many more photographs, in words, as a table and drawn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pipeline.evaluation.figures import BLUE, INK, MUTED, ORANGE, drawable_names
from pipeline.evaluation.text import shorten
from pipeline.feasibility import in_words
from pipeline.feasibility.learning_curve import Curve, LearningCurve
from pipeline.feasibility.study import Study
from pipeline.report.sections import Drawing, Section, Table
from pipeline.report.svg import drawing
from pipeline.report.words import named

_ACROSS = 3  # curves in a row
_WIDE, _HIGH = 4.4, 1.3  # inches: of the drawing, and of a row of it
_LISTED = 8
_ALL = "all classes (macro F1)"


def curve_section(found: LearningCurve, study: Study) -> Section:
    """Say how many photographs of each class there must be, and what twice as many would bring."""
    names = [shorten(named(study.class_names, k), 40, 12) for k in range(len(study.class_names))]
    return Section(
        "How many more photographs?",
        [*_said(found, names), _said_of_macro(found.macro)],
        _table(found, names),
        [
            Drawing(
                curves_svg(found, study.class_names),
                "Dots: F1 by the number of photographs, with 95% intervals; line and band: the law that was fitted, "
                f"and where it lies with 95%; dotted: the target, {found.target:.2f}",
            )
        ],
        notes=_notes(found, names),
    )


def words_of(curve: Curve, name: str) -> str:
    """Return how many photographs of a class it takes, as a part of a sentence."""
    low, value, high = (in_words.amount(each) for each in (curve.needed.low, curve.needed.value, curve.needed.high))
    wanted = f"photographs of {name} in all ({curve.now} now)"
    if np.isfinite(curve.needed.high):
        return f"some {low} to {high} {wanted}"
    if not np.isfinite(curve.needed.value):
        return f"{low} {wanted} at the least, and more likely than not no amount is enough"
    least = f", at the least {low}" if curve.needed.low > curve.now else ""
    return f"some {value} {wanted}{least}; it may be that no amount is enough"


def _said(found: LearningCurve, names: Sequence[str]) -> list[str]:
    """One paragraph for the classes that are there, for those that need more, and for those that no amount helps."""
    there: list[str] = []
    perhaps: list[str] = []
    never: list[str] = []
    more: list[Curve] = []
    for curve, name in zip(found.classes, names, strict=True):
        if curve.needed.high <= curve.now:
            there.append(name)
        elif curve.hopeless:
            never.append(name)
        elif _perhaps_there(curve, found.target):
            perhaps.append(name)
        else:
            more.append(curve)
    more.sort(key=lambda curve: (curve.needed.value - curve.now) / curve.now, reverse=True)
    wanted = [words_of(curve, names[_number(curve)]) for curve in more]
    target = f"an F1 of {found.target:.2f}"
    said = []
    if wanted:
        said.append(f"For {target} it takes, by what is seen: {_some(wanted, '; ')}.")
    if never:
        said.append(f"No amount of such photographs would bring {_some(never)} to {target}, by what is seen.")
    if there:
        said.append(f"At {target} or above already: {_some(there)}.")
    if perhaps:
        said.append(f"Probably there already, but too few photographs are seen to be sure: {_some(perhaps)}.")
    return said


def _perhaps_there(curve: Curve, target: float) -> bool:
    """Return whether the law or what was measured says that it is at the target."""
    return curve.needed.value <= curve.now or curve.f1[-1].value >= target


def _number(curve: Curve) -> int:
    assert curve.class_number is not None
    return curve.class_number


def _some(words: Sequence[str], between: str = ", ") -> str:
    more = f"{between}and {len(words) - _LISTED} more, which stand in the table" if len(words) > _LISTED else ""
    return between.join(words[:_LISTED]) + more


def _said_of_macro(macro: Curve) -> str:
    return (
        f"With twice as many photographs of every class, macro F1 would be {in_words.score(macro.doubled)}; "
        f"it is {in_words.score(macro.f1[-1])} now."
    )


def _table(found: LearningCurve, names: Sequence[str]) -> Table:
    rows = [_row(curve, name, found.target) for curve, name in zip(found.classes, names, strict=True)]
    header = ["Class", "Now", "F1 now", f"Needed for {found.target:.2f}", "F1 with twice as many"]
    return Table(header, "<>>>>", [*rows, _row(found.macro, _ALL, found.target)])


def _row(curve: Curve, name: str, target: float) -> list[str]:
    return [name, str(curve.now), in_words.score(curve.f1[-1]), _needed(curve, target), in_words.score(curve.doubled)]


def _needed(curve: Curve, target: float) -> str:
    if curve.hopeless:
        return "no amount"
    if curve.needed.high <= curve.now:
        return "there already"
    if _perhaps_there(curve, target):
        return "probably there"
    low, value, high = (in_words.amount(each) for each in (curve.needed.low, curve.needed.value, curve.needed.high))
    if np.isfinite(curve.needed.high):
        return f"{low} to {high}"
    return f"{low} or more" if curve.needed.low > curve.now else f"some {value}"


def _notes(found: LearningCurve, names: Sequence[str]) -> list[str]:
    notes = [
        "All classes grow together in these forecasts, and what is added is of the same kind as what there is. The "
        "ranges are to hold the truth 19 times of 20. Beyond twice the photographs at hand they rest on the law that "
        "errors fall as a power of the number of photographs, down to what no number helps with."
    ]
    own = [f"{name}: {curve.note}." for curve, name in zip(found.classes, names, strict=True) if curve.note]
    if len(found.macro.f1) == 1:
        return [*notes, f"Not measured: {found.macro.note}."]
    return notes + own[:_LISTED]


@drawing
def curves_svg(found: LearningCurve, class_names: Sequence[str]) -> Figure:
    """Draw the curves, macro F1 first, by the number of photographs that there are."""
    titles = ["macro F1", *drawable_names(class_names, 17)]
    curves = (found.macro, *found.classes)
    rows = -(-len(curves) // _ACROSS)
    figure = Figure(figsize=(_WIDE, _HIGH * rows + 0.2), layout="constrained")
    places = figure.subplots(rows, _ACROSS, squeeze=False).ravel()
    for number, axes in enumerate(places):
        if number < len(curves):
            _draw(axes, curves[number], titles[number], found.target)
            axes.tick_params(labelsize=7, labelleft=number % _ACROSS == 0)
        else:
            axes.set_axis_off()
    figure.supxlabel("Photographs there are", fontsize=8)
    figure.supylabel("F1", fontsize=8)
    return figure


def _draw(axes: Axes, curve: Curve, title: str, target: float) -> None:
    amounts = curve.counts / curve.teaching
    end = curve.needed.value if np.isfinite(curve.needed.value) else 0
    x = np.geomspace(amounts[0], np.clip(end * 1.2, 2.5 * curve.now, 40 * curve.now), 25)
    low, middle, high = np.quantile(curve.f1_at(x), [0.025, 0.5, 0.975], axis=0)
    axes.fill_between(x, low, high, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(x, middle, color=BLUE, linewidth=1.3)
    f1 = [each.value for each in curve.f1]
    ends = [[each.value - each.low, each.high - each.value] for each in curve.f1]
    axes.errorbar(amounts, f1, np.transpose(ends), fmt="o", color=INK, markersize=3, linewidth=1)
    axes.axhline(target, color=ORANGE, linewidth=1.2, linestyle=":")
    axes.set_title(title, fontsize=8, pad=4, color=MUTED)
    axes.set(xscale="log", ylim=(0, 1.04), yticks=[0, 0.5, 1], xlim=(x[0] * 0.85, x[-1]))
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0) if x[-1] < 30 * x[0] else (1.0,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: f"{amount:,.0f}"))
    axes.grid(axis="y")
