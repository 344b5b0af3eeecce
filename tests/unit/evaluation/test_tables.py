import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.evaluation.params import EvaluateParams
from pipeline.evaluation.tables import (
    PER_CLASS_COLUMNS,
    PREDICTIONS_COLUMNS,
    score_table,
    write_per_class,
    write_predictions,
)
from pipeline.evaluation.text import shorten, shorten_apart
from pipeline.files import read_csv
from pipeline.text import shown


@pytest.fixture
def writable(odd_predictions, make_predictions):
    """Odd names without the lone surrogate, which UTF-8 cannot hold."""
    return make_predictions([4, 0, 3], tuple(odd_predictions.class_names[1:4]), skill=1.0)


def test_predictions_parse_back(tmp_path, writable):
    write_predictions(tmp_path / "p.csv", writable)
    rows = read_csv(tmp_path / "p.csv", PREDICTIONS_COLUMNS)
    assert [row["actual"] for row in rows] == [writable.class_names[k] for k in writable.y_true]
    assert [row["predicted"] for row in rows] == [writable.class_names[k] for k in writable.y_pred]
    assert [row["path"] for row in rows] == writable.paths
    np.testing.assert_allclose([float(row["probability"]) for row in rows], writable.confidence, atol=1e-6)


def test_per_class_parses_back(tmp_path, writable, evaluated):
    result = evaluated(writable)
    write_per_class(tmp_path / "c.csv", result)
    rows = read_csv(tmp_path / "c.csv", PER_CLASS_COLUMNS)
    assert [row["class"] for row in rows] == list(writable.class_names)
    assert [int(row["support"]) for row in rows] == [4, 0, 3]
    np.testing.assert_allclose([float(row["f1_low"]) for row in rows], result.low.f1, atol=1e-6)
    assert rows[1]["note"] == "no image here: not measured"


def test_terminal_table_is_aligned_and_complete(make_predictions, evaluated):
    table = score_table(evaluated(make_predictions([60, 3], ("crack", "pore"), skill=9)))
    lines = table.splitlines()
    assert lines[2].split()[:4] == ["crack", "60", "1.00", "[0.97,"]
    assert lines[2].count(" 1.00 [") == len(lines[2].split("[")) - 1 == 4
    assert "3 images: too few to judge" in lines[3]
    assert lines[2].index("60") == lines[3].index(" 3 ") == lines[0].index("Images") + 4
    assert any(line.startswith("Macro F1") for line in lines)


def test_markdown_table_has_its_columns_whatever_the_names(odd_result):
    by_class, overall = score_table(odd_result, markdown=True).split("\n\n")
    lines = by_class.splitlines()
    assert len(lines) == 2 + len(odd_result.class_names)
    unescaped = [line.replace("\\\\", "").replace("\\|", "") for line in lines]
    assert {line.count("|") for line in unescaped} == {8}
    assert "\\$a\\_1^2\\$" in by_class
    assert overall.splitlines()[2].startswith("| Macro F1")


def test_terminal_table_keeps_one_line_a_class(odd_result):
    by_class = score_table(odd_result).split("\n\n")[0]
    assert len(by_class.splitlines()) == 2 + len(odd_result.class_names)


def test_text():
    assert shown("a\nb\udcff焊") == "a\\nb\\xff焊"
    assert shorten("abcdefghij", 6, 2) == "abc…ij"
    assert shorten("abc", 6, 2) == "abc"


def test_shortened_names_stay_different():
    names = [f"a long class name {k} of the list" for k in range(12)]
    short = shorten_apart(names, 18)
    assert len(set(short)) == 12
    assert max(map(len, short)) <= 18
    hard = [f"{'x' * 30}{k}{'y' * 30}" for k in range(12)]
    assert len(set(shorten_apart(hard, 18))) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"gallery_images": 0},
        {"gallery_images": 1.0},
        {"typo": 1},
        {"device": "gpu"},
        {"registered_model": "a/b"},
        {"promote": {"least_gain": 0.0}},
        {"promote": {"least_gain": 0.0, "class_loss": -0.1}},
        {"sound_class": 3},
        {"false_alarm_rate": 0.0},
        {"miss_rate": 1.0},
        {"costs": {"a": 2.0}},
        {"costs": {"a": {"b": -1.0}}},
        {"costs": {"a": {"b": float("inf")}}},
    ],
)
def test_params_refuse(change):
    good = {"seed": 0, "gallery_images": 24, "registered_model": "weldproof", "device": "auto"}
    good |= {"sound_class": None, "false_alarm_rate": 0.05, "miss_rate": 0.01, "costs": None}
    good |= {"promote": {"least_gain": 0.0, "class_loss": 0.05}}
    EvaluateParams.model_validate(good)
    with pytest.raises(ValidationError):
        EvaluateParams.model_validate(good | change)
