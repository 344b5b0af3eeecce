"""What the probabilities are good for: how true they are, and what follows for who decides by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from pipeline.errors import ParameterError
from pipeline.evaluation.calibration import FEWEST, MEASURES, Calibration, calibration
from pipeline.evaluation.costs import CostResult, cost_matrix, weigh_costs
from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.operating import Point, operating_points, percent
from pipeline.evaluation.outliers import OutlierResult, judge_outliers
from pipeline.evaluation.params import EvaluateParams
from pipeline.evaluation.predictions import Answers, FloatArray, pooled_parts
from pipeline.evaluation.selective import Cut, cuts
from pipeline.evaluation.tables import named, render
from pipeline.files import write_csv
from pipeline.text import shown

POINTS_COLUMNS = (
    "point",
    "target",
    "threshold_lowest",
    "threshold_highest",
    *(f"{part}{name}" for part in ("val_", "") for name in ("sound", "false_alarms", "defects", "misses")),
    *(f"{name}{end}" for name in ("false_alarm_rate", "miss_rate") for end in ("", "_low", "_high")),
    "escaped",
    "note",
)


@dataclass(frozen=True, eq=False)
class Rules:
    """What the parameters ask for, in places of classes.

    Attributes
    ----------
    sound : place of the class that means "no defect"; None: there is none, and no operating point
    false_alarm_rate, miss_rate : what the operating points hold
    costs : float64 (K, K), true class a row; None: mistakes are not weighed
    """

    sound: int | None
    false_alarm_rate: float
    miss_rate: float
    costs: FloatArray | None


def read_rules(params: EvaluateParams, class_names: Sequence[str]) -> Rules:
    """Return what the parameters ask for.

    Raises
    ------
    ParameterError
        If they name a class that is not learnt.
    """
    name = params.sound_class
    if name is not None and name not in class_names:
        raise ParameterError(
            f"evaluate.sound_class: wanted null or one of the classes {shown(', '.join(class_names))}, "
            f"found {shown(name)!r}"
        )
    return Rules(
        sound=None if name is None else class_names.index(name),
        false_alarm_rate=params.false_alarm_rate,
        miss_rate=params.miss_rate,
        costs=None if params.costs is None else cost_matrix(params.costs, class_names),
    )


@dataclass(frozen=True, eq=False)
class Decisions:
    """What is known of the probabilities on test.

    Attributes
    ----------
    sound_class : None where there is none; `points` is empty then
    costs : None where mistakes are not weighed
    outliers : None where a net has nothing that tells them
    """

    calibration: Calibration
    sound_class: str | None
    points: Sequence[Point]
    costs: CostResult | None
    cuts: Sequence[Cut]
    outliers: OutlierResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is added to the part's entry in `metrics.json`: nested dicts of numbers."""
        found: dict[str, Any] = {"calibration": _rounded(self.calibration.figures())}
        if self.points:
            found["operating_points"] = {point.name: _rounded(point.figures()) for point in self.points}
        if self.costs:
            found["cost"] = _rounded(self.costs.figures())
        if self.outliers:
            found["outliers"] = _rounded(self.outliers.figures())
        return found

    def metrics(self, part: str) -> dict[str, float]:
        """Return the figures by the names under which a tracker compares them: ``test/ece``, ``test/ece/low``.

        Operating points are ``test/at_miss_rate/false_alarm_rate`` and so on, costs ``test/cost/least``, photographs
        that are flagged as outliers ``test/outliers/false_alarm_rate``.
        """
        figures = {f"{part}/{name}": value for name, value in self.calibration.figures().items()}
        figures[f"{part}/temperature"] = geometric_mean(self.calibration.temperatures)
        for point in self.points:
            figures |= {f"{part}/at_{point.name}/{name}": value for name, value in point.figures().items()}
        if self.costs:
            figures |= {f"{part}/cost/{name}": value for name, value in self.costs.figures().items()}
        if self.outliers:
            figures |= {f"{part}/outliers/{name}": value for name, value in self.outliers.figures().items()}
        return {_with_slash(name): value for name, value in figures.items()}


def decide(nets: Sequence[Answers], rules: Rules, seed: int) -> Decisions:
    """Return what is known of the probabilities of the nets on their test parts.

    Parameters
    ----------
    nets : thresholds of each are chosen on its own val part
    seed : of the draws behind the intervals
    """
    test, sound = pooled_parts(nets)["test"], rules.sound
    return Decisions(
        calibration=calibration(nets, seed),
        sound_class=None if sound is None else test.class_names[sound],
        points=() if sound is None else operating_points(nets, sound, rules.false_alarm_rate, rules.miss_rate),
        costs=None if rules.costs is None else weigh_costs(test, rules.costs, seed),
        cuts=cuts(test),
        outliers=judge_outliers(nets),
    )


def write_points(path: Path, points: Sequence[Point]) -> None:
    """Write one line an operating point; the header alone where there is no class that means "no defect".

    `threshold_lowest` and `threshold_highest` are those of the folds' nets: 1 - p(sound), from which on a photograph
    raises an alarm. Counts of val, then of test, with the rates on test and their exact 95% intervals.
    """
    write_csv(path, POINTS_COLUMNS, map(_points_row, points))


