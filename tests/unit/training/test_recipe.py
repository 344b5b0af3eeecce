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


def test_steps_that_no_schedule_would_read(recipe):
    with pytest.raises(ValidationError, match="wanted schedule: steps beside lr_steps, found schedule: cosine"):
        recipe(schedule="cosine", lr_steps={3: 0.1})


def test_a_step_schedule_without_steps(recipe):
    with pytest.raises(ValidationError, match="wanted lr_steps such as"):
        recipe(schedule="steps")


def test_every_key_must_stand_in_the_file(recipe):
    params = recipe().model_dump()
    for key in params:
        with pytest.raises(ValidationError):
            TrainParams.model_validate({name: value for name, value in params.items() if name != key})
