"""The learning-rate range test."""

import numpy as np
import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.training import lr_range
from pipeline.training.device import Compute
from pipeline.training.loop import Trainer
from pipeline.training.lr_range import HIGHEST, LOWEST, lr_range_test

CPU = Compute(torch.device("cpu"), "fp32")
LABELS = [0] * 9 + [1] * 5 + [2] * 3


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_suggests_a_rate_at_which_the_net_learns(make_packed, recipe, optimizer):
    packed, rows = make_packed(LABELS), np.arange(len(LABELS))
    params = recipe(model="shufflenet_v2_x0_5", optimizer=optimizer, batch_size=9)
    found = lr_range_test(packed, rows, params, CPU)
    assert len(found.lr) == len(found.loss) > 50
    assert found.lr[0] == LOWEST
    assert found.lr[-1] <= HIGHEST * 1.001
    assert np.isfinite(found.loss).all()
    lasts = {}
    for lr in (found.suggested, LOWEST):
        trainer = Trainer(packed, rows, rows, params.model_copy(update={"lr": lr, "epochs": 15}), CPU)
        lasts[lr] = [record.train_loss for record in trainer.epochs()][-1]
    assert lasts[found.suggested] < 0.7 * lasts[LOWEST]


def test_the_same_bytes_each_time(make_packed, recipe):
    packed, rows = make_packed(LABELS), np.arange(len(LABELS))
    first, second = (lr_range_test(packed, rows, recipe(balance="sampler"), CPU) for _ in range(2))
    assert np.array_equal(first.loss, second.loss)
    assert first.suggested == second.suggested


def test_the_recipe_is_tested_also_where_its_mode_is_overfit(make_packed, recipe):
    packed, rows = make_packed(LABELS), np.arange(len(LABELS))
    first, second = (lr_range_test(packed, rows, recipe(mode=mode), CPU) for mode in ("normal", "overfit"))
    assert np.array_equal(first.loss, second.loss)


def test_a_loss_that_is_no_number_when_enough_steps_were_just_taken(make_packed, recipe, monkeypatch):
    monkeypatch.setattr(Trainer, "losses_at", lambda *_: iter([1.0] * 24 + [float("nan")]))
    with pytest.raises(PipelineError, match="wanted a net that bears a rate of"):
        lr_range_test(make_packed(LABELS), np.arange(len(LABELS)), recipe(), CPU)


def test_a_net_that_falls_apart_at_once(make_packed, recipe, monkeypatch):
    monkeypatch.setattr(lr_range, "LOWEST", 1e10)
    monkeypatch.setattr(lr_range, "HIGHEST", 1e12)
    with pytest.raises(PipelineError, match="wanted a net that bears a rate of"):
        lr_range_test(make_packed(LABELS), np.arange(len(LABELS)), recipe(optimizer="sgd"), CPU)
