import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from closure import ROOT
from conftest import encode, environment, texture
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nets import SIDE, pictures, sharp_net, watchful_net
from odd_files import ODD, TINY, colours

import pipeline
from pipeline import classifier
from pipeline.classifier import Answer, Classifier
from pipeline.errors import DataError, ModelError, UnreadableImageError
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.weights import save


@pytest.fixture(scope="module")
def trained():
    return sharp_net()


@pytest.fixture(scope="module")
def ours(trained):
    return Classifier(trained)


def assert_same(answers, others):
    for answer, other in zip(answers, others, strict=True):
        assert list(answer.probabilities) == list(other.probabilities)
        np.testing.assert_allclose([*answer.probabilities.values()], [*other.probabilities.values()], atol=1e-5)


def test_importing_the_package_loads_nothing_heavy():
    command = "import pipeline, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", command], env=environment(), capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "mlflow", "numpy", "cv2", "pandas"} & set(loaded)


def test_unknown_name_of_the_package():
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        _ = pipeline.laod


def test_answers_are_those_of_the_net(trained, ours):
    squares = pictures(9)
    wanted = class_probabilities(predict_logits(trained, squares))
    answers = ours.predict(list(squares))
    assert np.ptp(wanted, axis=0).max() > 0.3
    np.testing.assert_allclose([[*answer.probabilities.values()] for answer in answers], wanted, atol=1e-5)
    for answer, row in zip(answers, wanted, strict=True):
        assert answer.class_name == "abc"[row.argmax()]
        assert answer.probability == max(answer.probabilities.values()) == answer.probabilities[answer.class_name]


@pytest.mark.parametrize("name", ODD)
def test_path_and_bytes_are_the_same_photograph(tmp_path, ours, name):
    data = ODD[name](1)
    file = tmp_path / name
    file.write_bytes(data)
    assert_same(ours.predict([file, str(file)]), ours.predict([data, data]))


def test_pixels_are_the_same_photograph_as_their_file_without_loss(ours):
    rgb = colours(5)
    grey = rgb[:, :, 1]
    files = [encode(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)), encode(np.ascontiguousarray(grey))]
    for image, data in zip((rgb, grey), files, strict=True):
        assert np.array_equal(ours.square(image), ours.square(data))


ANY_NET = Classifier(sharp_net())


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(8, 50), st.integers(8, 50), st.just(3))
        | st.tuples(st.integers(8, 50), st.integers(8, 50)),
    )
)
@settings(max_examples=40, deadline=None)
def test_any_pixels_go_the_way_of_a_png(pixels):
    png = encode(pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, ::-1]))
    assert np.array_equal(ANY_NET.square(pixels), ANY_NET.square(png))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (TINY, "at least 8 pixels a side, found 3x3"),
        (np.zeros((3, 3), np.uint8), "at least 8 pixels a side, found 3x3"),
        (b"", "empty file"),
        (b"no picture", "found none of these"),
        ("/no/such/file", "No such file"),
        ("/", "Is a directory"),
        ("nul\0byte", "null"),
        ("/dev/null", "special file"),
        (np.zeros((20, 20)), r"found float64 of shape \(20, 20\)"),
        (np.zeros((20, 20, 4), np.uint8), r"found uint8 of shape \(20, 20, 4\)"),
        (np.zeros((0, 20), np.uint8), "empty array"),
        (np.zeros(20, np.uint8), r"of shape \(20,\)"),
        (None, "found builtins.NoneType"),
        (7, "found builtins.int"),
    ],
)
def test_what_cannot_be_read_is_named_and_stops_nothing(ours, image, words):
    good = pictures(3)
    first, problem, last = ours.stream([good[0], image, good[2]])
    assert isinstance(problem, UnreadableImageError)
    assert_same([first, last], ours.predict([good[0], good[2]]))
    with pytest.raises(DataError, match=rf"(?s)1 of 2 images cannot be read:\n  .*: .*{words}"):
        ours.predict([good[0], image])


def test_pipe_is_not_waited_for(tmp_path, ours):
    os.mkfifo(tmp_path / "pipe.png")
    (answer,) = ours.stream([tmp_path / "pipe.png"])
    assert "special file" in str(answer)


@pytest.mark.parametrize("images", ["a.png", b"bytes", ROOT])
def test_one_image_is_no_list(ours, images):
    with pytest.raises(DataError, match="wanted a list of images"):
        ours.predict(images)


def test_nothing_asked_nothing_answered(ours):
    assert ours.predict([]) == []


@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
def test_answers_come_in_order_whatever_the_batches(ours, count):
    """Every third image is broken, so that answers and errors have to find their places."""
    squares = pictures(count, seed=1)
    images = [b"broken" if number % 3 == 1 else square for number, square in enumerate(squares)]
    wanted = ours.probabilities(squares)
    for number, answer in enumerate(ours.stream(images)):
        if number % 3 == 1:
            assert isinstance(answer, UnreadableImageError)
        else:
            assert isinstance(answer, Answer)
            np.testing.assert_allclose([*answer.probabilities.values()], wanted[number], atol=1e-5)
    assert number == count - 1


def test_memory_does_not_grow_with_the_number_of_images(ours, monkeypatch):
    """No more is read than a batch and what the threads are ahead by."""
    read = []
    original = classifier.read_square
    monkeypatch.setattr(classifier, "read_square", lambda *args: read.append(1) or original(*args))
    stream = ours.stream([texture(0)] * 2000)
    next(stream)
    ahead = len(read)
    stream.close()
    assert ahead < 400
    assert len(read) < 400


def test_members_of_an_ensemble_are_averaged(trained):
    other = sharp_net(seed=1)
    squares = pictures(5)
    each = [Classifier(member).probabilities(squares) for member in (trained, other)]
    assert np.abs(each[0] - each[1]).max() > 0.1
    np.testing.assert_allclose(Classifier(trained, other).probabilities(squares), np.mean(each, axis=0), atol=1e-6)


def test_load_from_a_folder(tmp_path, trained, ours):
    save(tmp_path, trained)
    loaded = pipeline.load(tmp_path, device="cpu")
    assert loaded.class_names == ("a", "b", "c")
    assert_same(loaded.predict(pictures(3)), ours.predict(pictures(3)))


def test_load_from_where_nothing_is(tmp_path):
    with pytest.raises(ModelError, match="wanted a trained net's card"):
        pipeline.load(tmp_path / "none")
    with pytest.raises(ModelError, match="device: wanted cuda:99"):
        pipeline.load(tmp_path, device="cuda:99")


def test_outliers_are_told_and_too_many_of_them_too(ours):
    net = Classifier(watchful_net())
    alike, planted = list(pictures(30, seed=9)), [np.full((SIDE, SIDE), grey, np.uint8) for grey in range(0, 240, 8)]
    answers = net.predict([*alike, *planted])
    assert all(answer.outlier == (answer.outlier_score > 1) for answer in answers)
    assert sum(answer.outlier for answer in answers[:30]) < 8
    assert all(answer.outlier for answer in answers[30:])
    said = net.batch_warning(30, 30)
    assert said.startswith("30 of 30 photographs are unlike anything the model has seen")
    assert net.batch_warning(1, 30) is None
    assert {answer.outlier for answer in ours.predict(alike)} == {None}
    assert ours.batch_warning(30, 30) is None
