import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipeline.errors import DataError
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, confusion_matrix, score
from pipeline.evaluation.result import evaluate_part

ANSWERS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(ANSWERS)
def test_agrees_with_scikit_learn(answers):
    y_true, y_pred = np.array(answers).T
    scores = score(y_true, y_pred, 4)
    present = np.unique(y_true)
    assert scores.macro_f1 == pytest.approx(
        sk.f1_score(y_true, y_pred, labels=present, average="macro", zero_division=0)
    )
    assert scores.accuracy == pytest.approx(np.mean(y_true == y_pred))
    np.testing.assert_allclose(
        scores.recall, sk.recall_score(y_true, y_pred, labels=range(4), average=None, zero_division=0)
    )
    if set(y_pred) <= set(y_true) and len(present) > 1:
        assert scores.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(y_true, y_pred))
        assert scores.mcc == pytest.approx(sk.matthews_corrcoef(y_true, y_pred))


def test_rows_of_the_confusion_matrix_are_the_true_class():
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert confusion.dtype == np.int64


def test_all_right_and_all_wrong():
    y = np.arange(4).repeat(3)
    right, wrong = score(y, y, 4), score(y, (y + 1) % 4, 4)
    assert all(getattr(right, name) == 1 for name in OVERALL)
    assert all(getattr(wrong, name) == 0 for name in OVERALL if name != "mcc")
    assert wrong.mcc < 0


def test_a_class_without_images_is_left_out_of_the_means():
    y = np.array([0, 0, 1, 1])
    scores = score(y, y, 3)
    assert scores.macro_f1 == scores.balanced_accuracy == 1
    assert scores.f1.tolist() == [1, 1, 0]


def test_a_class_never_predicted_counts_as_zero():
    scores = score(np.array([0, 0, 1]), np.array([0, 0, 0]), 2)
    assert scores.precision[1] == scores.f1[1] == 0
    assert scores.macro_f1 == pytest.approx(0.4)


def test_no_image_is_an_error():
    with pytest.raises(DataError, match="at least one image"):
        score(np.array([], dtype=np.int64), np.array([], dtype=np.int64), 2)


def test_one_class_is_an_error():
    with pytest.raises(DataError, match="at least two classes"):
        evaluate_part(np.zeros(3, np.int64), np.zeros(3, np.int64), ("a",), np.random.default_rng(0))


def test_json_is_nested_numbers_with_any_name(odd_result):
    entry = json.loads(json.dumps(odd_result.to_json()))
    assert entry["images"] == 30
    for name in OVERALL:
        assert entry[f"{name}_low"] <= entry[name] <= entry[f"{name}_high"]
    for name in PER_CLASS:
        assert tuple(entry[name]) == odd_result.class_names == tuple(entry[f"{name}_high"])
    assert entry["support"]["new\nline\ttab"] == 0
    assert entry["support"]["焊缝 裂纹"] == 3
