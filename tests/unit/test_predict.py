"""`weldproof predict`, run as a person runs it."""

import csv
import io
import json
import os
import shlex
import subprocess

import numpy as np
import pytest
import warm
from conftest import assert_one_line_error, encode, environment, small_params, texture, weldproof, write_params
from hypothesis import given
from hypothesis import strategies as st
from nets import SIDE, pictures, sharp_net, watchful_net
from odd_files import TINY

import pipeline
from pipeline.classifier import Answer
from pipeline.predict import FORMATS, default_model
from pipeline.training.weights import save

NAMES = ("sound bead", 'odd "class"', "c,d")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project without data: a net in models/, and photographs outside of it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "project").mkdir()
    write_params(folder / "project", small_params())
    (folder / "project" / "dvc.yaml").write_text("{}")
    save(folder / "project" / "models", sharp_net(class_names=NAMES))
    (folder / "in" / "deep").mkdir(parents=True)
    for number, name in enumerate(["b.png", "deep/a.jpg", "deep/.hidden.png", "notes.txt"]):
        (folder / "in" / name).write_bytes(encode(texture(number), ".png"))
    return folder


def predict(place, *arguments, check=True):
    done = weldproof("predict", *arguments, folder=place / "project", text=False)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    if check:
        assert done.returncode == 0, done.stderr.decode()
    return done


def test_folder_and_files_in_each_format(place):
    """One start for all: files before folders, as given; relative to where the person stands."""
    wanted = pipeline.load(place / "project" / "models").predict(
        [place / "in" / "b.png", place / "in" / "deep" / "a.jpg"]
    )
    table = predict(place, "../in", "../in/b.png").stdout.decode().splitlines()
    assert table[0].split() == ["class", "probability", "sound", "bead", "odd", '"class"', "c,d", "outlier", "path"]
    assert [line.split()[-1] for line in table[1:]] == ["../in/b.png", "../in/deep/a.jpg", "../in/b.png"]
    done = predict(place, "../in", "../in/b.png", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert [row["path"] for row in rows] == ["../in/b.png", "../in/deep/a.jpg", "../in/b.png"]
    for row, answer in zip(rows, [*wanted, wanted[0]], strict=True):
        assert row["class"] == answer.class_name
        assert float(row["probability"]) == pytest.approx(answer.probability, abs=1e-5)
        for name in NAMES:
            assert float(row[f"probability of {name}"]) == pytest.approx(answer.probabilities[name], abs=1e-5)
    errors = done.stderr.decode()
    assert "model: models\n" in errors
    assert "../in: 2 left out, such as deep/.hidden.png (hidden)" in errors
    assert "\r" not in errors  # no bar where there is no terminal


def test_bad_files_are_named_with_the_reason_and_stop_nothing(place, tmp_path):
    names = [
        b"new\nline.png",
        b'quo"te, comma.png',
        b"not utf-8 \xff.png",
        b"carriage\rreturn.png",
        b"tiny.png",
        b"broken.jpg",
    ]
    for number, name in enumerate(names):
        data = {b"tiny.png": TINY, b"broken.jpg": b"\xff\xd8\xff"}.get(name, encode(texture(number)))
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(data)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "link").symlink_to(place / "in", target_is_directory=True)
    done = predict(place, tmp_path, "../nothing here.png", "--format", "jsonl")
    said = [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]
    good = sorted(name for name in names if name not in (b"tiny.png", b"broken.jpg"))
    assert sorted(os.fsencode(os.path.basename(entry["path"])) for entry in said) == good  # noqa: PTH119
    assert all(set(entry["probabilities"]) == set(NAMES) for entry in said)
    errors = done.stderr.decode()
    for words in (
        "tiny.png: wanted at least 8 pixels a side, found 3x3",
        "broken.jpg: ",
        "pipe.png: wanted a file, found a special file",
        "loop.png: ",
        "../nothing here.png: No such file or directory",
        "1 left out, such as link (a symbolic link to a folder)",
    ):
        assert words in errors


