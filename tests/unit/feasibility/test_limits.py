"""Whether another net or size is better, worse, or cannot be told from the recipe's own."""

import numpy as np
import pytest
from conftest import small_params
from judged_sets import text

from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility.limits import limits_section, measure
from pipeline.training.recipe import TrainParams

LABELS = np.repeat([0, 1, 2], [40, 20, 10])


def recipe(**changes):
    return TrainParams.model_validate(small_params()["train"] | changes)


def answers(wrong, rows=None):
    """Right but for the first so many photographs of each class."""
    y_pred = LABELS.copy()
    for k in range(3):
        y_pred[np.flatnonzero(k == LABELS)[:wrong]] = (k + 1) % 3
    rows = np.arange(len(LABELS)) if rows is None else rows
    paths = [str(row) for row in rows]
    return Predictions(("a", "b", "c"), LABELS[rows], np.eye(3)[y_pred[rows]], paths, rows)


def measured(own, *others):
    return measure((recipe(model="resnet18"), own), others, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("wrong", "words"), [(0, "is clearly better"), (9, "is clearly worse"), (6, "cannot be told from so few")]
)
def test_better_worse_or_not_told(wrong, words):
    found = measured(answers(6), (recipe(resolution=64), answers(wrong)))
    first, other = found.options
    assert (first.gain.low, first.gain.high) == (0, 0)
    assert other.gain.low <= other.gain.value <= other.gain.high
    assert other.gain.value == pytest.approx(other.macro_f1.value - first.macro_f1.value)
    section = limits_section(found)
    assert words in section.said[1]
    assert section.pictures[0].svg.startswith("<svg")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "resnet18", "resolution": 64}, ": the picture size holds"),
        ({"model": "resnet34"}, ": the net holds"),
        ({"model": "resnet34", "resolution": 64}, ": the net or the picture size holds"),
    ],
)
def test_what_the_limit_is(changes, words):
    assert words in text(limits_section(measured(answers(6), (recipe(**changes), answers(0)))))


def test_only_photographs_that_all_answered_for_count():
    some, fewer = np.arange(5, 70), np.arange(0, 60)
    found = measured(answers(2), (recipe(epochs=3), answers(2, some)), (recipe(epochs=4), answers(4, fewer)))
    assert found.judged == 55
    assert [each.epochs for each in found.options] == [2, 3, 4]
    assert found.options[0].macro_f1.value == found.options[1].macro_f1.value
    assert "the same 55 photographs" in limits_section(found).said[0]


def test_no_time_for_others():
    assert "no time" in text(limits_section(measured(answers(2))))
