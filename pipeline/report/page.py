"""The report: one page that needs nothing but itself."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from pipeline.evaluation.result import AVERAGE_PRECISION, Result
from pipeline.evaluation.tables import WORDS
from pipeline.evaluation.text import shorten_apart
from pipeline.files import write_text
from pipeline.report.answer import answer, largest_class_score
from pipeline.report.inline import SIDE, data_uri, png_uri
from pipeline.report.sections import Drawing, Picture, Section
from pipeline.text import shown

TEMPLATE = "report.html.j2"
JUMP = """
if (window !== window.parent) document.addEventListener("click", (event) => {
  const place = document.getElementById(event.target.closest("a")?.hash.slice(1));
  if (place) { event.preventDefault(); place.scrollIntoView(); place.focus({preventScroll: true}); }
});
"""
"""The one script. MLflow shows the page in a frame that follows no link within it; elsewhere the browser does."""
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(JUMP.encode()).digest()).decode()}'"
)
"""What the browser is told: to fetch nothing, and to run no other script."""
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
    """Return the page as HTML.

    Whatever stands in the report is text and is escaped, what is not printable as well, but for the SVG of a `Drawing`.
    """
    return _template().render(
        jump=Markup(JUMP),
        policy=POLICY,
        answer=answer(report.result),
        images=report.result.images,
        remarks=report.remarks,
        warnings=[section.warning for section in report.sections if section.warning],
        run=report.run,
        classes=_class_rows(report.result),
        overall=_overall_rows(report.result),
        baseline=largest_class_score(report.result),
        confusion=_confusion_rows(report.result),
        sections=[{"of": section, "pictures": _pictures(section)} for section in report.sections],
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {"breakable": breakable, "data_uri": data_uri, "side": _shown_side}
    return environment.get_template(TEMPLATE)


def _printable(value: object) -> object:
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def breakable(name: object) -> Markup:
    """Return a name that a line can be broken in, after what usually joins words in names of folders and files."""
    text = escape(shown(name))
    for joint in "_/":
        text = text.replace(joint, Markup(f"{joint}<wbr>"))
    return text


def _shown_side(image: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Return width and height in which a picture stands on the page: the longer one `SIDE`."""
    height, width = (round(SIDE * side / max(image.shape[:2])) for side in image.shape[:2])
    return width, height


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


def _pictures(section: Section) -> list[dict[str, Any]]:
    return [_picture(each) for each in section.pictures]


def _picture(picture: Picture | Drawing) -> dict[str, Any]:
    if isinstance(picture, Drawing):
        return {"svg": Markup(picture.svg), "alt": picture.alt}
    return {"svg": None, "src": png_uri(picture.png), "alt": picture.alt}
