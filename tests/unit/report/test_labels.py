"""The likeliest wrong labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_sets import answered, packed_set, text

from pipeline.evaluation.predictions import Predictions
from pipeline.report.labels import FEWEST, labels_section, likely_wrong, unseen


def answers_of(y_true, truth, rng, names=("a", "b", "c")):
    """What a net says that is usually sure of the truth, whatever the label."""
    logits = rng.normal(0, 1, (len(truth), len(names)))
    logits[np.arange(len(truth)), truth] += 7
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = np.arange(len(truth))
    return Predictions(tuple(names), np.array(y_true), chances, [f"{row}.png" for row in rows], rows)


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [40, 20, 20])
    labels, rows = truth.copy(), np.array([3, 17, 44, 61, 70])
    labels[rows] = (truth[rows] + 1) % 3
    return labels, truth, rows, answers_of(labels, truth, rng)


def test_planted_wrong_labels_come_first(planted):
    labels, truth, rows, answers = planted
    found = likely_wrong(answers)
    first = found.doubts[: len(rows)]
    assert {doubt.row for doubt in first} == set(rows.tolist())
    for doubt in first:
        assert (doubt.labelled, doubt.likelier) == (labels[doubt.row], truth[doubt.row])
        assert doubt.p_labelled < 0.1 < doubt.p_likelier
    assert len(found.doubts) <= 2 * len(rows)
    assert (found.judged, found.too_few) == (80, ())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40), st.integers(0, 100))
def test_any_answers_are_judged(cases, seed):
    y_true, truth = (np.array(each) for each in zip(*cases, strict=True))
    answers = answers_of(y_true, truth, np.random.default_rng(seed), ("a", "b", "c", "d"))
    found = likely_wrong(answers)
    rows = [doubt.row for doubt in found.doubts]
    assert len(set(rows)) == len(rows)
    for doubt in found.doubts:
        assert doubt.labelled == y_true[doubt.row] != doubt.likelier
        assert doubt.p_likelier == np.delete(answers.probabilities[doubt.row], doubt.labelled).max()
    chances = [doubt.p_labelled for doubt in found.doubts]
    assert chances == sorted(chances)
    sizes = np.bincount(y_true, minlength=4)
    assert found.too_few == tuple(k for k in range(4) if 0 < sizes[k] < FEWEST)


def test_answers_that_agree_leave_no_doubt():
    labels = np.repeat([0, 1, 2], 10)
    assert likely_wrong(answers_of(labels, labels, np.random.default_rng(1))).doubts == ()


def test_the_section_lists_shows_and_says_what_could_be_judged(planted, make_judged):
    labels, _, rows, answers = planted
    packed = packed_set(labels.tolist())
    judged = make_judged(labels, packed)
    section = labels_section(judged, answers, folds=5, most=4)
    assert len(section.strips[0].photos) == 4
    assert {row[0] for row in section.table.rows[: len(rows)]} == {packed.index[row].path for row in rows}
    assert "Each of the 80 photographs was judged by the net of 5 that had not seen it." in section.said


def test_of_a_net_that_knows_nothing_it_is_said(make_judged):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    answers = answers_of(labels, rng.integers(0, 3, 60), rng)
    section = labels_section(make_judged(labels, packed_set(labels.tolist())), answers, folds=3, most=4)
    assert "So many cannot be believed" in section.said[0]
    assert "reckons" not in text(section)


def test_without_folds_it_says_that_most_could_not_be_judged(make_judged):
    labels = [0, 1, 2] * 8
    packed = packed_set(labels)
    parts = {"test": answered(packed, [0, 4, 8], [0, 1, 2]), "val": answered(packed, [1, 5, 9], [1, 2, 0])}
    section = labels_section(make_judged(labels, packed), unseen(parts, 0), folds=0, most=4)
    assert section.said[0] == "None of 6 photographs that could be judged stands out."
    assert section.said[1].startswith("The other 18 of 24 taught the net")
    assert "split.folds judges all" in text(section)
    assert "Fewer than 5 photographs could be judged of a, b, c" in text(section)


def test_what_nets_had_not_seen_is_test_with_folds_and_val_too_without():
    packed = packed_set([0, 1, 2] * 4)
    parts = {"test": answered(packed, [0, 4, 8], [0, 1, 2]), "val": answered(packed, [1, 5, 9], [1, 2, 0])}
    assert unseen(parts, 0).rows.tolist() == [0, 1, 4, 5, 8, 9]
    assert unseen(parts, 3) is parts["test"]
