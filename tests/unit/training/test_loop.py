from dataclasses import asdict

import numpy as np
import pytest
import torch

from pipeline.errors import DataError, ModelError, ParameterError, PipelineError
from pipeline.training.batches import to_input
from pipeline.training.device import Compute, choose_compute
from pipeline.training.history import epoch_metrics
from pipeline.training.loop import Trainer
from pipeline.training.predict import predict_logits
from pipeline.training.temperature import fit_temperature
from pipeline.training.weights import save

CPU = Compute(torch.device("cpu"), "fp32")
LABELS = [0] * 9 + [1] * 5 + [2] * 3
TRAIN, VAL = np.array([0, 1, 2, 3, 4, 9, 10, 11, 14, 15]), np.array([5, 6, 7, 8, 12, 13, 16])


@pytest.fixture
def train(make_packed, recipe):
    """Train by a recipe with changes; return the trainer and its records."""

    def run(labels=LABELS, rows=(TRAIN, VAL), **changes):
        trainer = Trainer(make_packed(labels), *rows, recipe(**changes), CPU)
        return trainer, list(trainer.epochs())

    return run


def weights_of(trainer):
    return trainer.kept.net.state_dict()


def same(first, second):
    return all(torch.equal(first[key], second[key]) for key in first)


def without_times(record):
    return {key: value for key, value in asdict(record).items() if key not in ("seconds", "images_per_second")}


def test_one_record_an_epoch(train):
    _, records = train(epochs=3, batch_size=4, warmup_epochs=1, lr=0.01)
    assert [record.epoch for record in records] == [1, 2, 3]
    assert [record.step for record in records] == [3, 6, 9]
    assert [record.lr for record in records] == pytest.approx([0.005, 0.01, 0.01])
    assert [record.lr_factor for record in records] == pytest.approx([0.5, 1, 1])
    assert [record.lr_reason for record in records] == ["warm-up", "warm-up", ""]
    for record in records:
        assert list(record.val_f1) == ["a", "b", "c"]
        assert record.val_macro_f1 == pytest.approx(np.mean(list(record.val_f1.values())))
        assert record.seconds > 0
        assert record.images_per_second > 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"balance": "sampler", "ema_decay": 0.8, "optimizer": "sgd", "lr": 0.02, "schedule": "cosine"},
        {"balance": "class_weights", "batch_size": "all", "micro_batch_size": 9, "normalization": "none"},
    ],
)
def test_overfits_a_tiny_set(make_packed, recipe, changes):
    params = recipe(**{"model": "shufflenet_v2_x0_5", "epochs": 40, "lr": 5e-3, "warmup_epochs": 2} | changes)
    rows = np.arange(len(LABELS))
    trainer = Trainer(make_packed(LABELS), rows, rows, params, CPU)
    assert any(record.val_macro_f1 == 1.0 for record in trainer.epochs())


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "squeezenet1_1"},  # has dropout, which draws from PyTorch's own random state
        {"model": "shufflenet_v2_x0_5", "balance": "sampler", "ema_decay": 0.9, "epochs": 1},
    ],
)
def test_same_inputs_same_bytes(train, tmp_path, changes, augmented):
    written = []
    for name in ("first", "second"):
        torch.manual_seed(len(written))  # the state outside must not matter
        trainer, records = train(augment=augmented, **changes)
        save(tmp_path / name, trainer.kept)
        files = [(tmp_path / name / file).read_bytes() for file in ("model.safetensors", "model.json")]
        written.append((files, [without_times(record) for record in records]))
    assert written[0] == written[1]


def test_another_seed_is_another_training(train):
    assert not same(weights_of(train(seed=0)[0]), weights_of(train(seed=1)[0]))


def test_training_leaves_pytorchs_random_state_alone(train):
    before = torch.get_rng_state()
    train()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def augmented():
    return {
        "flip_horizontal": True,
        "flip_vertical": True,
        "rotation": 10.0,
        "translation": 0.1,
        "scale": 0.1,
        "brightness": 0.1,
        "contrast": 0.1,
        "blur": 0.3,
        "noise": 0.02,
        "erase": 0.2,
    }


