from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.decisions import decide, decisions_text, read_rules
from pipeline.evaluation.estimates import exact_interval
from pipeline.evaluation.outliers import judge_outliers
from pipeline.evaluation.params import EvaluateParams, PromotionParams
from pipeline.evaluation.predictions import Answers, pooled
from pipeline.training.detector import Promise

NAMES = ("crack", "pore", "sound")
PARAMS = EvaluateParams(
    seed=0,
    gallery_images=24,
    registered_model="weldproof",
    device="auto",
    sound_class=None,
    false_alarm_rate=0.05,
    miss_rate=0.01,
    costs=None,
    promote=PromotionParams(least_gain=0.0, class_loss=0.05),
)


@pytest.fixture
def answers(make_predictions):
    """A net whose test part has so many outliers, and whose val part so many photographs."""

    def make(flagged, val=99, first=0):
        part = make_predictions([5, 9, 30], NAMES, skill=2.0)
        part = replace(part, rows=part.rows + first, groups=part.rows + first)
        scores = np.where(np.arange(44) < flagged, 1.5, 1.0)
        return Answers(part, replace(part, outlier_scores=scores), 1.0, Promise(0.05, 4, val))

    return make


def test_false_alarms_of_all_nets_with_their_exact_interval(answers):
    found = judge_outliers([answers(3), answers(1, first=100)])
    assert (found.false_alarms.count, found.false_alarms.of) == (4, 88)
    low, high = exact_interval(4, 88)
    assert found.figures() == {
        "target": 0.05,
        "false_alarm_rate": 4 / 88,
        "false_alarm_rate_low": low,
        "false_alarm_rate_high": high,
    }
    assert found.false_alarms.words() == ["4 of 88", "4.5%", "[1.3%, 11.2%]"]
    assert found.notes() == []


def test_too_few_in_val_are_said(answers):
    (note,) = judge_outliers([answers(0, val=18), answers(0)]).notes()
    assert note.startswith("val has 18 photographs; to promise 5% takes 19")


def test_nets_of_earlier_versions_have_none(answers):
    net = answers(2)
    old = Answers(net.val, net.val, 1.0)
    assert judge_outliers([old]) is None
    assert judge_outliers([net, old]) is None


def test_scores_stay_with_their_photographs(answers):
    part = answers(3).test
    halves = [replace(part, rows=part.rows + 100), part]
    assert pooled(halves).outlier_scores.tolist() == [*part.outlier_scores, *part.outlier_scores]


def test_it_is_told_in_text_numbers_and_metrics(answers):
    found = decide([answers(2)], read_rules(PARAMS, NAMES), seed=0)
    assert "2 of 44" in decisions_text(found).split("unlike all in training")[1]
    assert found.to_json()["outliers"]["false_alarm_rate"] == pytest.approx(2 / 44, abs=1e-6)
    metrics = found.metrics("test")
    assert metrics["test/outliers/false_alarm_rate/low"] < metrics["test/outliers/false_alarm_rate"]
    assert metrics["test/outliers/target"] == 0.05
