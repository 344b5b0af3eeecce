"""Copies make a random split's score, files and rims that tell are named, and chance is not taken for either."""

from dataclasses import replace

import numpy as np
import pytest
from judged_sets import packed_set, text
from labels_sets import study_of

from pipeline.data.squares import resize_square
from pipeline.feasibility.leaks import SIDE, leaks_section, measure, small

SHUFFLES = 4  # here; 19 by itself


def measured(study, shuffles=SHUFFLES):
    return measure(study, np.random.default_rng(0), shuffles)


def part_photographs(rng, part, times):
    """A part is a coarse pattern of its own, and each photograph of it has other light, and noise."""
    pattern = resize_square(rng.integers(60, 190, (8, 8)).astype(np.uint8), 40)
    shown = [pattern * rng.uniform(0.8, 1.2) + rng.normal(0, 8, (40, 40)) for _ in range(times)]
    return np.clip(shown, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def copies():
    """Two classes of 4 parts, each photographed 10 times; nothing but the part tells the class."""
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1], 40), np.repeat(np.arange(8), 10)
    images = np.concatenate([part_photographs(rng, part, 10) for part in range(8)])
    study = study_of(labels, groups, replace(packed_set(labels.tolist(), "ab"), images=images))
    return study, measured(study)


def test_copies_make_a_score_that_is_not_real(copies):
    study, found = copies
    assert found.random.value > 0.95
    assert found.grouped.value < 0.7
    assert found.gap.low > 0.1
    assert found.copied
    assert found.in_groups == 80
    section = leaks_section(found, study)
    said = text(section)
    assert "80 of 80 photographs are of a part" in said
    assert "there are 8 independent ones" in said
    assert "A score from a split that divides groups is not real" in said
    assert "40 photographs of a show 4 parts" in said
    assert section.warning == ""
    assert section.pictures[0].svg.startswith("<svg")


def test_few_parts_are_wide_intervals(copies):
    _, found = copies
    assert found.grouped.high - found.grouped.low > 0.3


def test_without_groups_there_is_no_gap():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [60, 30, 20])
    images = np.concatenate([part_photographs(rng, part, 1) for part in range(len(labels))])
    study = study_of(labels, packed=replace(packed_set(labels.tolist()), images=images))
    found = measured(study)
    assert not found.copied
    assert found.in_groups == 0
    assert found.gap.low < 0 < found.gap.high
    assert found.attributes.low < found.chance
    assert found.border.low < found.chance
    assert found.alarms == ()
    said = text(leaks_section(found, study))
    assert "No photograph has a copy" in said
    assert "Neither the file nor the rim of the picture tells the class better than chance." in said


def test_a_file_type_that_tells_is_an_alarm():
    labels = [0] * 40 + [1] * 30
    study = study_of(labels, format=["PNG" if k else "JPEG" for k in labels])
    found = measured(study)
    assert [each.attribute.name for each in found.alarms] == ["file type"]
    assert found.attributes.low > 0.9 > found.chance
    section = leaks_section(found, study)
    assert section.warning.startswith("All 40 photographs of file type JPEG are of class a")
    assert "Store all photographs alike" in text(section)


def test_brightness_and_rim_that_tell_are_told_without_an_alarm():
    """The background of one class is brighter, the middle of all is the same noise."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 40)
    images = rng.integers(80, 120, (80, 40, 40)).astype(np.uint8)
    framed = images + (40 * labels).astype(np.uint8)[:, None, None]
    framed[:, 4:-4, 4:-4] = images[:, 4:-4, 4:-4]
    study = study_of(labels, packed=replace(packed_set(labels.tolist(), "ab"), images=framed))
    found = measured(study)
    assert found.border.low > 0.9 > found.chance
    assert found.alarms == ()
    section = leaks_section(found, study)
    assert section.warning == ""
    assert "The rim of the pictures alone has macro F1 1.00" in text(section)
    assert "The brightness goes with the class." in text(section)


def test_light_does_not_count_in_small_pictures():
    packed = packed_set([0, 1, 0])
    brighter = replace(packed, images=(packed.images // 2 + 40).astype(np.uint8))
    rows = np.arange(3)
    assert small(packed, rows).shape == (3, SIDE**2)
    np.testing.assert_allclose((small(packed, rows) * small(brighter, rows)).sum(axis=1), 1, atol=1e-3)
    flat = replace(packed, images=np.full_like(packed.images, 7))
    assert not small(flat, rows).any()
