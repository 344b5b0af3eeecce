import numpy as np
import pytest
import torch

from pipeline.training.models import build
from pipeline.training.predict import Answering, class_probabilities, mean_answers, net_logits, predict_logits
from pipeline.training.weights import ModelCard, TrainedModel


@pytest.fixture
def trained():
    card = ModelCard(
        architecture="squeezenet1_1",
        class_names=("a", "b", "c"),
        stored_size=(40, 40),
        resolution=32,
        mean=120.0,
        std=60.0,
        epoch=1,
        val_scores={},
        params={},
    )
    return TrainedModel(build("squeezenet1_1", 3, 32).eval(), card)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (11, 40, 40), dtype=np.uint8)


def test_logits_are_float32_a_row_an_image(trained, images):
    logits = predict_logits(trained, images)
    assert logits.shape == (11, 3)
    assert logits.dtype == np.float32
    assert np.ptp(logits, axis=0).max() > 0


def test_rows_come_in_the_order_asked_for(trained, images):
    rows = np.array([7, 0, 7])
    assert np.allclose(predict_logits(trained, images, rows), predict_logits(trained, images)[rows], atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_batch_size_does_not_matter(trained, images, batch_size):
    expected = predict_logits(trained, images)
    assert np.allclose(predict_logits(trained, images, batch_size=batch_size), expected, atol=1e-5)


def test_no_rows(trained, images):
    assert predict_logits(trained, images, np.array([], dtype=np.int64)).shape == (0, 3)


def test_a_net_in_training_mode_is_a_bug(trained, images):
    with pytest.raises(AssertionError):
        net_logits(trained.net.train(), images, np.arange(2), trained.card.preprocessing, 2)


def test_nothing_is_recorded_for_gradients(trained, images):
    predict_logits(trained, images)
    assert all(p.grad is None for p in trained.net.parameters())
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    ("allowed", "mirrors"),
    [
        ((False, False), []),
        ((True, False), [(2,)]),
        ((False, True), [(1,)]),
        ((True, True), [(1,), (2,), (1, 2)]),
    ],
)
def test_the_net_is_asked_about_the_mirror_images_that_the_recipe_allows(trained, images, allowed, mirrors):
    augment = dict(zip(("flip_horizontal", "flip_vertical"), allowed, strict=True))
    card = trained.card.model_copy(update={"params": {"test_time_flips": True, "augment": augment}})
    pictures = [images, *(np.ascontiguousarray(np.flip(images, axes)) for axes in mirrors)]
    mean = np.mean([class_probabilities(predict_logits(trained, each)) for each in pictures], axis=0)
    found = class_probabilities(predict_logits(TrainedModel(trained.net, card), images))
    assert np.allclose(found, mean, atol=1e-6)
    off = card.model_copy(update={"params": {"test_time_flips": False, "augment": augment}})
    assert np.allclose(
        predict_logits(TrainedModel(trained.net, off), images), predict_logits(trained, images), atol=1e-6
    )


def test_the_temperature_comes_after_the_mean_over_mirror_images(trained, images):
    augment = {"flip_horizontal": True, "flip_vertical": False}
    params = {"test_time_flips": True, "augment": augment}
    plain = TrainedModel(trained.net, trained.card.model_copy(update={"params": params}))
    mean = class_probabilities(predict_logits(plain, images)).astype(np.float64)
    warm = TrainedModel(trained.net, plain.card.model_copy(update={"temperature": 2.5}))
    wanted = mean ** (1 / 2.5) / (mean ** (1 / 2.5)).sum(axis=1, keepdims=True)
    assert not np.allclose(wanted, mean, atol=1e-3)
    assert np.allclose(class_probabilities(predict_logits(warm, images)), wanted, atol=1e-6)
    assert np.allclose(mean_answers([Answering(warm)], images).probabilities, wanted, atol=1e-6)
    assert np.allclose(
        mean_answers([Answering(warm), Answering(plain)], images).probabilities, (wanted + mean) / 2, atol=1e-6
    )
