"""Which classes are taken for which."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_sets import answered, packed_set, text

from pipeline.evaluation.metrics import confusion_matrix
from pipeline.report.confusions import HITS, MISTAKES, confusions, confusions_section


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_pairs_are_the_confusion_matrix_off_its_diagonal(cases):
    y_true, said = zip(*cases, strict=True)
    predictions = answered(packed_set(y_true), range(len(y_true)), said)
    counts = confusion_matrix(predictions.y_true, predictions.y_pred, 3)
    found = confusions(predictions)
    assert {(each.true, each.answered): each.rate.count for each in found} == {
        (i, k): counts[i, k] for i in range(3) for k in range(3) if i != k and counts[i, k]
    }
    for each in found:
        assert each.rate.of == counts[each.true].sum()
        assert (predictions.y_true[each.places] == each.true).all()
        assert (predictions.y_pred[each.places] == each.answered).all()
    order = [(-each.rate.count, -each.rate.value) for each in found]
    assert order == sorted(order)


def test_photographs_of_one_group_are_not_independent():
    predictions = answered(packed_set([0] * 9), range(9), [1] * 3 + [0] * 6)
    (alone,) = confusions(predictions)
    (together,) = confusions(replace(predictions, groups=np.arange(9) // 3))
    assert (together.rate.count, together.rate.of) == (3, 9)
    assert together.rate.low < alone.rate.low < alone.rate.high < together.rate.high


def test_a_pair_is_shown_with_its_mistakes_and_hits_of_both_classes(make_judged):
    labels = [0] * 9 + [1] * 4
    said = [1] * 6 + [0] * 3 + [1] * 4
    section = confusions_section(make_judged(said, packed_set(labels)), most=5)
    (strip,) = section.strips
    assert strip.title == "a taken for b: 6 of 9"
    captions = [photo.caption for photo in strip.photos]
    assert len(captions) == MISTAKES + 2 * HITS
    assert [caption[:2] for caption in captions[:MISTAKES]] == [("is a", "taken for b 0.90")] * MISTAKES
    assert [caption[0] for caption in captions[MISTAKES:]] == ["right: a 0.90"] * HITS + ["right: b 0.90"] * HITS
    assert section.table.rows == [["a", "b", "6 of 9", "66.7%", "[29.9%, 92.5%]"]]


def test_no_more_pairs_are_shown_than_asked_for(make_judged):
    section = confusions_section(make_judged([1, 2, 0, 2, 0, 1], packed_set([0, 0, 1, 1, 2, 2])), most=2)
    assert len(section.strips) == 2
    assert len(section.table.rows) == 6
    assert "2 most frequent of 6 pairs" in text(section)


def test_without_a_mistake_it_is_said(make_judged):
    section = confusions_section(make_judged([0, 1, 2], packed_set([0, 1, 2])), most=5)
    assert (section.table, section.strips) == (None, [])
    assert section.said == ["All 3 photographs were given their class."]


def test_names_that_people_give_are_shown_as_text(make_judged):
    names = ("<b>&", "line\nbreak", "\udcff")
    text(confusions_section(make_judged([1, 2, 0], packed_set([0, 1, 2], names)), most=5)).encode()