def test_nothing_answered_is_an_error(place, tmp_path):
    (tmp_path / "tiny.png").write_bytes(TINY)
    done = predict(place, tmp_path, check=False)
    assert_one_line_error(_as_text(done), "tiny.png: wanted at least 8 pixels", "none of the 1 can be read")
    (tmp_path / "tiny.png").unlink()
    done = predict(place, tmp_path, check=False)
    assert_one_line_error(_as_text(done), "error: predict: wanted photographs (.bmp .jpeg", "found none")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nowhere", "wanted a trained net's card"),
        ("models:/weldproof@best", "wanted an MLflow store that has it, found no"),
    ],
)
def test_model_that_is_not_there(place, model, words):
    done = predict(place, "../in", "--model", model, check=False)
    assert_one_line_error(_as_text(done), words)
    assert done.stdout == b""
    assert not (place / "project" / "mlflow.db").exists()


def test_reader_that_has_enough(place):
    """As `| head -1` does: no complaint, and no failure."""
    command = f"{shlex.quote(warm.python())} -m pipeline predict {' ../in' * 300} --format jsonl | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=place / "project", env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "Broken" not in done.stderr


def test_too_many_outliers_are_the_last_line_and_not_without_cause(place, tmp_path):
    save(tmp_path / "watchful", watchful_net())
    for name, squares in {"alike": pictures(100)[60:80], "white": np.full((12, SIDE, SIDE), 255, np.uint8)}.items():
        (tmp_path / name).mkdir()
        for number, square in enumerate(squares):
            (tmp_path / name / f"{number:02}.png").write_bytes(encode(square))
    model = ("--model", tmp_path / "watchful", "--format")
    done = predict(place, tmp_path / "white", *model, "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert {row["outlier"] for row in rows} == {"true"}
    assert all(float(row["outlier score"]) > 1 for row in rows)
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("predict: 12 of 12 photographs are unlike anything the model has seen")
    done = predict(place, tmp_path / "alike", *model, "jsonl")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(entry["outlier"] == (entry["outlier_score"] > 1) for entry in said)
    assert "unlike" not in done.stderr.decode()


def _as_text(done):
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_model_in_the_folder_goes_before_the_registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_model("weldproof") == "models:/weldproof@champion"
    (tmp_path / "models" / "folds" / "0").mkdir(parents=True)
    assert default_model("weldproof") == "models"


PATHS = st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@given(st.lists(PATHS, min_size=1, max_size=5), st.floats(0, 1, width=32))
def test_any_names_come_back_from_csv_and_json(paths, probability):
    """A line of JSON gives the name exactly; a row of CSV too, but for bytes that are no UTF-8, and stays one row."""
    answer = Answer(NAMES[1], probability, dict.fromkeys(NAMES, probability))
    _, line = FORMATS["jsonl"](NAMES)
    texts = [line(path, answer) for path in paths]
    assert all(text.count("\n") == 1 for text in texts)
    assert [json.loads(text.encode("utf-8"))["path"] for text in texts] == paths
    header, line = FORMATS["csv"](NAMES)
    table = header + "".join(line(path, answer) for path in paths)
    rows = list(csv.DictReader(io.StringIO(table.encode("utf-8").decode("utf-8"), newline="")))
    assert [row["path"] for row in rows] == [os.fsencode(p).decode("utf-8", "backslashreplace") for p in paths]
    assert all(row["class"] == NAMES[1] and float(row["probability"]) == round(probability, 6) for row in rows)
    _, line = FORMATS["table"](NAMES)
    assert all(line(path, answer).count("\n") == 1 for path in paths)


def test_csv_is_read_by_pandas():
    import pandas as pd

    header, line = FORMATS["csv"](NAMES)
    answer = Answer(NAMES[2], 0.5, dict.fromkeys(NAMES, 1 / 3))
    table = pd.read_csv(io.StringIO(header + line('a\r\nb,"c"', answer) + line("d", answer), newline=""))
    assert table["path"].tolist() == ['a\r\nb,"c"', "d"]
    assert np.allclose(table["probability of c,d"], 1 / 3, atol=1e-6)
