"""Planted shortcuts are named; chance, copies and the picture's own light are not taken for one."""

import numpy as np
import pytest
from judged_sets import packed_set, text

from pipeline.report.attributes import in_parts
from pipeline.report.shortcuts import associations, closeness, shortcuts_section


def section_of(judged, seed=0):
    found = associations(judged.packed, judged.used, judged.group, np.random.default_rng(seed))
    return shortcuts_section(judged, found), {each.attribute.name: each for each in found}


def types_of(labels, png_class):
    return ["PNG" if k == png_class else "JPEG" for k in labels]


def test_a_class_of_pngs_among_jpegs_is_an_alarm(make_judged):
    labels = [0] * 30 + [1] * 12 + [2] * 20
    section, found = section_of(make_judged(labels, packed_set(labels, format=types_of(labels, 1))))
    assert section.title == "Something beside the picture gives the class away"
    assert section.said[0].startswith(
        "All 12 photographs of file type PNG are of class b, as 0% of all others are: the file type gives the class away"
    )
    assert "Store all photographs alike" in text(section)
    assert found["file type"].closeness > 0.9


def test_a_few_others_do_not_hide_it_and_test_is_asked(make_judged):
    """As in a set of steel surfaces: most of a class as PNG, some as JPEG, and one PNG that is not of it."""
    labels = [0] * 60 + [1] * 40
    types = ["PNG"] + ["JPEG"] * 59 + ["PNG"] * 30 + ["JPEG"] * 10
    said = [0] * 60 + [1] * 30 + [0] * 6 + [1] * 4
    section, _ = section_of(make_judged(said, packed_set(labels, format=types)))
    assert section.said[0].startswith("30 of 31 photographs of file type PNG are of class b")
    assert (
        section.said[1]
        == "On test, 30 of the 30 photographs of b with it were given their class, and 4 of the 10 without it."
    )


def test_a_size_and_a_folder_tell_too(make_judged):
    labels = [0] * 30 + [1] * 20
    paths = [f"{'ab'[k]}/cam{k}/{row:02d}.png" for row, k in enumerate(labels)]
    packed = packed_set(labels, width=[40 + 24 * k for k in labels], path=paths)
    section, found = section_of(make_judged(labels, packed))
    assert found["size in pixels"].alarm
    assert found["folder"].alarm
    assert "All 20 photographs of size in pixels 64x40 are of class b" in text(section)
    assert "All 20 photographs of folder cam1 are of class b" in text(section)


def test_a_mixture_that_no_value_gives_away_is_told_by_its_closeness(make_judged):
    labels = [0] * 50 + [1] * 50
    types = ["PNG"] * 40 + ["JPEG"] * 10 + ["PNG"] * 10 + ["JPEG"] * 40
    section, found = section_of(make_judged(labels, packed_set(labels, format=types)))
    assert found["file type"].alarm
    assert found["file type"].telltales == ()
    assert section.said[0].startswith("The file type goes with the class (closeness 0.5")


def test_chance_is_no_alarm(make_judged):
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = rng.choice(3, 80, p=[0.8, 0.15, 0.05])
        packed = packed_set(labels, format=rng.choice(["PNG", "JPEG"], 80, p=[0.1, 0.9]).tolist())
        section, found = section_of(make_judged(labels, packed), seed)
        alarms += any(each.alarm for each in found.values())
    assert alarms <= 1
    assert section.title == "Does anything beside the picture tell?"


def test_many_photographs_of_one_part_are_one(make_judged):
    """Twelve PNGs of one class, which are of one part, say as much as one PNG."""
    labels = [0] * 28 + [1] * 12
    packed = packed_set(labels, format=types_of(labels, 1))
    groups = [row // 4 for row in range(28)] + [99] * 12
    alone, _ = section_of(make_judged(labels, packed))
    together, found = section_of(make_judged(labels, packed, groups))
    assert alone.title.startswith("Something")
    assert alone.warning == alone.said[0]
    assert not found["file type"].alarm
    assert together.title.startswith("Does anything")
    assert together.warning == ""


def test_what_all_share_tells_nothing(make_judged):
    labels = [0, 1] * 10
    section, found = section_of(make_judged(labels, packed_set(labels)))
    assert np.isnan(found["file type"].p)
    assert ["file type", "1", "0.00", "-", "the same for all"] in [list(row) for row in section.table.rows]


def test_bytes_a_pixel_are_told_without_an_alarm(make_judged):
    labels = [0] * 30 + [1] * 30
    packed = packed_set(labels, size_bytes=[100 + 50 * k + row for row, k in enumerate(labels)])
    section, found = section_of(make_judged(labels, packed))
    assert found["file size a pixel"].goes_with_class
    assert not any(each.alarm for each in found.values())
    assert "The file size a pixel goes with the class" in text(section)
    assert "may be of the defects" in text(section)


@pytest.mark.parametrize("same", [([0, 1, 0, 1], [1, 1, 1, 1]), ([0, 0, 0, 0], [0, 1, 0, 1]), ([], [])])
def test_closeness_of_what_does_not_differ(same):
    codes, labels = (np.array(each, dtype=np.int64) for each in same)
    close, p = closeness(codes, labels, np.arange(len(codes)), np.random.default_rng(0))
    assert close == 0
    assert np.isnan(p)


def test_equal_amounts_stay_in_one_part():
    amounts = np.array([5.0] * 7 + [1.0, 9.0, 9.0])
    attribute = in_parts("size", amounts, 5, True)
    assert len(set(attribute.codes[:7].tolist())) == 1
    assert sorted(set(attribute.codes.tolist())) == list(range(len(attribute.values)))
