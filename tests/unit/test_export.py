"""`weldproof export`: what leaves a file, and what leaves none."""

import argparse

import numpy as np
import pytest
from conftest import small_params, weldproof, write_params
from nets import SIDE, pictures, sharp_net

from pipeline import export
from pipeline.classifier import Classifier
from pipeline.data.assignment import AssignmentRow, write_assignment
from pipeline.data.packed import INDEX_COLUMNS
from pipeline.errors import DataError, ModelError
from pipeline.files import write_csv
from pipeline.training.weights import save

MEMBERS = [sharp_net(seed=seed, params={}) for seed in range(2)]
SQUARES = pictures(9)


def write_packed(folder, squares):
    folder.mkdir(parents=True)
    labels = np.arange(len(squares)) // 3
    np.save(folder / "images.npy", squares)
    np.save(folder / "labels.npy", labels.astype(np.int64))
    (folder / "classes.json").write_text('["a", "b", "c"]')
    rows = [
        [row, f"{'abc'[label]}/{row}.png", "abc"[label], row, row, "PNG", 1, 9, 9] for row, label in enumerate(labels)
    ]
    write_csv(folder / "index.csv", INDEX_COLUMNS, rows)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project with the nets of two folds, and a packed set without a split."""
    write_params(tmp_path, small_params())
    (tmp_path / "dvc.yaml").write_text("{}")
    for fold, member in enumerate(MEMBERS):
        save(tmp_path / "models" / "folds" / str(fold), member)
    write_packed(tmp_path / "data" / "packed", SQUARES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(file, model="models"):
    export.export(argparse.Namespace(model=str(model), file=file))


def test_ensemble_leaves_a_file_that_answers_as_it_does(place):
    (place / "deep").mkdir()
    done = weldproof("export", "out.onnx", folder=place / "deep")
    assert done.returncode == 0, done.stderr
    assert "checked on 9 photographs of the packed set" in done.stdout
    assert "(allowed: 1e-04)" in done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [file.name for file in (place / "deep").iterdir()] == ["out.onnx"]
    wanted = Classifier(*MEMBERS).said(SQUARES)
    assert export.largest_difference(place / "deep" / "out.onnx", SQUARES, wanted) < 1e-5
    one = Classifier(MEMBERS[0]).said(SQUARES)
    assert export.largest_difference(place / "deep" / "out.onnx", SQUARES, one) > export.TOLERANCE


def test_net_that_is_not_met_leaves_no_file_and_keeps_the_former(place, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    (place / "kept.onnx").write_text("former")
    before = sorted(place.rglob("*"))
    for name in ("new.onnx", "kept.onnx"):
        with pytest.raises(ModelError, match="wanted probabilities within -1 of PyTorch's, found one that differs by"):
            call(place / name, place / "models" / "folds" / "0")
    assert sorted(place.rglob("*")) == before
    assert (place / "kept.onnx").read_text() == "former"


def test_compared_on_the_test_part_where_there_is_a_split(place):
    index = [f"{'abc'[row // 3]}/{row}.png" for row in range(9)]
    rows = [
        AssignmentRow(path, path[0], str(row), str(row), ("train", "val", "test")[row % 3], -1, "")
        for row, path in enumerate(index)
    ]
    write_assignment(place / "data" / "split" / "assignment.csv", rows)
    squares, part = export.comparison((SIDE, SIDE))
    assert part == "the test part"
    assert np.array_equal(squares, SQUARES[2::3])
    write_assignment(
        place / "data" / "split" / "assignment.csv", [row._replace(fold=n % 3) for n, row in enumerate(rows)]
    )
    squares, part = export.comparison((SIDE, SIDE))
    assert part == "all folds"
    assert np.array_equal(squares, SQUARES)


def test_many_photographs_are_compared_on_some_of_all(place, monkeypatch):
    monkeypatch.setattr(export, "_MOST", 4)
    squares, _ = export.comparison((SIDE, SIDE))
    assert np.array_equal(squares, SQUARES[[0, 2, 5, 8]])


def test_mistakes_are_told_before_anything_is_made(place):
    with pytest.raises(DataError, match=r"models: wanted a name that ends in \.onnx"):
        call(place / "models")
    with pytest.raises(ModelError, match="wanted a trained net's card"):
        call(place / "x.onnx", place / "nowhere")
    with pytest.raises(DataError, match="wanted squares of 64 pixels a side, as the net was trained on, found 40"):
        export.comparison((64, 64))
    (place / "data" / "packed" / "images.npy").unlink()
    with pytest.raises(DataError, match=r"images\.npy: wanted an array"):
        call(place / "x.onnx")
    assert not list(place.glob("*.onnx"))
