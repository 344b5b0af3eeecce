"""The report: one page that needs nothing but itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.result import AVERAGE_PRECISION, Result
from pipeline.evaluation.tables import WORDS
from pipeline.evaluation.text import shorten_apart
from pipeline.files import write_text
from pipeline.report.answer import answer, largest_class_score
from pipeline.report.layout import laid_out
from pipeline.report.sections import Section
from pipeline.text import shown

_TEMPLATE = "report.html.j2"
_HEADER_LENGTH = 26
"""Characters of a name above a column of the confusion matrix; the row has the whole of it."""
_FULLEST = 46
"""Per cent of its colour in the cell of a confusion matrix that holds a whole row: what stands on it is still read."""


@dataclass(frozen=True, eq=False)
class Report:
    """What the page says.

    Attributes
    ----------
    result : of the part that is reported on
    remarks : sentences on which net the scores are of, where that is not plain
    run : id of the training
    sections : what follows the table and the confusion matrix
    """

    result: Result
    remarks: Sequence[str]
    run: str
    sections: Sequence[Section]


def write_page(path: Path, report: Report) -> None:
    """Write the page, whole or not at all; the same report gives the same bytes."""
    write_text(path, render(report))


def render(report: Report) -> str:
    """Return the page as HTML; see `laid_out`."""
    return laid_out(
        Path(__file__).with_name(_TEMPLATE),
        report.sections,
        answer=answer(report.result),
        images=report.result.images,
        remarks=report.remarks,
        warnings=[section.warning for section in report.sections if section.warning],
        run=report.run,
        classes=_class_rows(report.result),
        overall=_overall_rows(report.result),
        baseline=largest_class_score(report.result),
        confusion=_confusion_rows(report.result),
    )


def _class_rows(result: Result) -> list[dict[str, Any]]:
    """Return a row a class, the largest first; average precision is the last score, where it is known."""
    notes, scores = result.notes(), result.scores_by_class()
    names = [name for name in ("f1", "precision", "recall", AVERAGE_PRECISION) if name in scores]
    return [
        {
            "name": result.class_names[k],
            "images": int(result.support[k]),
            "note": notes[k],
            "scores": [_interval(*(end[k] for end in scores[name])) for name in names],
        }
        for k in np.argsort(-result.support, kind="stable").tolist()
    ]


def _overall_rows(result: Result) -> list[dict[str, Any]]:
    return [{"name": WORDS[name], "score": _interval(*ends)} for name, ends in result.scores_overall().items()]


def _interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": float(value), "low": float(low), "high": float(high)}


def _confusion_rows(result: Result) -> dict[str, Any]:
    """Return the names and, a row a true class, the cells: counts, and how much of its colour each has, in per cent."""
    order = np.argsort(-result.support, kind="stable").tolist()
    rows = []
    for k in order:
        size = max(int(result.support[k]), 1)
        cells = [
            {
                "count": int(result.confusion[k, j]),
                "hit": j == k,
                "strength": round(8 + (_FULLEST - 8) * result.confusion[k, j] / size) if result.confusion[k, j] else 0,
            }
            for j in order
        ]
        rows.append({"name": result.class_names[k], "images": int(result.support[k]), "cells": cells})
    names = shorten_apart([shown(result.class_names[k]) for k in order], _HEADER_LENGTH)
    return {"names": names, "rows": rows}
