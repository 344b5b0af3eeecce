"""Scores by slice, held against photographs of the same classes."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_sets import answered, packed_set, text

from pipeline.report.slices import WORSE, holm, slices, slices_section, worse_than_usual

SIXTY = packed_set([0] * 60)
P_VALUES = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=8)


@given(P_VALUES)
def test_holm_rejects_what_its_definition_rejects(p_values):
    corrected = holm(p_values)
    tested = sorted(p for p in p_values if not np.isnan(p))
    for alpha in (0.01, 0.05, 0.5):
        rejected = 0
        while rejected < len(tested) and (len(tested) - rejected) * tested[rejected] <= alpha:
            rejected += 1
        assert sum(p <= alpha for p in corrected) == rejected
    assert [np.isnan(p) for p in p_values] == [np.isnan(p) for p in corrected]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_p_is_the_share_of_all_ways_to_lay_the_slice_within_the_classes(data):
    count = data.draw(st.integers(2, 5))
    labels = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    said = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    inside = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    test = answered(packed_set(labels), range(count), said)
    p = worse_than_usual(test, inside)
    wrong, y_true = test.y_pred != test.y_true, test.y_true
    ways = [np.array(way) for way in permutations(range(count)) if (y_true[list(way)] == y_true).all()]
    if len({(k, bool(i)) for k, i in zip(y_true, inside, strict=True)}) == len(set(y_true.tolist())):
        assert np.isnan(p)
        return
    assert p == pytest.approx(np.mean([wrong[way][inside].sum() >= wrong[inside].sum() for way in ways]))


def test_photographs_of_one_group_count_as_one():
    labels = [0] * 40
    said = [1] * 10 + [0] * 30
    test = answered(packed_set(labels), range(40), said)
    inside = np.arange(40) < 10
    alone = worse_than_usual(test, inside)
    together = worse_than_usual(replace(test, groups=np.arange(40) // 10), inside)
    assert alone < 1e-6
    assert together == pytest.approx(1 / 4)


def test_the_intervals_weigh_whole_groups(make_judged):
    labels = [0, 1] * 20
    packed = packed_set(labels, format=["PNG", "PNG", "JPEG", "JPEG"] * 10)
    judged = make_judged([k if row >= 8 else 1 - k for row, k in enumerate(labels)], packed)
    grouped = replace(judged, test=replace(judged.test, groups=np.arange(40) // 8))
    for alone, together in zip(
        slices(judged, np.random.default_rng(0)), slices(grouped, np.random.default_rng(0)), strict=True
    ):
        assert together.right.value == alone.right.value
        assert together.right.low < alone.right.low
        assert together.macro_f1.low < alone.macro_f1.low


def test_a_folder_that_is_worse_is_named(make_judged):
    labels = [0, 1] * 40
    paths = [f"{'ab'[k]}/{'cam2' if row < 20 else 'cam1'}/{row:02d}.png" for row, k in enumerate(labels)]
    said = [1 - k if row < 14 else k for row, k in enumerate(labels)]
    judged = make_judged(said, packed_set(labels, path=paths))
    section = slices_section(judged, np.random.default_rng(0))
    worse = [line for line in section.said if line.startswith("Worse than the rest")]
    assert len(worse) == 1
    assert "folder cam2, 6 of 20 right, 30.0%" in worse[0]
    assert "82.5% are usual" in worse[0]


def test_a_slice_of_the_hardest_class_is_not_blamed_for_it(make_judged):
    labels = [0] * 40 + [1] * 40
    paths = [f"{'ab'[k]}/{'cam2' if k and row % 2 else 'cam1'}/{row:02d}.png" for row, k in enumerate(labels)]
    said = [0] * 40 + [int(row % 4 > 1) for row in range(40)]
    found = slices(make_judged(said, packed_set(labels, path=paths)), np.random.default_rng(0))
    (cam2,) = [each for each in found if each.value == "cam2"]
    assert cam2.right.value == 0.5
    assert cam2.usual == pytest.approx(0.5)
    assert cam2.p > 0.5


def test_chance_raises_no_flag():
    flagged = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 3, 60)
        said = np.where(rng.random(60) < 0.3, (labels + 1) % 3, labels)
        test = replace(answered(SIXTY, range(60), said), y_true=labels)
        raw = [worse_than_usual(test, rng.random(60) < share) for share in (0.2, 0.5, 0.8)]
        flagged += min(holm(raw)) < WORSE
    assert flagged <= 17  # 10 are expected at the most, and more than 17 with a chance of 1%


def test_all_photographs_of_a_class_in_a_slice_have_nothing_to_be_held_against(make_judged):
    labels = [0] * 10 + [1] * 10
    judged = make_judged([0] * 15 + [1] * 5, packed_set(labels, format=["PNG"] * 10 + ["JPEG"] * 10))
    found = [each for each in slices(judged, np.random.default_rng(0)) if each.by == "file type"]
    assert [each.value for each in found] == ["JPEG", "PNG"]
    assert all(np.isnan(each.p) and not each.worse for each in found)
    assert "-" in text(slices_section(judged, np.random.default_rng(0)))
