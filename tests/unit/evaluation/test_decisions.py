import json
import math

import cv2
import numpy as np
import pytest

from pipeline.errors import ParameterError
from pipeline.evaluation.decision_plots import operating_points_png, reliability_png, risk_coverage_png
from pipeline.evaluation.decisions import POINTS_COLUMNS, decide, decisions_text, read_rules, write_points
from pipeline.evaluation.params import EvaluateParams
from pipeline.evaluation.predictions import Answers
from pipeline.files import read_csv

NAMES = ("crack", "pore", "sound")


def params(**changes):
    section = {"seed": 0, "gallery_images": 24, "registered_model": "weldproof", "device": "auto"}
    section |= {"sound_class": None, "false_alarm_rate": 0.05, "miss_rate": 0.01, "costs": None}
    section |= {"promote": {"least_gain": 0.0, "class_loss": 0.05}}
    return EvaluateParams.model_validate(section | changes)


@pytest.fixture
def nets(make_predictions):
    part = make_predictions([5, 9, 30], NAMES, skill=2.0)
    return [Answers(part, part, 1.4), Answers(part, part, 0.8)]


ALL = params(sound_class="sound", costs={"crack": {"sound": 20.0}})


def test_a_class_that_is_not_learnt_is_refused():
    with pytest.raises(ParameterError) as error:
        read_rules(params(sound_class="sond"), NAMES)
    assert str(error.value) == (
        "evaluate.sound_class: wanted null or one of the classes crack, pore, sound, found 'sond'"
    )


def test_figures_are_finite_numbers_by_the_names_that_stand_in_the_docs(nets):
    found = decide(nets, read_rules(ALL, NAMES), seed=0)
    tree = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(tree) == {"calibration", "operating_points", "cost"}
    metrics = found.metrics("test")
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["test/ece/low"] <= metrics["test/ece"] <= metrics["test/ece/high"]
    assert metrics["test/temperature"] == pytest.approx(np.sqrt(1.4 * 0.8))
    assert metrics["test/at_miss_rate/false_alarm_rate"] == pytest.approx(
        tree["operating_points"]["miss_rate"]["false_alarm_rate"], abs=1e-6
    )
    assert {"test/brier_before/high", "test/cost/saved/low", "test/at_likeliest_class/miss_rate"} <= set(metrics)


def test_without_a_sound_class_and_costs_there_is_calibration_alone(nets, tmp_path):
    found = decide(nets, read_rules(params(), NAMES), seed=0)
    assert set(found.to_json()) == {"calibration"}
    assert "Sound or not" not in decisions_text(found)
    write_points(tmp_path / "points.csv", found.points)
    assert read_csv(tmp_path / "points.csv", POINTS_COLUMNS) == []


def test_points_parse_back(nets, tmp_path):
    found = decide(nets, read_rules(ALL, NAMES), seed=0)
    write_points(tmp_path / "points.csv", found.points)
    rows = read_csv(tmp_path / "points.csv", POINTS_COLUMNS)
    assert [row["point"] for row in rows] == ["false_alarm_rate", "miss_rate", "likeliest_class"]
    for row, point in zip(rows, found.points, strict=True):
        assert (
            (int(row["defects"]), int(row["misses"]))
            == (point.misses.of, point.misses.count)
            == (28, point.misses.count)
        )
        assert (int(row["val_sound"]), int(row["val_false_alarms"])) == (60, point.val_false_alarms.count)
        if point.thresholds:
            assert float(row["threshold_lowest"]) == min(point.thresholds)
    assert rows[2]["threshold_lowest"] == rows[2]["target"] == ""


def test_text_names_what_it_says_and_markdown_escapes_names(make_predictions):
    part = make_predictions([4, 6, 9], ("a|b", "c*", "so_und"), skill=1.0)
    rules = read_rules(params(sound_class="so_und", costs={}), part.class_names)
    found = decide([Answers(part, part, 2.0)], rules, seed=0)
    text = decisions_text(found)
    assert "1 - p(so_und)" in text
    assert "19 photographs in test are too few" in text
    assert "to promise 1% takes 99" in text
    assert "temperature of 2.00" in text
    assert "1 - p(so\\_und)" in decisions_text(found, markdown=True)


@pytest.mark.parametrize("sizes", [[1, 0, 0], [0, 0, 2], [3, 2, 1], [60, 50, 90]])
def test_pictures_of_few_and_of_many(make_predictions, sizes):
    part = make_predictions(sizes, NAMES, skill=1.0)
    nets = [Answers(part, part, 1.0)]
    rules = read_rules(params(sound_class="sound"), NAMES)
    found = decide(nets, rules, seed=0)
    for png in (
        reliability_png(found.calibration, "test"),
        operating_points_png(nets, rules.sound, found.points),
        operating_points_png(nets, None, ()),
        risk_coverage_png(part, found.cuts),
    ):
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture.std() > 1
        assert 90 < picture.shape[0] < 1000
        assert 400 < picture.shape[1] < 1200
    assert reliability_png(found.calibration, "test") == reliability_png(found.calibration, "test")
