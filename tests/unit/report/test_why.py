"""All sections together, with one net and with folds."""

from dataclasses import replace

import numpy as np
import pytest
from judged_sets import one_split, packed_set, text, three_folds
from nets import sharp_net

from pipeline.errors import ModelError
from pipeline.evaluation.predictions import pooled, predict_part
from pipeline.report.judged import judged_nets
from pipeline.report.photos import THUMB
from pipeline.report.why import why_sections
from pipeline.training.device import choose_compute
from pipeline.training.weights import save

LABELS = [0, 1, 2] * 8
CPU = choose_compute("cpu")
ODD = ("<b>&", "line\nbreak", "\udcff")
TITLES = [
    "Which classes are taken for which",
    "The most confident mistakes",
    "Hits, for comparison",
    "Likeliest wrong labels",
    "Scores by slice",
    "Does anything beside the picture tell?",
]


@pytest.fixture(scope="module")
def nets():
    return [sharp_net("shufflenet_v2_x0_5", seed=seed, class_names=ODD) for seed in range(3)]


def sections_of(nets, packed, table):
    learnt = table.apply(packed)
    each = [table.fold_parts(fold) for fold in range(3)] if table.num_folds else [table.parts()]
    parts = {
        name: pooled([predict_part(net, learnt, getattr(part, name)) for net, part in zip(nets, each, strict=True)])
        for name in ("test", "val")
    }
    return why_sections(nets, packed, table, parts, most=4)


@pytest.mark.parametrize("split", [one_split, three_folds])
def test_all_sections_in_order_small_and_printable(split, nets):
    packed = packed_set(LABELS, ODD)
    packed = replace(packed, images=np.kron(packed.images, np.ones((4, 4), np.uint8)))
    table = split(packed.labels, ODD)
    sections = sections_of(nets if table.num_folds else nets[:1], packed, table)
    assert [section.title for section in sections] == TITLES
    for section in sections:
        text(section).encode()
        assert all(section.said)
        for strip in section.strips:
            assert strip.photos
            for photo in strip.photos:
                assert photo.image.dtype == np.uint8
                assert photo.image.shape[:2] == (THUMB, THUMB)
                assert photo.alt
        if section.table:
            assert {len(row) for row in section.table.rows} == {len(section.table.header)} == {len(section.table.align)}


def test_a_shortcut_goes_first(nets):
    packed = packed_set(LABELS, ODD, format=["JPEG" if k else "PNG" for k in LABELS])
    sections = sections_of(nets[:1], packed, one_split(packed.labels, ODD))
    assert [section.title for section in sections] == [
        "Something beside the picture gives the class away",
        *TITLES[:-1],
    ]
    assert "All 8 photographs of file type PNG are of class <b>&" in text(sections[0])


def test_the_same_seed_says_the_same(nets):
    packed = packed_set(LABELS, ODD)
    table = one_split(packed.labels, ODD)
    assert [text(each) for each in sections_of(nets[:1], packed, table)] == [
        text(each) for each in sections_of(nets[:1], packed, table)
    ]


def test_the_nets_that_are_judged_are_loaded_in_the_order_of_the_folds(nets, tmp_path):
    packed = packed_set(LABELS, ODD)
    for fold, net in enumerate(nets):
        card = net.card.model_copy(update={"epoch": fold + 1, "class_names": ("a", "b", "c")})
        save(tmp_path / "folds" / str(fold), replace(net, card=card))
    assert [net.card.epoch for net in judged_nets(tmp_path, three_folds(packed.labels), CPU)] == [1, 2, 3]
    assert [net.card.epoch for net in judged_nets(tmp_path, one_split(packed.labels), CPU)] == [1]
    with pytest.raises(ModelError, match="found nothing"):
        judged_nets(tmp_path / "none", one_split(packed.labels), CPU)
