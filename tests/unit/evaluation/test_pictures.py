import cv2
import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.evaluation import figures
from pipeline.evaluation.gallery import hits_png, mistakes_png
from pipeline.evaluation.history import History, LrHistory, read_history, read_lr_history
from pipeline.evaluation.plots import class_scores_png, confusion_png, learning_curves_png, lr_history_png
from pipeline.evaluation.predictions import Predictions

HISTORY_HEADER = "epoch,step,lr,train_loss,val_loss,val_macro_f1,seconds,images_per_second,val_f1/crack\n"


def size_of(png: bytes) -> tuple[int, int]:
    """Decode a PNG and return its width and height; a picture of one colour fails."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.std() > 1
    return picture.shape[1], picture.shape[0]


def all_wrong(count: int) -> Predictions:
    probabilities = np.tile([0.1, 0.9], (count, 1))
    return Predictions(("a", "b"), np.zeros(count, np.int64), probabilities, ["p.png"] * count, np.arange(count))


def images_for(predictions: Predictions) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (len(predictions.y_true), 16, 16), dtype=np.uint8)


def history(epochs: int, loss: float = 1.0) -> History:
    count = np.arange(1.0, epochs + 1)
    return History(count, 10 * count, np.full(len(count), 1e-3), loss / count, 1.2 * loss / count, 1 - 0.9 / count)


@pytest.mark.parametrize("num_classes", [2, 7, 30])
def test_result_pictures_grow_with_the_classes(make_predictions, evaluated, num_classes):
    names = tuple(f"a rather long name of class number {k} of the list" for k in range(num_classes))
    result = evaluated(make_predictions([3] * num_classes, names))
    width, height = size_of(confusion_png(result, "test"))
    assert 52 * num_classes < width < 400 + 130 * num_classes
    assert 52 * num_classes < height < 400 + 130 * num_classes
    width, height = size_of(class_scores_png(result, "test"))
    assert 650 < width < 1500
    assert 36 * num_classes < height < 300 + 40 * num_classes


def test_any_name_can_be_drawn(odd_predictions, odd_result):
    images = images_for(odd_predictions)
    size_of(confusion_png(odd_result, "test"))
    size_of(class_scores_png(odd_result, "test"))
    size_of(mistakes_png(images, odd_predictions, "test", 10))
    size_of(hits_png(images, odd_predictions, "test", 10))


def test_letters_without_a_font_become_escapes(monkeypatch):
    monkeypatch.setattr(figures, "_glyphs", lambda: frozenset(map(ord, "a")))
    assert figures.drawable("a焊a") == "a\\u710aa"


@pytest.mark.parametrize(("mistakes", "width", "height"), [(0, 0, 90), (1, 200, 300), (500, 1100, 4 * 222)])
def test_gallery_of_mistakes(mistakes, width, height):
    predictions = all_wrong(mistakes) if mistakes else right_ones(3)
    found = size_of(mistakes_png(images_for(predictions), predictions, "test", most=24))
    assert found[0] >= width
    assert height <= found[1] <= height + 200


def right_ones(count: int) -> Predictions:
    wrong = all_wrong(count)
    return Predictions(wrong.class_names, np.ones(count, np.int64), wrong.probabilities, wrong.paths, wrong.rows)


def test_gallery_reads_only_the_rows_it_shows():
    predictions = all_wrong(2)
    images = np.zeros((9, 16, 16), np.uint8)
    shifted = Predictions(
        predictions.class_names, predictions.y_true, predictions.probabilities, predictions.paths, np.array([7, 8])
    )
    dark = mistakes_png(images, shifted, "test", 24)
    images[:7] = 255
    assert mistakes_png(images, shifted, "test", 24) == dark
    images[7:] = 255
    assert mistakes_png(images, shifted, "test", 24) != dark


@pytest.mark.parametrize("epochs", [1, 2, 200])
def test_learning_curves(epochs):
    assert size_of(learning_curves_png(history(epochs)))[0] > 600


def test_learning_curves_of_a_run_that_diverged():
    broken = history(5)
    broken.train_loss[2:] = np.inf
    broken.val_loss[:] = np.nan
    broken.val_macro_f1[:] = np.nan
    size_of(learning_curves_png(broken))


@pytest.mark.parametrize(
    ("rates", "why"),
    [
        ([0.01], ["start"]),
        ([0.01, 0.02, 0.002, 0.0001], ["start", "warm-up", "plateau", "by hand: $x$ 焊\n"]),
        ([0.0, 0.0], ["start", "schedule"]),
        (np.linspace(0.1, 0, 300), ["schedule"] * 300),
    ],
)
def test_lr_history(rates, why):
    steps = np.arange(len(why)) * 10.0
    changes = LrHistory(steps, np.array(rates, float), np.full(len(why), 0.5), tuple(why))
    assert size_of(lr_history_png(changes, history(3)))[0] > 600


def test_same_numbers_same_bytes():
    assert learning_curves_png(history(4)) == learning_curves_png(history(4))


def test_histories_are_read(tmp_path):
    (tmp_path / "history.csv").write_text(HISTORY_HEADER + "1,10,0.1,2.5,2.6,0.3,1,9,0.1\n2,20,0.1,nan,,0.2,1,9,0.1\n")
    (tmp_path / "lr_history.csv").write_text(
        "epoch,step,lr,factor,why,loss\n1,0,0.1,1,start,\n2,10,0.05,0.5,by hand,2\n"
    )
    read = read_history(tmp_path / "history.csv")
    assert read.train_loss[0] == 2.5
    assert np.isnan([read.train_loss[1], read.val_loss[1]]).all()
    assert read.kept == 1
    changes = read_lr_history(tmp_path / "lr_history.csv")
    assert changes.why == ("start", "by hand")
    assert changes.factor.tolist() == [1, 0.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HISTORY_HEADER, "at least one row"),
        (HISTORY_HEADER + "1,10,0.1,much,2.6,0.3,1,9,0.1\n", "line 2: train_loss: wanted a number, found 'much'"),
        ("epoch,step,lr\n1,2,3\n", "missing train_loss"),
    ],
)
def test_a_broken_history_is_named(tmp_path, text, words):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_history(tmp_path / "history.csv")
