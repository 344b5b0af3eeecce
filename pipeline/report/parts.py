"""The sections that every report has: decisions, the training, the data."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.data.assignment import NOT_LEARNT, PARTS, AssignmentRow
from pipeline.data.manifest import ManifestRow
from pipeline.evaluation.decisions import Decisions, Finding, findings
from pipeline.evaluation.history import History, LrHistory
from pipeline.evaluation.predictions import Answers, pooled_parts
from pipeline.report.drawings import (
    loss_svg,
    lr_svg,
    operating_points_svg,
    reliability_svg,
    risk_coverage_svg,
    val_score_svg,
)
from pipeline.report.sections import Drawing, Section, Table
from pipeline.report.words import counted, photographs

_LISTED = 20
_RECIPE = ("model", "weights", "resolution", "epochs", "batch_size", "balance", "optimizer", "lr", "schedule", "seed")


_DECISIONS = {
    "person": "What to leave to a person",
    "points": "Sound or not",
    "costs": "What mistakes cost",
    "outliers": "Photographs unlike all in training",
    "calibration": "Can its probabilities be believed?",
}


def decision_sections(nets: Sequence[Answers], decisions: Decisions) -> list[Section]:
    """Return what the probabilities are good for: what to leave to a person, sound or not, costs, how true they are."""
    found, drawn = findings(decisions, decisions.sound_class or ""), _drawings(nets, decisions)
    return [_section(title, found[name], drawn.get(name)) for name, title in _DECISIONS.items() if name in found]


def _drawings(nets: Sequence[Answers], decisions: Decisions) -> dict[str, Drawing]:
    test = pooled_parts(nets)["test"]
    drawn = {
        "person": Drawing(
            risk_coverage_svg(test, decisions.cuts),
            "Curve: the share of mistakes among the answers, by the share of photographs that is answered; the dots "
            "are the rows of the table",
        ),
        "calibration": Drawing(
            reliability_svg(decisions.calibration),
            "Dots: how often the model is right, by how sure it is, with 95% intervals; where both are equal, they lie "
            "on the dotted line",
        ),
    }
    if decisions.sound_class is not None and all(
        point.misses.of and point.false_alarms.of for point in decisions.points
    ):
        drawn["points"] = Drawing(
            operating_points_svg(nets, test.class_names.index(decisions.sound_class), decisions.points),
            "Curve: the share of defects without an alarm, by the share of sound photographs with one, at every "
            "threshold; the marks are the rows of the table, with 95% intervals",
        )
    return drawn


def _section(title: str, found: Finding, drawn: Drawing | None) -> Section:
    table = Table(found.header, found.sides, found.rows)
    return Section(title, [found.said], table, [drawn] if drawn else [], notes=found.notes)


def training_section(history: History, changes: LrHistory, recipe: Mapping[str, Any]) -> Section:
    """Return the course of the training and the main points of its recipe (the `train` section of params.yaml)."""
    epoch, score = history.epoch[history.kept], history.val_macro_f1[history.kept]
    on_val = "" if np.isnan(score) else f", where macro F1 on val was {score:.2f}"
    said = f"Of {counted(len(history.epoch), 'epoch')} the net of epoch {epoch:g} is kept (the dotted line){on_val}."
    by_hand = sum(why == "by hand" for why in changes.why)
    moved = f" The learning rate has {counted(by_hand, 'change')} by hand." if by_hand else ""
    return Section(
        "How it was trained",
        [said + moved],
        Table(["Recipe", "Value"], "<<", [[name, str(recipe[name])] for name in _RECIPE if name in recipe]),
        [
            Drawing(
                loss_svg(history), "Curves: the loss on the photographs that are learnt from, and on val, by epoch"
            ),
            Drawing(val_score_svg(history), "Curve: macro F1 on val, by epoch"),
            Drawing(lr_svg(changes, history), "Curve: the learning rate, by optimizer step"),
        ],
    )


def data_section(rows: Sequence[AssignmentRow], manifest: Iterable[ManifestRow]) -> Section:
    """Return what there is of each class in each part, what belongs together, and what is not used.

    Parameters
    ----------
    rows : of the assignment, one a row of the packed set
    manifest : of all photographs, with those that could not be read
    """
    used = [row for row in rows if row.class_name]
    count = Counter((row.class_name, row.part) for row in used)
    groups = {name: len({row.group for row in used if row.class_name == name}) for name, _ in count}
    table = [
        [name, *(str(number) for number in (sum(parts), *parts, groups[name]))]
        for name in sorted(groups)
        for parts in [[count[name, part] for part in PARTS]]
    ]
    several = [size for size in Counter(row.group for row in used).values() if size > 1]
    tied = (
        f"; {sum(several)} stand in {counted(len(several), 'group')} of several that no split divides"
        if several
        else ""
    )
    said = [f"{photographs(len(rows))}, {len(used)} of them used{tied}. All that is known of them: data_card.md."]
    kept_out = [f"{row.path}: {row.note}" for row in rows if row.note not in ("", NOT_LEARNT)]
    unreadable = [f"{row.path}: {row.problem}" for row in manifest if row.problem]
    said += _some("Kept out", kept_out) + _some("Could not be read", unreadable)
    return Section("What it learnt from", said, Table(["Class", "All", *PARTS, "Groups"], "<>>>>>", table))


def _some(what: str, lines: Sequence[str]) -> list[str]:
    more = f"; and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return [f"{what}: {'; '.join(lines[:_LISTED])}{more}."] if lines else []
