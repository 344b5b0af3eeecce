import json

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.training.batches import Preprocessing
from pipeline.training.models import build
from pipeline.training.weights import ModelCard, TrainedModel, fold_folders, load, read_card, save, write_card


@pytest.fixture
def trained():
    card = ModelCard(
        architecture="squeezenet1_1",
        class_names=("crack", "Bläschen"),
        stored_size=(48, 48),
        resolution=32,
        mean=101.5,
        std=30.25,
        epoch=7,
        val_scores={"macro_f1": 0.5},
        params={"lr": 0.001, "lr_steps": {"3": 0.1}, "threads": None},
        temperature=1.25,
    )
    net = build("squeezenet1_1", 2, 32).to(memory_format=torch.channels_last)
    return TrainedModel(net.eval(), card)


@pytest.fixture
def saved(tmp_path, trained):
    save(tmp_path / "models", trained)
    return tmp_path / "models"


def test_round_trip(saved, trained):
    found = load(saved)
    assert found.card == trained.card
    assert not found.net.training
    images = torch.randn(2, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(found.net(images), trained.net(images))


def test_round_trip_of_a_net_that_torchvision_versions(tmp_path, trained):
    card = trained.card.model_copy(update={"architecture": "mnasnet0_5"})
    save(tmp_path, TrainedModel(build("mnasnet0_5", 2, 32).eval(), card))
    assert load(tmp_path).card == card


def test_preprocessing_is_the_cards(trained):
    assert trained.card.preprocessing == Preprocessing(32, 101.5, 30.25)


def test_same_net_same_bytes(saved, trained, tmp_path):
    save(tmp_path / "again", load(saved))
    names = sorted(path.name for path in saved.iterdir())
    assert names == ["model.json", "model.safetensors"]
    assert all((saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_the_card_is_for_people_too(saved):
    text = (saved / "model.json").read_text(encoding="utf-8")
    assert "Bläschen" in text
    assert json.loads(text)["stored_size"] == [48, 48]


def test_the_weights_fit_torchvisions_names(saved):
    assert build("squeezenet1_1", 2, 32, str(saved / "model.safetensors"))


def test_loading_leaves_the_random_state_alone(saved):
    before = torch.get_rng_state()
    load(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_card_of_an_earlier_training_has_no_temperature(saved):
    card = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    del card["temperature"]
    (saved / "model.json").write_text(json.dumps(card), encoding="utf-8")
    assert load(saved).card.temperature == 1.0


def test_a_card_is_replaced_alone(saved, trained):
    before = (saved / "model.safetensors").read_bytes()
    write_card(saved, trained.card.model_copy(update={"temperature": 2.0}))
    assert read_card(saved).temperature == load(saved).card.temperature == 2.0
    assert (saved / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file(saved, name):
    (saved / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}: wanted a trained net's .*, found nothing"):
        load(saved)


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": "seven"}, "model.json: wanted a trained net's card, found epoch: "),
        ({"extra": 1}, "model.json: wanted a trained net's card, found extra: "),
        ({"temperature": 0}, "model.json: wanted a trained net's card, found temperature: "),
        ({"temperature": "hot"}, "model.json: wanted a trained net's card, found temperature: "),
        ({"architecture": "resnet19"}, "train.model: wanted a torchvision classification net"),
        (
            {"class_names": ["a"]},
            r"model.safetensors: wanted squeezenet1_1's tensor classifier.1.weight \(1, 512, 1, 1\)",
        ),
    ],
)
def test_a_card_that_does_not_fit(saved, changes, message):
    change(saved / "model.json", **changes)
    with pytest.raises(ModelError, match=message) as caught:
        load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_card_that_is_none(saved, content):
    (saved / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model.json: wanted a trained net's card, found "):
        load(saved)


def test_weights_that_are_none(saved):
    (saved / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match=r"model.safetensors: wanted a state dict, found "):
        load(saved)


def test_what_a_file_manager_leaves_among_the_folds_is_no_fold(tmp_path):
    for name in ("10", "2", ".DS_Store", "1.bak"):
        (tmp_path / "folds" / name).mkdir(parents=True)
    assert [each.name for each in fold_folders(tmp_path)] == ["2", "10"]