@pytest.mark.parametrize(
    ("rows", "sizes", "key"),
    [
        (5, {"batch_size": 3, "micro_batch_size": 2}, "micro_batch_size"),  # 3 + 2, and 3 is 2 + 1
        (5, {"batch_size": 1}, "batch_size"),
        (4, {"batch_size": 4, "micro_batch_size": 1}, "micro_batch_size"),
    ],
)
def test_batch_norm_over_one_image_is_refused_before_training(make_packed, recipe, rows, sizes, key):
    params = recipe(model="shufflenet_v2_x0_5", **sizes)
    with pytest.raises(ParameterError, match=rf"train\.{key}: wanted 2 or more images at once"):
        Trainer(make_packed(LABELS), np.arange(rows), VAL, params, CPU)


def test_memory_that_does_not_suffice_is_explained(make_packed, recipe, monkeypatch):
    trainer = Trainer(make_packed(LABELS), TRAIN, VAL, recipe(), CPU)

    def exhaust(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.\nlong explanation")

    monkeypatch.setattr(trainer, "_train_one_batch", exhaust)  # of 8
    with pytest.raises(PipelineError, match=r"train\.micro_batch_size of 4") as caught:
        next(trainer.epochs())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"balance": "class_weights"}, {"label_smoothing": 0.2}, {"batch_size": 10}])
def test_a_batch_in_pieces_has_the_gradient_of_the_batch_run_whole(make_packed, recipe, monkeypatch, changes):
    # Without batch norm, which looks at a piece at a time, and without dropout, which draws anew for each.
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda _self, x: x)
    gradients = []
    for micro_batch_size in (None, 3, 1):
        params = recipe(
            **{"batch_size": "all", "epochs": 1, "lr": 1e-12, "micro_batch_size": micro_batch_size} | changes
        )
        trainer = Trainer(make_packed(LABELS), TRAIN, VAL, params, CPU)
        (record,) = trainer.epochs()
        assert record.step == 1
        gradients.append([record.train_loss, *(p.grad.clone() for p in trainer._net.parameters())])
    for pieces in gradients[1:]:
        assert pieces[0] == pytest.approx(gradients[0][0], rel=1e-5)
        for found, expected in zip(pieces[1:], gradients[0][1:], strict=True):
            assert torch.allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())


