import hashlib

import numpy as np
import pytest
from conftest import texture
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data import sheets
from pipeline.data.find import Photograph


def photographs(count, names="ab"):
    return [Photograph(name, f"{name}/{number:05d}.png") for name in names for number in range(count)]


@pytest.mark.parametrize("size", [16, 224, 700, 2048, 4096])
def test_sheets_are_pieces_of_one_class_in_order(size):
    pieces = list(sheets.plan_sheets(photographs(500), size))
    assert [photograph for piece in pieces for photograph in piece] == photographs(500)
    assert all(len({photograph.class_name for photograph in piece}) == 1 for piece in pieces)
    assert max(map(len, pieces)) <= sheets.capacity(size)


def test_sheets_are_few_and_fit_onto_a_screen():
    assert sheets.capacity(224) == 81
    pieces = list(sheets.plan_sheets(photographs(10_000), 224))
    assert 300 < len(pieces) < 900


@given(st.integers(0, 999), st.sampled_from(["add", "remove"]))
@settings(max_examples=40)
def test_one_photograph_more_or_less_changes_few_sheets(place, what):
    before = photographs(1000, "a")
    now = before[:place] + before[place + 1 :]
    if what == "add":
        now = sorted([*before, Photograph("a", f"a/{place:05d}x.png")])
    old, new = set(sheets.plan_sheets(before, 224)), set(sheets.plan_sheets(now, 224))
    assert len(new - old) <= 4


@given(st.integers(1, 30), st.sampled_from([16, 300, 700]))
@settings(max_examples=20, deadline=None)
def test_squares_come_back_from_the_bytes(count, size):
    squares = [texture(seed, size, size) for seed in range(count)][: sheets.capacity(size)]
    sheet = sheets.decode(sheets.encode(sheets.compose(squares)))
    for tile, square in enumerate(squares):
        assert np.array_equal(sheets.cut(sheet, size, tile), square)


def test_a_square_beyond_the_sheet_is_cut_short():
    assert sheets.cut(np.zeros((16, 16), np.uint8), 16, 500).size == 0


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_sheet(data):
    assert sheets.decode(data) is None


def test_names_say_where_and_whether_intact():
    digest = hashlib.sha256(b"sheet").hexdigest()
    name = sheets.sheet_name(Photograph("ü b", "ü b/deep/tür 1.x.png"), digest)
    assert name == f"ü b/t_r_1.x-{digest[:16]}.png"
    assert sheets.is_intact(name, digest)
    assert not sheets.is_intact(name, hashlib.sha256(b"other").hexdigest())
