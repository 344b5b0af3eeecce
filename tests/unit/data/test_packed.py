import hashlib
import json
import os

import numpy as np
import pytest
from conftest import encode, files_below, texture
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data import pack as pack_module
from pipeline.data.manifest import Made, ManifestRow, write_manifest
from pipeline.data.pack import pack
from pipeline.data.packed import open_packed
from pipeline.errors import DataError


@pytest.fixture(autouse=True)
def in_a_project(tmp_path_factory, monkeypatch):
    """State is kept in the current folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("project"))


def make_resized(folder, classes, size=16):
    """Write squares, each different and on a sheet of its own, and their manifest: `classes` is one name a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, name in enumerate(classes):
        square = texture(number, size, size)
        (folder / f"{number}.png").write_bytes(encode(square))
        pixels = hashlib.sha256(square.tobytes()).hexdigest()
        rows.append(
            ManifestRow(
                f"{name}/{number:04d}.png", name, f"{number:064x}", "PNG", 1, 10, 20, f"{number}.png", 0, pixels, ""
            )
        )
    write_manifest(folder, rows, Made("code", size))
    return rows


def test_four_files_as_the_contract_says(tmp_path):
    make_resized(tmp_path / "resized", ["b", "a", "b", "c"])
    pack(tmp_path / "resized", tmp_path / "packed")
    assert files_below(tmp_path / "packed") == {"images.npy", "labels.npy", "index.csv", "classes.json"}
    images = np.load(tmp_path / "packed" / "images.npy", allow_pickle=False)
    labels = np.load(tmp_path / "packed" / "labels.npy", allow_pickle=False)
    assert (images.dtype, images.shape, images.flags.c_contiguous) == (np.uint8, (4, 16, 16), True)
    assert (labels.dtype, labels.tolist()) == (np.int64, [0, 1, 1, 2])
    assert json.loads((tmp_path / "packed" / "classes.json").read_text()) == ["a", "b", "c"]
    assert (tmp_path / "packed" / "index.csv").read_text().splitlines()[:2] == [
        "row,path,class_name,sha256,pixels,format,size_bytes,height,width",
        f"0,a/0001.png,a,{1:064x},{hashlib.sha256(texture(1, 16, 16).tobytes()).hexdigest()},PNG,1,10,20",
    ]


@given(st.lists(st.sampled_from(["a", "b b", "ü", 'q"']), min_size=2, max_size=12).filter(lambda c: len(set(c)) > 1))
@settings(max_examples=25, deadline=None)
def test_every_row_is_its_own_picture_in_the_order_of_class_then_path(tmp_path_factory, classes):
    folder = tmp_path_factory.mktemp("pack")
    make_resized(folder / "resized", classes)
    packed = pack(folder / "resized", folder / "packed")
    order = sorted(range(len(classes)), key=lambda number: (classes[number], f"{classes[number]}/{number:04d}.png"))
    assert [packed.class_names[label] for label in packed.labels] == [classes[number] for number in order]
    for image, number in zip(packed.images, order, strict=True):
        assert np.array_equal(image, texture(number, 16, 16))


def test_pictures_are_mapped_not_read(tmp_path):
    make_resized(tmp_path / "resized", ["a", "b"])
    packed = pack(tmp_path / "resized", tmp_path / "packed")
    assert isinstance(packed.images, np.memmap)
    assert not packed.images.flags.writeable


