"""The law is what it is meant to be, and what is said about more photographs follows from what was seen."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_sets import packed_set, text

from pipeline.data.assignment import Assignment
from pipeline.evaluation.metrics import score
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility import in_words
from pipeline.feasibility.curve_section import curve_section, words_of
from pipeline.feasibility.learning_curve import curves_of, influence, measure, taught_by
from pipeline.feasibility.power_law import law, reached
from pipeline.feasibility.study import FOLDS, nested, new_study

SHARES = (0.125, 0.25, 0.5, 1.0)
TARGET = 0.9
LAWS = st.lists(st.tuples(st.floats(0, 0.9), st.floats(0, 5), st.floats(0.1, 2.0)), min_size=1, max_size=5).map(
    np.array
)


def answers_with(f1, sizes, seed=0, same=0.7, names=None):
    """Answers at S amounts in which about the share `f1`, (S, K), of each class is right; mostly the same are wrong.

    What is missed goes to the next class, so that classes of one size have this F1.
    """
    rng = np.random.default_rng(seed)
    y_true = np.repeat(np.arange(len(sizes)), sizes)
    hardness = np.concatenate([rng.permutation((np.arange(size) + 0.5) / size) for size in sizes])
    found = []
    for each in np.atleast_2d(f1):
        place = np.where(rng.random(len(y_true)) < same, hardness, rng.random(len(y_true)))
        y_pred = np.where(place < each[y_true], y_true, (y_true + 1) % len(sizes))
        rows = np.arange(len(y_true))
        classes = names or tuple(f"c{k}" for k in range(len(sizes)))
        found.append(Predictions(classes, y_true, np.eye(len(sizes))[y_pred], [f"{row}.png" for row in rows], rows))
    return found


def curves(f1, sizes, target=TARGET, seed=0):
    return kept(tuple(map(tuple, np.asarray(f1).tolist())), tuple(sizes), target, seed)


@cache
def kept(f1, sizes, target, seed):
    sizes = np.array(sizes)
    counts = np.maximum(np.outer(SHARES[-len(f1) :], 0.8 * sizes), 1)
    return curves_of(answers_with(f1, sizes), counts, sizes, target, np.random.default_rng(seed))


def study_of(sizes, names, groups=None):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    packed = packed_set(labels.tolist(), names, path=[f"{k}/{row:04d}.png" for row, k in enumerate(labels.tolist())])
    index = tuple(entry._replace(sha256=f"{row * 2654435761 % 2**32:064x}") for row, entry in enumerate(packed.index))
    group = np.arange(len(labels)) if groups is None else groups
    none = np.full(len(labels), -1)
    split = Assignment(tuple(names), labels, np.full(len(labels), "train"), none, 0, group)
    return new_study(replace(packed, index=index), split, 0)


STEEP = 1 - 0.5 * (np.array(SHARES)[:, None] * 8) ** -0.7 * np.ones(3)  # 0.5, 0.69, 0.81, 0.88
FLAT = np.full((4, 3), 0.5)


@settings(max_examples=50, deadline=None)
@given(LAWS, st.lists(st.floats(0.5, 1e4), min_size=2, max_size=9))
def test_more_photographs_are_never_worse(drawn, counts):
    f1 = law(drawn, np.sort(counts))
    assert ((f1 >= 0) & (f1 <= 1)).all()
    assert (np.diff(f1, axis=1) >= 0).all()


@settings(max_examples=50, deadline=None)
@given(LAWS, st.floats(0.1, 0.95), st.floats(0.001, 0.04))
def test_a_higher_target_takes_more(drawn, target, more):
    assert (reached(drawn, target) <= reached(drawn, target + more)).all()


@settings(max_examples=50, deadline=None)
@given(LAWS, st.floats(0.1, 0.95))
def test_with_what_is_needed_the_target_is_reached(drawn, target):
    needed = reached(drawn, target)
    for each, amount in zip(drawn, needed, strict=True):
        if 1e-6 < amount < 1e9:
            assert law(each[None], np.array([amount]))[0, 0] == pytest.approx(target, abs=1e-6)
        elif amount == np.inf:
            assert law(each[None], np.array([1e9]))[0, 0] <= target + 1e-9


def test_influences_are_the_derivatives_of_f1_by_the_weight_of_a_group():
    answers = answers_with([[0.8, 0.6, 0.9]], [12, 7, 5])[0]
    answers = replace(answers, groups=np.arange(24) // 2)
    found, f1 = influence(answers), score(answers.y_true, answers.y_pred, 3).f1
    many = np.concatenate([np.repeat(np.arange(24), 1000), np.flatnonzero(answers.groups == 3)])
    weighed = score(answers.y_true[many], answers.y_pred[many], 3).f1
    np.testing.assert_allclose((weighed - f1) * 1000, found[3], atol=1e-3)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("sizes", [(300, 300, 300), (120, 30, 8), (40, 3, 2)])
def test_every_interval_holds_its_value_and_stays_in_range(sizes):
    found = curves(STEEP, sizes)
    for curve in (*found.classes, found.macro):
        for each in (curve.ceiling, curve.doubled, *curve.f1):
            assert 0 <= each.low <= each.value <= each.high <= 1
        assert 1 <= curve.needed.low <= curve.needed.value <= curve.needed.high
        assert (curve.p_reach < 1) == any(np.isinf(reached_by(curve)))
        assert curve.doubled.high - curve.doubled.low > 0.005


def reached_by(curve):
    needed = reached(curve.drawn, TARGET) / curve.teaching
    return np.where(needed > 100_000, np.inf, needed)


def test_a_flat_curve_is_not_helped_and_a_steep_one_is():
    flat, steep = curves(FLAT, (300, 300, 300)), curves(STEEP, (300, 300, 300))
    for curve in (*flat.classes, flat.macro):
        assert curve.p_reach < 0.05
        assert curve.needed.value == np.inf
        assert curve.doubled.high < 0.7
    for curve in (*steep.classes, steep.macro):
        assert curve.p_reach > 0.7
        assert 300 < curve.needed.value / (1 if curve.class_number is not None else 3) < 1500
        assert curve.doubled.low > curve.f1[-2].value


def test_a_higher_target_needs_more_in_all():
    found = [curves(STEEP, (300, 300, 300), target) for target in (0.6, 0.9, 0.99)]
    for curve in zip(*(each.classes for each in found), strict=True):
        values = [each.needed.value for each in curve]
        assert values == sorted(values)
        chances = [each.p_reach for each in curve]
        assert chances == sorted(chances, reverse=True)


def test_the_law_goes_through_what_was_seen_where_much_was_seen():
    found = curves(STEEP, (1000, 1000, 1000))
    for curve in found.classes:
        middle = np.median(law(curve.drawn, curve.counts), axis=0)
        np.testing.assert_allclose(middle, [each.value for each in curve.f1], atol=0.02)


def test_a_class_of_few_borrows_what_the_others_show():
    """Eight photographs of which most were missed: beside steep curves they are more likely to get there."""
    few = np.array([0.1, 0.2, 0.3, 0.4])
    beside_steep = curves(np.column_stack([STEEP[:, :2], few]), (200, 200, 8)).classes[2]
    beside_flat = curves(np.column_stack([FLAT[:, :2], few]), (200, 200, 8)).classes[2]
    assert beside_steep.p_reach > beside_flat.p_reach + 0.1
    assert 8 < beside_steep.needed.low < 400
    assert beside_steep.doubled.high - beside_steep.doubled.low > 0.3


def test_same_random_state_same_answer_whatever_the_order_of_the_photographs():
    sizes = np.array([30, 20, 10])
    counts = np.outer(SHARES, 0.8 * sizes)
    answers = answers_with(STEEP, sizes)
    order = np.random.default_rng(5).permutation(60)
    turned = [
        replace(each, y_true=each.y_true[order], probabilities=each.probabilities[order], rows=each.rows[order],
                paths=[each.paths[row] for row in order], groups=each.groups[order])
        for each in answers
    ]  # fmt: skip
    first, again, other = (
        curves_of(each, counts, sizes, TARGET, np.random.default_rng(0)) for each in (answers, answers, turned)
    )
    for one, two, three in zip(first.classes, again.classes, other.classes, strict=True):
        assert one.needed == two.needed
        np.testing.assert_array_equal(one.drawn, two.drawn)
        assert one.doubled.value == pytest.approx(three.doubled.value, abs=1e-9)
        assert one.p_reach == three.p_reach


def test_what_taught_is_counted_as_it_is_dealt():
    groups = np.concatenate([np.arange(40), 40 + np.arange(20) // 4, 50 + np.arange(3)])
    study = study_of((40, 20, 3), "abc", groups)
    for share in SHARES:
        dealt = [
            np.bincount(
                study.labels[nested(study, study.taught(fold), share, np.random.default_rng([seed, fold]))], minlength=3
            )
            for fold in range(FOLDS)
            for seed in range(40)
        ]
        np.testing.assert_allclose(taught_by(study, share, np.random.default_rng(1)), np.mean(dealt, axis=0), rtol=0.2)
    np.testing.assert_allclose(taught_by(study, 1.0, np.random.default_rng(1)), [32, 16, 2.4])


def test_measured_from_a_study_and_said():
    names = ("<b>&$a$", "", "x" * 60, "傷")
    study = study_of((60, 20, 8, 2), names)
    f1 = np.array([[0.6, 0.3, 0.0, 0.0], [0.75, 0.4, 0.1, 0.0], [0.85, 0.5, 0.1, 0.5], [0.95, 0.6, 0.4, 0.5]])
    answers = dict(zip(SHARES, answers_with(f1, (60, 20, 8, 2), names=names), strict=True))
    found = measure(study, answers, TARGET, np.random.default_rng(0))
    assert [curve.now for curve in found.classes] == [60, 20, 8, 2]
    assert found.macro.now == 90
    assert found.classes[0].counts == pytest.approx([6, 12, 24, 48], abs=1.5)
    assert found.classes[3].note.startswith("from 2 groups")
    section = curve_section(found, study)
    assert "(no name)" in text(section)
    assert "photographs of 傷 in all (2 now)" in text(section)
    assert "傷: from 2 groups" in section.notes[1]
    assert [row[1] for row in section.table.rows] == ["60", "20", "8", "2", "90"]
    assert "&lt;b&gt;&amp;$a$" in section.pictures[0].svg


@pytest.mark.parametrize("classes", [2, 20])
def test_section_of_few_and_of_many_classes(classes):
    sizes = [30] * classes
    f1 = np.repeat(STEEP[:, :1], classes, axis=1)
    section = curve_section(curves(f1, sizes), study_of(sizes, [f"class {k}" for k in range(classes)]))
    assert len(section.table.rows) == classes + 1
    assert section.pictures[0].svg.count("class ") >= classes
    assert len(section.said) <= 4
    assert max(map(len, section.said)) < 1500


def test_one_amount_alone_is_said_to_tell_nothing():
    found = curves(STEEP[-1:], (50, 30, 20))
    assert all(curve.note.startswith("one amount alone") for curve in (*found.classes, found.macro))
    assert all(curve.needed.high == np.inf for curve in found.classes)
    section = curve_section(found, study_of((50, 30, 20), "abc"))
    assert section.notes[-1].startswith("Not measured: one amount alone")


def test_words_say_what_the_figures_do():
    flat, steep = curves(FLAT, (300, 300, 300)), curves(STEEP, (300, 300, 300))
    study = study_of((300, 300, 300), "abc")
    assert curve_section(flat, study).said[0].startswith("No amount of such photographs would bring a, b, c to an F1")
    assert {row[3] for row in curve_section(flat, study).table.rows} == {"no amount"}
    easy = curves(STEEP, (300, 300, 300), 0.6)
    assert curve_section(easy, study).said[0] == "At an F1 of 0.60 or above already: a, b, c."
    few = curves(np.repeat([[0.8], [0.87], [0.92], [0.95]], 3, axis=1), (30, 30, 30))
    assert any(line.startswith("Probably there already, but too few") for line in curve_section(few, study).said)
    perhaps = [
        curve.needed.value <= curve.now < curve.needed.high or curve.f1[-1].value >= 0.9 for curve in few.classes
    ]
    assert [row[3] == "probably there" for row in curve_section(few, study).table.rows[:3]] == perhaps
    assert 0 < sum(perhaps) < 3
    curve = steep.classes[0]
    low, high = in_words.amount(curve.needed.low), in_words.amount(curve.needed.high)
    said = words_of(curve, "a")
    assert "photographs of a in all (300 now)" in said
    assert low in said
    assert high == "inf" or high in said


@pytest.mark.parametrize(
    ("amount", "words"), [(2, "5"), (8, "10"), (47.3, "45"), (123, "120"), (1234, "1,200"), (99_999, "100,000")]
)
def test_amounts_are_told_to_two_digits_or_the_next_five(amount, words):
    assert in_words.amount(amount) == words
