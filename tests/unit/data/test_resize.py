import cv2
import numpy as np
import pytest
from conftest import encode, files_below, texture
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import sheets
from pipeline.data.find import find_photographs
from pipeline.data.manifest import read_manifest
from pipeline.data.read import decode
from pipeline.data.resize import ResizeParams, resize_photographs
from pipeline.data.squares import resize_square
from pipeline.errors import DataError


@pytest.fixture(autouse=True)
def in_a_project(tmp_path_factory, monkeypatch):
    """State is kept in the current folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("project"))


def square_of(folder, row, size=32):
    """The square of a row as it stands on its sheet."""
    sheet = cv2.imread(str(folder / row.sheet), cv2.IMREAD_UNCHANGED)
    return sheets.cut(sheet, size, row.tile)


def resize(source, target, size=32, on_error="fail"):
    return resize_photographs(source, find_photographs(source), target, ResizeParams(size=size, on_error=on_error)).rows


@given(st.integers(8, 90), st.integers(8, 90), st.integers(16, 64), st.integers(0, 255))
def test_square_of_any_size_keeps_a_flat_picture_flat(height, width, size, level):
    square = resize_square(np.full((height, width), level, np.uint8), size)
    assert square.shape == (size, size)
    assert (square == level).all()


def test_shrinking_averages_over_areas():
    checkers = np.indices((64, 64)).sum(axis=0) % 2 * 255
    square = resize_square(checkers.astype(np.uint8), 16)
    assert np.abs(square.astype(int) - 127.5).max() <= 1


def test_an_axis_that_shrinks_is_averaged_also_where_the_other_grows():
    stripes = np.tile(np.array([0, 255], np.uint8), (10, 64))
    square = resize_square(stripes, 32)
    assert np.abs(square.astype(int) - 127.5).max() <= 1


def test_growing_makes_no_level_that_was_not_there():
    edge = np.full((16, 16), 50, np.uint8)
    edge[:, 8:] = 200
    square = resize_square(edge, 64)
    assert square.min() == 50
    assert square.max() == 200


def test_asymmetric_picture_stays_upright_and_unmirrored(tmp_path):
    image = np.zeros((60, 100), np.uint8)
    image[:30, :25] = 250
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "x.png").write_bytes(encode(image))
    row = resize(tmp_path / "in", tmp_path / "out")[0]
    square = square_of(tmp_path / "out", row)
    assert (square[:15, :7] > 240).all()
    assert square[:, 9:].max() < 10
    assert square[17:, :].max() < 10


def test_manifest_and_pictures(photographs, tmp_path):
    rows = resize(photographs, tmp_path / "out")
    assert read_manifest(tmp_path / "out") == rows
    assert [row.path for row in rows] == sorted(row.path for row in rows)
    assert len(rows) == 15
    assert {(row.height, row.width, row.problem) for row in rows} == {(48, 64, "")}
    assert files_below(tmp_path / "out") == {row.sheet for row in rows} | {"manifest.csv", "made.json"}
    for row in rows:
        square = square_of(tmp_path / "out", row)
        wanted = resize_square(decode((photographs / row.path).read_bytes()).grey, 32)
        assert np.array_equal(square, wanted)


def test_same_stems_never_overwrite_each_other(tmp_path):
    sources = ["a/x.png", "a/x.jpg", "a/X.png", "a/sub/x.png", "a/sub/x.bmp", "b/x.png", "b/ .png", "b/--.png"]
    for number, path in enumerate(sources):
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_bytes(encode(texture(number)))
    rows = resize(tmp_path / "in", tmp_path / "out")
    assert len({(row.sheet, row.tile) for row in rows}) == len(sources)
    for row in rows:
        square = square_of(tmp_path / "out", row)
        assert np.array_equal(square, resize_square(texture(sources.index(row.path)), 32))


def test_same_bytes_from_the_same_photographs(photographs, tmp_path):
    resize(photographs, tmp_path / "one")
    resize(photographs, tmp_path / "two")
    for path in files_below(tmp_path / "one"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def break_two(photographs):
    (photographs / "crack" / "000.png").write_bytes(b"no picture")
    (photographs / "sound" / "001.png").write_bytes(b"")


def test_unreadable_photographs_are_all_named_and_nothing_is_left(photographs, tmp_path):
    break_two(photographs)
    with pytest.raises(DataError) as error:
        resize(photographs, tmp_path / "out")
    text = str(error.value)
    assert "2 of 15 photographs cannot be read" in text
    assert "crack/000.png: wanted a BMP" in text
    assert "sound/001.png: empty file" in text
    assert not (tmp_path / "out").exists()


def test_unreadable_photographs_can_be_skipped_and_stand_in_the_manifest(photographs, tmp_path):
    break_two(photographs)
    resize(photographs, tmp_path / "out", on_error="skip")
    skipped = {row.path: row.problem for row in read_manifest(tmp_path / "out") if row.problem}
    assert set(skipped) == {"crack/000.png", "sound/001.png"}
    assert len([row for row in read_manifest(tmp_path / "out") if row.sheet]) == 13


def test_a_class_never_disappears_unseen(photographs, tmp_path):
    for path in (photographs / "pore").iterdir():
        path.write_bytes(b"no")
    with pytest.raises(DataError, match="no photograph can be read of pore"):
        resize(photographs, tmp_path / "out", on_error="skip")


@pytest.mark.parametrize("place", ["", "..", "inside"])
def test_photographs_and_squares_stand_apart(photographs, place):
    """What is not wanted in the folder of the squares is removed."""
    before = sorted(path for path in photographs.parent.rglob("*"))
    with pytest.raises(DataError, match="wanted a folder apart from the photographs in"):
        resize(photographs, photographs / place)
    assert sorted(path for path in photographs.parent.rglob("*")) == before


def test_class_with_the_manifest_s_name(photographs, tmp_path):
    (photographs / "pore").rename(photographs / "manifest.csv")
    with pytest.raises(DataError, match=r"wanted another name for the class manifest\.csv"):
        resize(photographs, tmp_path / "out")


def test_nothing_readable_is_an_error_also_when_skipping(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "x.png").write_bytes(b"no")
    with pytest.raises(DataError, match="no photograph can be read of a, b"):
        resize(tmp_path / "in", tmp_path / "out", on_error="skip")