def test_rows_with_a_problem_are_left_out(tmp_path):
    rows = make_resized(tmp_path / "resized", ["a", "b", "c"])
    rows[2] = rows[2]._replace(sheet="", tile=-1, pixels="", problem="empty file")
    write_manifest(tmp_path / "resized", rows, Made("code", 16))
    packed = pack(tmp_path / "resized", tmp_path / "packed")
    assert packed.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "manifest.csv").unlink(), "found nothing"),
        (lambda folder: (folder / "1.png").unlink(), "wanted the sheet that the manifest lists, found nothing"),
        (lambda folder: (folder / "1.png").write_bytes(b"x"), "wanted a sheet made by `resize`"),
        (lambda folder: (folder / "1.png").write_bytes(b""), "wanted a sheet made by `resize`"),
        (
            lambda folder: (folder / "1.png").write_bytes(encode(np.zeros((16, 16, 3), np.uint8))),
            "wanted a sheet made by `resize`",
        ),
        (
            lambda folder: (folder / "1.png").write_bytes(encode(texture(1, 16, 20))),
            "wanted the picture of b/0001.png as square 0",
        ),
        (lambda folder: (folder / "1.png").write_bytes(encode(texture(1, 8, 8))), "wanted the picture of b/0001.png"),
        (lambda folder: (folder / "made.json").unlink(), "wanted it as `resize` left it"),
        (
            lambda folder: (folder / "manifest.csv").write_text((folder / "manifest.csv").read_text() + "\n"),
            "found it changed",
        ),
    ],
)
def test_damaged_squares_give_an_error_and_leave_nothing(tmp_path, damage, words):
    make_resized(tmp_path / "resized", ["a", "b", "b"])
    damage(tmp_path / "resized")
    with pytest.raises(DataError, match=words):
        pack(tmp_path / "resized", tmp_path / "packed")
    assert [path.name for path in tmp_path.iterdir()] == ["resized"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda folder: (folder / "images.npy").unlink(),
            "images.npy: wanted an array made by `pack_npy`, found nothing",
        ),
        (lambda folder: (folder / "images.npy").write_bytes(b"x" * 99), "images.npy: wanted an array"),
        (lambda folder: (folder / "images.npy").write_bytes(b""), "images.npy: wanted an array"),
        (
            lambda folder: np.save(folder / "images.npy", np.zeros((3, 4, 4), np.float32)),
            "wanted uint8 with 3 dimensions",
        ),
        (lambda folder: np.save(folder / "labels.npy", np.zeros(2, np.int64)), "found 3, 2 and 3"),
        (lambda folder: np.save(folder / "labels.npy", np.array([1, 1, 0])), "do not name the same classes"),
        (lambda folder: np.save(folder / "labels.npy", np.array([0, 1, 9])), "do not name the same classes"),
        (lambda folder: (folder / "classes.json").write_text("{"), "wanted a JSON list of class names"),
        (lambda folder: (folder / "classes.json").unlink(), "wanted the class names, found nothing"),
        (lambda folder: (folder / "index.csv").unlink(), "index.csv: wanted a CSV table, found nothing"),
    ],
)
def test_damaged_packed_set(tmp_path, damage, words):
    make_resized(tmp_path / "resized", ["a", "b", "b"])
    pack(tmp_path / "resized", tmp_path / "packed")
    damage(tmp_path / "packed")
    with pytest.raises(DataError, match=words):
        open_packed(tmp_path / "packed")


def test_array_of_objects_is_not_unpickled(tmp_path):
    make_resized(tmp_path / "resized", ["a", "b"])
    pack(tmp_path / "resized", tmp_path / "packed")
    np.save(tmp_path / "packed" / "labels.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"labels\.npy: wanted an array"):
        open_packed(tmp_path / "packed")


def test_rows_of_the_former_array_are_checked(tmp_path):
    """An array that something else wrote is not trusted: neither by its name, nor by its index."""
    make_resized(tmp_path / "resized", ["a", "b", "b"])
    wanted = np.array(pack(tmp_path / "resized", tmp_path / "packed").images)
    np.save(tmp_path / "packed" / "images.npy", wanted[::-1])
    assert np.array_equal(pack(tmp_path / "resized", tmp_path / "packed").images, wanted)


def test_rows_are_taken_from_the_former_array(tmp_path):
    make_resized(tmp_path / "resized", ["a", "b", "b"])
    wanted = np.array(pack(tmp_path / "resized", tmp_path / "packed").images)
    (tmp_path / "resized" / "1.png").unlink()
    assert np.array_equal(pack(tmp_path / "resized", tmp_path / "packed").images, wanted)


@pytest.mark.parametrize("touched", [False, True])
def test_only_rows_of_an_untouched_array_are_copied_unread(tmp_path, monkeypatch, touched):
    """As soon as anything has touched the file, as DVC does before it runs a stage, every row is hashed."""
    make_resized(tmp_path / "resized", ["a", "b", "b"])
    wanted = np.array(pack(tmp_path / "resized", tmp_path / "packed").images)
    copied = []
    append = pack_module.append_range
    monkeypatch.setattr(pack_module, "append_range", lambda *given: copied.append(given) or append(*given))
    if touched:
        os.utime(tmp_path / "packed" / "images.npy", ns=(1, 1))
    assert np.array_equal(pack(tmp_path / "resized", tmp_path / "packed").images, wanted)
    assert bool(copied) != touched


def test_an_array_cut_short_behind_our_back(tmp_path, monkeypatch):
    make_resized(tmp_path / "resized", ["a", "b", "b"])
    pack(tmp_path / "resized", tmp_path / "packed")
    before = (tmp_path / "packed" / "images.npy").read_bytes()
    monkeypatch.setattr(pack_module, "append_range", lambda *_: False)
    with pytest.raises(DataError, match="found it cut short meanwhile"):
        pack(tmp_path / "resized", tmp_path / "packed")
    assert (tmp_path / "packed" / "images.npy").read_bytes() == before
