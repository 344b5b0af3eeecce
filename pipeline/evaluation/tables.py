"""Tables of a result: CSV for `dvc plots` and for spreadsheets, text for a terminal and for Markdown."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from pipeline.evaluation.metrics import OVERALL, PER_CLASS
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.result import Result
from pipeline.files import write_csv
from pipeline.text import shown

PREDICTIONS_COLUMNS = ("path", "actual", "predicted", "probability")
PER_CLASS_COLUMNS = ("class", "support", *(name + end for name in PER_CLASS for end in ("", "_low", "_high")), "note")


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one line an image; `dvc plots` draws a confusion matrix from `actual` and `predicted`.

    `probability` is that of the predicted class, with six decimals.
    """
    names = predictions.class_names
    rows = zip(predictions.paths, predictions.y_true, predictions.y_pred, predictions.confidence, strict=True)
    write_csv(path, PREDICTIONS_COLUMNS, ((p, names[true], names[said], f"{c:.6f}") for p, true, said, c in rows))


def write_per_class(path: Path, result: Result) -> None:
    """Write one line a class: support, each score with both ends of its interval, and why it cannot be judged."""
    ends = (result.value, result.low, result.high)
    scores = [[f"{score:.6f}" for score in getattr(end, name)] for name in PER_CLASS for end in ends]
    rows = zip(result.class_names, result.support, *scores, result.notes(), strict=True)
    write_csv(path, PER_CLASS_COLUMNS, rows)


def score_table(result: Result, markdown: bool = False) -> str:
    """Render the scores by class, then those over all classes, for a terminal or as Markdown."""
    value, low, high = result.value, result.low, result.high
    notes = result.notes()
    by_class = [
        [
            _markdown(name) if markdown else shown(name),
            str(result.support[k]),
            f"{value.precision[k]:.2f}",
            f"{value.recall[k]:.2f}",
            f"{value.f1[k]:.2f}",
            f"[{low.f1[k]:.2f}, {high.f1[k]:.2f}]",
            notes[k],
        ]
        for k, name in enumerate(result.class_names)
    ]
    overall = [
        [words, f"{getattr(value, name):.2f}", f"[{getattr(low, name):.2f}, {getattr(high, name):.2f}]"]
        for name, words in OVERALL.items()
    ]
    first = render(
        ["Class", "Images", "Precision", "Recall", "F1", "95% interval", "Note"], "<>>>>><", by_class, markdown
    )
    second = render(["All classes", "Value", "95% interval"], "<>>", overall, markdown)
    return f"{first}\n\n{second}"


def render(header: Sequence[str], sides: str, rows: Sequence[Sequence[str]], markdown: bool) -> str:
    """Align the columns, "<" to the left and ">" to the right, and rule off the header."""
    widths = [max(map(_columns, column)) for column in zip(header, *rows, strict=True)]
    lines = [[_pad(*cell) for cell in zip(row, widths, sides, strict=True)] for row in (header, *rows)]
    if not markdown:
        ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
        return "\n".join("  ".join(line).rstrip() for line in ruled)
    rule = ["-" * (width - 1) + ("-" if side == "<" else ":") for width, side in zip(widths, sides, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _markdown(name: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_[]<>|$#~&" else c for c in shown(name))


def _pad(text: str, width: int, side: str) -> str:
    space = " " * (width - _columns(text))
    return text + space if side == "<" else space + text


def _columns(text: str) -> int:
    """Count the terminal columns of a text: Chinese, Japanese and Korean letters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)