def _points_row(point: Point) -> list[object]:
    ends = [repr(min(point.thresholds)), repr(max(point.thresholds))] if point.thresholds else ["", ""]
    on_val, on_test = (point.val_false_alarms, point.val_misses), (point.false_alarms, point.misses)
    counts = [count for rate in (*on_val, *on_test) for count in (rate.of, rate.count)]
    rates = [f"{value:.6f}" if rate.of else "" for rate in on_test for value in (rate.value, rate.low, rate.high)]
    escaped = "; ".join(f"{name} {count}" for name, count in point.escaped.items())
    target = "" if point.target is None else point.target
    return [point.name, target, *ends, *counts, *rates, escaped, " ".join(point.notes)]


@dataclass(frozen=True)
class Finding:
    """What is said of the probabilities, the table behind it ("<" and ">": its columns' sides), and what to mind."""

    said: str
    header: Sequence[str]
    sides: str
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def decisions_text(decisions: Decisions, markdown: bool = False) -> str:
    """Render all of it for a terminal or as Markdown."""
    sound = "" if decisions.sound_class is None else named(decisions.sound_class, markdown)
    return "\n\n".join(
        block
        for found in findings(decisions, sound).values()
        for block in (found.said, render(found.header, found.sides, found.rows, markdown), *found.notes)
    )


def findings(decisions: Decisions, sound: str) -> dict[str, Finding]:
    """Return all of it: ``calibration``, ``person``, and where they are there ``points``, ``costs`` and ``outliers``.

    Parameters
    ----------
    sound : what to call the class that means "no defect", if there is one
    """
    found = {"calibration": _calibration(decisions.calibration), "person": _cuts(decisions.cuts)}
    if decisions.sound_class is not None:
        found["points"] = _points(decisions.points, sound)
    if decisions.costs:
        found["costs"] = _costs(decisions.costs)
    if decisions.outliers:
        found["outliers"] = _outliers(decisions.outliers)
    return found


def _calibration(found: Calibration) -> Finding:
    rows = [[words, *_ends(found.before[name]), *_ends(found.after[name])] for name, words in MEASURES.items()]
    header = ["Probabilities", "Before", "95% interval", "After", "95% interval"]
    coldest, hottest = min(found.temperatures), max(found.temperatures)
    span = f"{coldest:.2f}" if coldest == hottest else f"{coldest:.2f} to {hottest:.2f}"
    said = f"Probabilities are calibrated on val, by a temperature of {span} (above 1: less sure); lower is better:"
    if found.images < FEWEST:
        said += f" {found.images} photographs in test are too few to judge it by, and the intervals too narrow."
    return Finding(said, header, "<>>>>", rows)


def _ends(measured: Measured) -> list[str]:
    return [f"{measured.value:.3f}", f"[{measured.low:.3f}, {measured.high:.3f}]"]


def _cuts(found: Sequence[Cut]) -> Finding:
    rows = [[f"{cut.below:.2f}", *cut.answered.words()[:2], *cut.mistakes.words()] for cut in found]
    header = ["To a person below", "Answered", "Share", "Mistakes among them", "Rate", "95% interval"]
    return Finding("If a person looks at every photograph of which the model is less sure:", header, ">>>>>>", rows)


def _points(points: Sequence[Point], sound: str) -> Finding:
    rows = [
        [point.words(), *_span(point.thresholds), *point.misses.words(), *point.false_alarms.words()]
        for point in points
    ]
    header = ["Decided by", "Threshold", "Misses", "Rate", "95% interval", "False alarms", "Rate", "95% interval"]
    notes = [f"{point.words()[0].upper()}{point.words()[1:]}: {note}" for point in points for note in point.notes]
    said = f"Sound or not: an alarm where 1 - p({sound}) is at least a threshold that was chosen on val; rates on test:"
    return Finding(said, header, "<>>>>>>>", rows, notes)


def _outliers(found: OutlierResult) -> Finding:
    said = (
        "False alarms of what flags photographs unlike all in training: those of test are like them; thresholds were "
        f"chosen on val for at most {percent(found.asked)}:"
    )
    return Finding(
        said, ["Flagged on test", "Rate", "95% interval"], ">>>", [found.false_alarms.words()], found.notes()
    )


def _span(thresholds: Sequence[float]) -> list[str]:
    if not thresholds:
        return ["-"]
    low, high = min(thresholds), max(thresholds)
    return [f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"]


def _costs(found: CostResult) -> Finding:
    rows = [
        ["of least expected cost", *_ends(found.least)],
        ["the likeliest class", *_ends(found.likeliest)],
        ["saved by the first", *_ends(found.saved)],
    ]
    said = f"Costs on test; the two ways to decide differ for {found.changed} photographs:"
    return Finding(said, ["Decision", "Mean cost a photograph", "95% interval"], "<>>", rows)


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in figures.items()}


def _with_slash(name: str) -> str:
    for end in ("low", "high"):
        if name.endswith(f"_{end}"):
            return f"{name.removesuffix(f'_{end}')}/{end}"
    return name
