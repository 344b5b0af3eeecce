"""Learning a few pictures by heart, and what is said where that fails."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.device import Compute
from pipeline.training.loop import Trainer
from pipeline.training.overfit import PER_CLASS, STEPS, handful, overfit_recipe, verdict

CPU = Compute(torch.device("cpu"), "fp32")
LABELS = [0] * 9 + [1] * 5 + [2] * 3


def overfit(packed, params, rows=None):
    rows = handful(packed.labels, np.arange(len(packed.labels))) if rows is None else rows
    trainer = Trainer(packed, rows, rows, params, CPU)
    for _ in trainer.epochs():
        pass
    return trainer, verdict(packed, rows, trainer.params, trainer.records)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 5))
def test_a_handful_is_balanced_and_of_the_rows(labels, left_out):
    labels = np.array(labels)
    rows = np.flatnonzero(labels != left_out)
    if not len(rows):
        return
    few = handful(labels, rows)
    counts = np.unique(labels[few], return_counts=True)[1]
    assert set(few) <= set(rows)
    assert len(counts) == len(np.unique(labels[rows]))
    assert set(counts) == {min(PER_CLASS, np.unique(labels[rows], return_counts=True)[1].min())}


def test_nothing_is_left_that_keeps_a_net_from_learning_by_heart(recipe):
    params = overfit_recipe(
        recipe(
            label_smoothing=0.1,
            ema_decay=0.9,
            balance="sampler",
            schedule="cosine",
            warmup_epochs=400,
            epochs=500,
            lr_steps={2: 0.1},
            lr=0.3,
        )
    )
    assert not any(params.augment.model_dump().values())
    assert (params.label_smoothing, params.weight_decay, params.ema_decay, params.balance) == (0, 0, 0, "none")
    assert (params.schedule, params.warmup_epochs, params.lr_steps, params.lr) == ("constant", 0, {}, 0.3)
    assert type(params).model_validate(params.model_dump()) == params


def test_pass_ends_the_training(make_packed, recipe):
    params = recipe(mode="overfit", model="shufflenet_v2_x0_5", lr=5e-3)
    trainer, found = overfit(make_packed(LABELS), params)
    assert found.passed, str(found)
    assert len(trainer.records) < STEPS
    assert found.steps == trainer.records[-1].step
    assert str(found).startswith(f"pass: learnt by heart in {found.steps} steps")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"lr": 1e-9}, "the loss hardly fell, so lr 1e-09 is far too high or too low"),
        ({"lr": 2e-5}, "the loss was still falling"),
    ],
)
def test_failure_has_a_likely_cause(make_packed, recipe, changes, cause):
    params = recipe(**{"mode": "overfit", "model": "shufflenet_v2_x0_5"} | changes)
    found = overfit(make_packed(LABELS), params)[1]
    assert not found.passed
    assert cause in str(found)


def test_pictures_that_contradict_each_other(make_packed, recipe):
    packed = make_packed(LABELS)
    images = packed.images.copy()
    images[9] = images[0]
    packed = replace(packed, images=images)
    found = overfit(packed, recipe(mode="overfit"))[1]
    assert "2 pictures look the same at 32 px as one of another class" in found.cause
