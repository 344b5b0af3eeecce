import pytest
from pydantic import ValidationError

from pipeline.training.recipe import TrainParams


def test_round_trip(recipe):
    params = recipe(schedule="steps", lr_steps={3: 0.1, 5: 10})
    assert TrainParams.model_validate(params.model_dump()) == params


@pytest.mark.parametrize(
    "changes",
    [
        {"model": 18},
        {"resolution": 31},
        {"resolution": 64.0},
        {"epochs": 0},
        {"batch_size": 0},
        {"batch_size": "some"},
        {"batch_size": True},
        {"micro_batch_size": 0},
        {"optimizer": "adam"},
        {"lr": 0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"lr": "1e-3"},
        {"momentum": 1.0},
        {"weight_decay": -1e-4},
        {"ema_decay": 1.0},
        {"label_smoothing": 1.0},
        {"schedule": "step"},
        {"lr_steps": {0: 0.1}, "schedule": "steps"},
        {"lr_steps": {3: 0.0}, "schedule": "steps"},
        {"plateau_factor": 1.0},
        {"balance": "weights"},
        {"normalization": "imagenet"},
        {"precision": "fp16"},
        {"threads": 0},
        {"augment": {}},
        {"learning_rate": 0.1},
    ],
)
def test_refuses(recipe, changes):
    with pytest.raises(ValidationError):
        recipe(**changes)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3"])
def test_devices(recipe, device):
    assert recipe(device=device).device == device


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda0", "CPU", ""])
def test_unknown_devices(recipe, device):
    with pytest.raises(ValidationError, match="wanted auto, cpu, cuda or cuda:N, found "):
        recipe(device=device)


def test_moves_are_read_in_any_way_of_writing_them(recipe):
    params = recipe(schedule="cosine", lr_steps={3: 0.1, 4: "set 3e-4", 5: ["auto", 10], 9: "stop"})
    assert params.lr_steps == {3: (0.1,), 4: ("set 3e-4",), 5: ("auto", 10.0), 9: ("stop",)}
    assert type(params).model_validate_json(params.model_dump_json()) == params


@pytest.mark.parametrize("move", [0, -1, "set", "set 0", "set x", "halt", True, None, float("inf"), float("nan"), {}])
def test_moves_that_are_none(recipe, move):
    with pytest.raises(ValidationError, match=r"wanted a factor such as 0\.1, `set 3e-4`, `auto` or `stop`, found"):
        recipe(lr_steps={3: move})


def test_a_training_without_an_epoch(recipe):
    with pytest.raises(ValidationError, match="wanted one epoch at least"):
        recipe(lr_steps={1: "stop"})


def test_a_step_schedule_without_steps(recipe):
    with pytest.raises(ValidationError, match="wanted lr_steps such as"):
        recipe(schedule="steps")


def test_every_key_must_stand_in_the_file(recipe):
    params = recipe().model_dump()
    for key in params:
        with pytest.raises(ValidationError):
            TrainParams.model_validate({name: value for name, value in params.items() if name != key})
