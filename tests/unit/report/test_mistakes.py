"""The most confident mistakes, what their nets saw, and what those nets had learnt that is like them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_sets import answered, one_split, packed_set, text, three_folds
from nets import sharp_net

from pipeline.report.judged import judge
from pipeline.report.mistakes import (
    NEIGHBOURS,
    candidate_rows,
    hits_section,
    mistakes_section,
    nearest,
    see_hits,
    see_mistakes,
)
from pipeline.report.photos import THUMB, overlay, thumb

LABELS = [0, 1, 2] * 8


def judged_of(packed, table, nets, said):
    rows = np.arange(len(packed.labels)) if table.num_folds else table.parts().test
    test = answered(packed, rows, [said[row] for row in rows])
    sure = np.linspace(0.9, 0.5, len(rows))
    probabilities = np.where(test.probabilities > 0.5, sure[:, None], (1 - sure[:, None]) / 2)
    return judge(nets, packed, table, replace(test, probabilities=probabilities))


@pytest.fixture(scope="module")
def folds():
    packed = packed_set(LABELS)
    said = [(k + row % 2) % 3 for row, k in enumerate(LABELS)]
    nets = [sharp_net("shufflenet_v2_x0_5", seed=seed) for seed in range(3)]
    return judged_of(packed, three_folds(packed.labels), nets, said)


def test_the_surest_mistakes_come_first_and_neighbours_are_what_their_own_net_had_learnt(folds):
    seen = see_mistakes(folds, most=5)
    assert [one.place for one in seen] == folds.wrong[:5].tolist()
    assert len({int(folds.by_net[one.place]) for one in seen}) > 1
    for one in seen:
        assert folds.test.y_pred[one.place] != folds.test.y_true[one.place]
        train = folds.parts[folds.by_net[one.place]].train
        assert len({near.row for near in one.neighbours}) == NEIGHBOURS
        assert {near.row for near in one.neighbours} <= set(train.tolist())
        assert folds.test.rows[one.place] not in train
        cosines = [near.cosine for near in one.neighbours]
        assert cosines == sorted(cosines, reverse=True)


def test_a_copy_in_train_is_the_nearest(net):
    packed = packed_set(LABELS)
    images = packed.images.copy()
    images[6] = images[0]
    packed = replace(packed, images=images)
    judged = judged_of(packed, one_split(packed.labels), [net], [(k + 1) % 3 for k in LABELS])
    (near,) = nearest(judged, 0, np.array([0]), candidates=100)
    assert near[0].row == 6
    assert near[0].cosine == pytest.approx(1, abs=1e-4)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 60), st.data())
def test_candidates_thin_large_classes_alone(labels, most, data):
    labels = np.array(labels)
    rows = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels))))
    chosen = candidate_rows(rows, labels, most)
    assert set(chosen.tolist()) <= set(rows.tolist())
    assert len(set(chosen.tolist())) == len(chosen) <= max(most, len(set(labels[rows].tolist())))
    kept, there = (np.bincount(labels[each], minlength=5) for each in (chosen, rows))
    assert ((kept == there) | (kept == kept.max())).all()
    if len(rows) <= most:
        np.testing.assert_array_equal(chosen, rows)


def test_a_mistake_is_shown_with_evidence_for_both_classes_and_neighbours(folds):
    section = mistakes_section(folds, most=3)
    assert len(section.strips) == 3
    for strip in section.strips:
        assert [photo.image.ndim for photo in strip.photos] == [2, 3, 3, 2, 2, 2]
        assert strip.photos[3].caption[0].startswith("learnt as ")
    assert f"The 3 most confident of {len(folds.wrong)} mistakes" in section.said[0]


def test_hits_are_one_a_class_and_the_surest(folds):
    seen = see_hits(folds, most=12)
    classes = [int(folds.test.y_true[one.place]) for one in seen]
    assert classes == sorted(set(folds.test.y_true[folds.test.y_true == folds.test.y_pred].tolist()))
    assert all(one.place == folds.hits_of(k)[0] for one, k in zip(seen, classes, strict=True))
    assert len(see_hits(folds, most=2)) == 2


def test_what_there_is_none_of_is_said(make_judged):
    packed = packed_set([0, 1, 2])
    assert mistakes_section(make_judged([0, 1, 2], packed), 5).said == ["No photograph was given a wrong class."]
    assert hits_section(make_judged([1, 2, 0], packed), 5).said == ["No photograph was given its class."]


def test_a_train_part_that_is_empty_has_no_neighbours(make_judged):
    section = mistakes_section(make_judged([1, 1, 2], packed_set([0, 1, 2])), 5)
    assert [len(strip.photos) for strip in section.strips] == [3]
    assert "neighbours are of the class" not in text(section)


@pytest.mark.parametrize("side", [32, THUMB, 224])
def test_thumbs_are_small_and_heat_leaves_the_rest_as_it_is(side):
    image = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    small = thumb(image)
    assert small.shape == (min(side, THUMB),) * 2
    heat = np.zeros((4, 4), np.float32)
    np.testing.assert_array_equal(overlay(small, heat), np.repeat(small[:, :, None], 3, axis=2))
    heat[0, 0] = 1
    over = overlay(small, heat).astype(int)
    assert over[0, 0, 0] > over[0, 0, 2]
    assert (over[-1, -1] == small[-1, -1]).all()