def test_the_net_is_shown_the_packed_image_unscrambled(make_packed, recipe):
    """Every picture is its own asymmetric one: what reaches the first layer is compared pixel by pixel."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(LABELS), 32, 32), dtype=np.uint8)
    images[:, 2:5, 8:30] = 255  # a bar near the upper edge
    packed = make_packed(LABELS, images)
    trainer = Trainer(packed, TRAIN, VAL, recipe(normalization="none", epochs=1), CPU)
    seen = []
    first = next(module for module in trainer._net.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _module, inputs: seen.extend(inputs[0].clone()))
    list(trainer.epochs())
    shown = {image[0].numpy().astype(np.uint8).tobytes() for image in seen}
    assert all(image.shape == (1, 32, 32) for image in seen)
    assert shown == {packed.images[row].tobytes() for row in [*TRAIN, *VAL]}


def test_labels_go_with_their_images(make_packed, recipe, monkeypatch):
    packed = make_packed(LABELS)
    pairs = []
    original = Trainer._loss

    def watched(self, rows, changes):
        pairs.append(rows)
        return original(self, rows, changes)

    monkeypatch.setattr(Trainer, "_loss", watched)
    list(Trainer(packed, TRAIN, VAL, recipe(epochs=1), CPU).epochs())
    assert sorted(np.concatenate(pairs)) == sorted(TRAIN)


def test_statistics_are_of_the_training_rows_alone(make_packed, recipe):
    packed = make_packed(LABELS)
    card = _trained(packed, recipe(epochs=1)).card
    assert card.mean == pytest.approx(packed.images[TRAIN].mean())
    assert card.std == pytest.approx(packed.images[TRAIN].std())


def test_without_normalization_grey_levels_stay_as_they_are(make_packed, recipe):
    card = _trained(make_packed(LABELS), recipe(epochs=1, normalization="none")).card
    assert (card.mean, card.std) == (0.0, 1.0)


def _trained(packed, params):
    trainer = Trainer(packed, TRAIN, VAL, params, CPU)
    list(trainer.epochs())
    return trainer.kept


def test_the_epoch_of_the_lowest_loss_is_kept_with_its_scores_while_the_rate_is_high(make_packed, recipe):
    packed = make_packed(LABELS)
    trainer = Trainer(packed, TRAIN, VAL, recipe(epochs=6, model="shufflenet_v2_x0_5", lr=3e-3), CPU)
    records = list(trainer.epochs())
    kept = trainer.kept
    expected = min(records, key=lambda record: record.val_loss)
    assert kept.card.epoch == expected.epoch
    assert kept.card.val_scores["macro_f1"] == expected.val_macro_f1
    logits = torch.from_numpy(predict_logits(kept, packed.images, VAL))
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(packed.labels[VAL]))
    assert loss.item() == pytest.approx(expected.val_loss, rel=1e-5)


def test_the_last_epoch_is_kept_where_the_rate_has_fallen(train, monkeypatch):
    losses = iter([0.5, 0.3, 0.4, 0.6])
    monkeypatch.setattr(Trainer, "_validate", lambda _self: (next(losses), {"a": 0.8}))
    assert train(epochs=4, schedule="steps", lr_steps={4: 0.01})[0].kept.card.epoch == 4


def test_kept_so_far_is_there_between_epochs_and_not_changed_by_later_ones(make_packed, recipe, monkeypatch):
    losses = iter([0.3, 0.5, 0.4])
    monkeypatch.setattr(Trainer, "_validate", lambda _self: (next(losses), {"a": 0.8}))
    trainer = Trainer(make_packed(LABELS), TRAIN, VAL, recipe(epochs=3), CPU)
    epochs = trainer.epochs()
    next(epochs)
    kept = trainer.kept
    before = {key: value.clone() for key, value in kept.net.state_dict().items()}
    list(epochs)
    assert kept.card.epoch == trainer.kept.card.epoch == 1
    assert same(kept.net.state_dict(), before)
    assert same(trainer.kept.net.state_dict(), before)


def test_the_temperature_is_fitted_on_val_and_changes_nothing_else(make_packed, recipe):
    packed = make_packed(LABELS)
    flips = {"flip_horizontal": True, "flip_vertical": False}
    params = recipe(epochs=2, test_time_flips=True)
    params = params.model_copy(update={"augment": params.augment.model_copy(update=flips)})
    trainer = Trainer(packed, TRAIN, VAL, params, CPU)
    list(trainer.epochs())
    kept, calibrated = trainer.kept, trainer.calibrated()
    wanted = fit_temperature(predict_logits(kept, packed.images, VAL), packed.labels[VAL])
    assert calibrated.card == kept.card.model_copy(update={"temperature": wanted})
    assert wanted != 1.0
    assert kept.card.temperature == 1.0
    assert same(calibrated.net.state_dict(), kept.net.state_dict())
    assert trainer.calibrated().card == calibrated.card


def test_without_val_or_on_what_was_learnt_by_heart_there_is_no_temperature(make_packed, recipe):
    packed = make_packed(LABELS)
    for rows, changes in ((np.empty(0, np.int64), {}), (TRAIN, {"mode": "overfit"})):
        trainer = Trainer(packed, TRAIN, rows, recipe(epochs=1, **changes), CPU)
        next(trainer.epochs())
        assert trainer.calibrated().card.temperature == 1.0


def test_the_card_says_how_the_net_was_made(make_packed, recipe):
    params = recipe(epochs=1, schedule="steps", lr_steps={2: 0.1})
    card = _trained(make_packed(LABELS, size=40), params).card
    assert card.architecture == "squeezenet1_1"
    assert card.class_names == ("a", "b", "c")
    assert card.stored_size == (40, 40)
    assert card.resolution == 32
    assert card.params == params.model_dump(mode="json")
    assert set(card.val_scores) == {"loss", "macro_f1", "f1/a", "f1/b", "f1/c"}


def test_moving_average_lags_behind_and_is_what_is_kept(train):
    plain, averaged = (train(ema_decay=decay, epochs=1, batch_size=2)[0] for decay in (0.0, 0.5))
    assert same(averaged._net.state_dict(), plain._net.state_dict()), "the average must not disturb training"
    assert not same(weights_of(averaged), weights_of(plain))
    assert same(weights_of(averaged), averaged._average.module.state_dict())


def test_plateau_reads_the_validation_loss(train, monkeypatch):
    monkeypatch.setattr(Trainer, "_validate", lambda _self: (1.0, {"a": 0.5}))
    _, records = train(epochs=4, schedule="plateau", plateau_patience=1, plateau_factor=0.5, lr=1e-3)
    assert [record.lr for record in records] == [1e-3, 1e-3, 5e-4, 2.5e-4]
    assert [record.lr_reason for record in records] == ["start", "", "plateau", "plateau"]


def test_bf16_trains(make_packed, recipe):
    trainer = Trainer(make_packed(LABELS), TRAIN, VAL, recipe(epochs=1), choose_compute("cpu", "bf16"))
    list(trainer.epochs())
    assert all(value.dtype != torch.bfloat16 for value in weights_of(trainer).values())


def test_threads_of_the_recipe_are_used_while_training_alone(train, monkeypatch):
    used = []
    validate = Trainer._validate
    monkeypatch.setattr(Trainer, "_validate", lambda self: (used.append(torch.get_num_threads()), validate(self))[1])
    before = torch.get_num_threads()
    train(threads=2, epochs=1)
    assert (used, torch.get_num_threads()) == ([2], before)


def test_a_loss_that_is_no_number_says_where_and_what_to_try(train):
    with pytest.raises(PipelineError, match=r"^train: wanted a finite .* loss, found .* in epoch 1 at lr 1e\+30; try "):
        train(optimizer="sgd", lr=1e30)


def test_a_class_without_validation_images_is_not_scored(train):
    _, records = train(rows=(TRAIN, VAL[:-1]), epochs=1)
    assert list(records[0].val_f1) == ["a", "b"]


def test_nothing_to_train_on(train):
    with pytest.raises(DataError, match=r"^train: wanted training images, found none$"):
        train(rows=(TRAIN[:0], VAL))


def test_training_on_everything_keeps_the_last_epoch(train):
    trainer, records = train(rows=(TRAIN, VAL[:0]), epochs=3)
    assert trainer.kept.card.epoch == 3
    assert trainer.kept.card.val_scores == {}
    assert all(np.isnan(record.val_loss) and np.isnan(record.val_macro_f1) for record in records)
    assert "val/loss" not in epoch_metrics(records[0])


def test_plateau_needs_validation_images(train):
    with pytest.raises(ParameterError, match=r"train.schedule: wanted one that needs no validation images"):
        train(rows=(TRAIN, VAL[:0]), schedule="plateau")


def test_more_resolution_than_is_stored(train):
    with pytest.raises(ParameterError, match=r"^train.resolution: wanted a whole number <= 32, .*, found 64$"):
        train(resolution=64)


def test_a_net_that_is_not_known(train):
    with pytest.raises(ModelError, match=r"^train.model: "):
        train(model="resnet19")


@pytest.mark.parametrize(
    ("key", "changes"), [("batch_size", {"batch_size": 1}), ("micro_batch_size", {"micro_batch_size": 1})]
)
def test_batch_norm_over_one_image(train, key, changes):
    with pytest.raises(ParameterError, match=rf"^train.{key}: wanted 2 or more images at once for resnet18's batch"):
        train(model="resnet18", **changes)


def test_one_image_at_once_without_batch_norm(train):
    _, records = train(batch_size=1, epochs=1)
    assert records[0].step == len(TRAIN)


def test_training_and_evaluation_share_the_preprocessing(make_packed, recipe):
    packed = make_packed(LABELS, size=48)
    trained = _trained(packed, recipe(epochs=1))
    images = torch.from_numpy(packed.images[VAL])
    with torch.inference_mode():
        expected = trained.net(to_input(images, trained.card.resolution, trained.card.mean, trained.card.std))
    assert np.allclose(predict_logits(trained, packed.images, VAL), expected.numpy(), atol=1e-5)
