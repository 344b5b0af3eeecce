"""Tables of a result: CSV for `dvc plots` and for spreadsheets, text for a terminal and for Markdown."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from pipeline.evaluation.metrics import OVERALL, PER_CLASS
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.result import AVERAGE_PRECISION, ENDS, Result
from pipeline.files import write_csv
from pipeline.text import shown

PREDICTIONS_COLUMNS = ("path", "actual", "predicted", "probability")
PER_CLASS_COLUMNS = (
    "class",
    "support",
    "groups",
    *(name + end for name in (*PER_CLASS, AVERAGE_PRECISION) for end in ENDS),
    "note",
)
WORDS = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    AVERAGE_PRECISION: "Average precision",
    **OVERALL,
    f"macro_{AVERAGE_PRECISION}": "Mean average precision",
}


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one line an image; `dvc plots` draws a confusion matrix from `actual` and `predicted`.

    `probability` is that of the predicted class, with six decimals.
    """
    names = predictions.class_names
    rows = zip(predictions.paths, predictions.y_true, predictions.y_pred, predictions.confidence, strict=True)
    write_csv(path, PREDICTIONS_COLUMNS, ((p, names[true], names[said], f"{c:.6f}") for p, true, said, c in rows))


def write_per_class(path: Path, result: Result) -> None:
    """Write one line a class: support, groups, each score with both ends of its interval, and why it cannot be judged.

    Average precision is empty where the probabilities are not known.
    """
    found = result.scores_by_class()
    empty = [[""] * len(result.class_names)] * len(ENDS)
    scores = [
        [f"{score:.6f}" for score in end] if name in found else end
        for name in (*PER_CLASS, AVERAGE_PRECISION)
        for end in found.get(name, empty)
    ]
    rows = zip(result.class_names, result.support, result.groups, *scores, result.notes(), strict=True)
    write_csv(path, PER_CLASS_COLUMNS, rows)


def score_table(result: Result, markdown: bool = False) -> str:
    """Render the scores by class, then those over all classes, for a terminal or as Markdown.

    The groups of a class stand beside its images where they are not as many.
    """
    by_class, overall = result.scores_by_class(), result.scores_overall()
    counts = {"Images": result.support} | ({"Groups": result.groups} if result.grouped else {})
    rows = zip(
        [named(name, markdown) for name in result.class_names],
        *(map(str, numbers) for numbers in counts.values()),
        *(map(score_words, *ends) for ends in by_class.values()),
        result.notes(),
        strict=True,
    )
    header = ["Class", *counts, *(f"{WORDS[name]} [95%]" for name in by_class), "Note"]
    first = render(header, f"<{'>' * (len(header) - 2)}<", list(rows), markdown)
    over_all = [[WORDS[name], f"{value:.2f}", _span(low, high)] for name, (value, low, high) in overall.items()]
    second = render(["All classes", "Value", "95% interval"], "<>>", over_all, markdown)
    return f"{first}\n\n{second}"


def score_words(value: float, low: float, high: float) -> str:
    """Return "0.92 [0.80, 0.97]"."""
    return f"{value:.2f} {_span(low, high)}"


def _span(low: float, high: float) -> str:
    return f"[{low:.2f}, {high:.2f}]"


def render(header: Sequence[str], sides: str, rows: Sequence[Sequence[str]], markdown: bool) -> str:
    """Align the columns, "<" to the left and ">" to the right, and rule off the header."""
    widths = [max(map(_columns, column)) for column in zip(header, *rows, strict=True)]
    lines = [[_pad(*cell) for cell in zip(row, widths, sides, strict=True)] for row in (header, *rows)]
    if not markdown:
        ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
        return "\n".join("  ".join(line).rstrip() for line in ruled)
    rule = ["-" * (width - 1) + ("-" if side == "<" else ":") for width, side in zip(widths, sides, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def named(name: str, markdown: bool) -> str:
    """Return the name of a class as a line of a terminal, or Markdown, can hold it."""
    return _markdown(name) if markdown else shown(name)


def _markdown(name: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_[]<>|$#~&" else c for c in shown(name))


def _pad(text: str, width: int, side: str) -> str:
    space = " " * (width - _columns(text))
    return text + space if side == "<" else space + text


def _columns(text: str) -> int:
    """Count the terminal columns of a text: Chinese, Japanese and Korean letters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)
