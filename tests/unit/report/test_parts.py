"""The sections and drawings that every report has, in cases that leave little to draw."""

import re

import numpy as np
import pytest
from reports import answers, history, result_of

from pipeline.data.assignment import NOT_LEARNT, AssignmentRow
from pipeline.evaluation.decisions import Rules, decide
from pipeline.evaluation.figures import BLUE, ORANGE
from pipeline.evaluation.history import History
from pipeline.evaluation.predictions import Answers
from pipeline.report.drawings import loss_svg, lr_svg, val_score_svg
from pipeline.report.page import Report, render
from pipeline.report.parts import data_section, decision_sections, training_section
from pipeline.report.svg import drawing


def sections_of(nets, sound=None):
    return decision_sections(nets, decide(nets, Rules(sound, 0.05, 0.01, None), 0))


def net(sizes, seed=0, skill=3.0):
    names = [f"class {k}" for k in range(len(sizes))]
    return Answers(answers([5] * len(sizes), names, seed), answers(sizes, names, seed + 1, skill), 1.0 + seed)


@drawing
def labelled(text):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "o-", color=BLUE)
    axes.set_title(text, color=ORANGE)
    return figure


def test_drawing_has_the_colors_and_the_font_of_the_page():
    svg = labelled("title")
    assert not re.search(r"#[0-9a-f]{6}\b", svg, re.IGNORECASE)
    assert {"var(--blue)", "var(--orange)", "var(--ink)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert "font-family" not in svg
    assert "<style" not in svg
    assert "<metadata" not in svg
    assert ">title</text>" in svg


def test_text_in_a_drawing_is_text():
    svg = labelled("</svg><script>alert(1)</script> #0072B2 \"'")
    assert "<script" not in svg
    assert svg.count("</svg>") == 1
    assert "#0072B2" in svg  # what a label says of colours stays


def test_drawings_share_no_ids_and_the_same_is_the_same():
    one, other = labelled("one"), labelled("other")
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for svg, own in zip((one, other), ids, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([\w-]+)', svg)) == own
    assert labelled("one") == one


def test_training_of_one_epoch_without_a_validation():
    one = np.array([1.0])
    never = np.array([np.nan])
    short = History(one, one, one * 0, one, never, never)
    _, changes = history()
    for svg in (loss_svg(short), val_score_svg(short), lr_svg(changes, short)):
        assert svg.startswith("<svg viewBox=")
    section = training_section(short, changes, {"model": "resnet18"})
    assert section.said == [
        "Of 1 epoch the net of epoch 1 is kept (the dotted line). The learning rate has 1 change by hand."
    ]


@pytest.mark.parametrize("skill", [-30.0, 0.0, 30.0])
@pytest.mark.parametrize("sizes", [[3, 0], [0, 3], [1, 1], [30, 20]])
def test_few_answers_all_right_or_all_wrong(sizes, skill):
    one = net(sizes, skill=skill)
    sections = sections_of([one], sound=0)
    assert "Sound or not" in [section.title for section in sections]
    render(Report(result_of(one.test), [], "", sections))


def test_no_sound_class_no_costs():
    assert [section.title for section in sections_of([net([9, 5])])] == [
        "What to leave to a person",
        "Can its probabilities be believed?",
    ]


def row(path, class_name="crack", part="train", group="", note=""):
    return AssignmentRow(path, class_name, "", group or path, part, -1, note)


def test_data():
    rows = [
        row("crack/a", group="1"),
        row("crack/b", group="1", part="test"),
        row("pore/a", class_name="pore", part="val"),
        row("pore/b", class_name="", part="", note="same picture as crack/a"),
        row("scale/a", class_name="", note=NOT_LEARNT),
    ]
    section = data_section(rows, [])
    assert section.table.rows == [["crack", "2", "1", "0", "1", "1"], ["pore", "1", "0", "1", "0", "1"]]
    assert section.said[0].startswith("5 photographs, 3 of them used; 2 stand in 1 group of several")
    assert section.said[1:] == ["Kept out: pore/b: same picture as crack/a."]


def test_long_lists_are_cut_short():
    section = data_section([row(f"crack/{k}", class_name="", note="blurred") for k in range(30)], [])
    assert section.said[1].endswith("; and 10 more.")
    assert section.said[1].count("blurred") == 20
