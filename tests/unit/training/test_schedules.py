import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.schedules import PlateauState, Schedule

START = PlateauState()


def rates(params, epochs, losses=None):
    """Rates of epochs 1..epochs when `losses` (by default ever lower ones) are observed."""
    schedule, state, found = Schedule(params), START, []
    for epoch in range(1, epochs + 1):
        found.append(schedule.rate(epoch, state))
        state = schedule.observe(epoch, losses[epoch - 1] if losses else 1 / epoch, state)
    return found


def test_constant(recipe):
    found = rates(recipe(lr=0.2), 3)
    assert [rate.lr for rate in found] == [0.2] * 3
    assert [rate.factor for rate in found] == [1.0] * 3
    assert [rate.reason for rate in found] == ["start", "", ""]


def test_warm_up_rises_evenly_to_the_full_rate(recipe):
    found = rates(recipe(lr=0.8, warmup_epochs=3), 6)
    assert [rate.lr for rate in found] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    assert [rate.reason for rate in found] == ["warm-up"] * 4 + ["", ""]


def test_steps_multiply_and_may_turn_up_again(recipe):
    found = rates(recipe(lr=0.01, schedule="steps", lr_steps={5: 10, 3: 0.1}), 6)
    assert [rate.factor for rate in found] == pytest.approx([1, 1, 0.1, 0.1, 1, 1])
    assert [rate.reason for rate in found] == ["start", "", "step", "", "step", ""]


def test_cosine_falls_from_the_full_rate_to_almost_none(recipe):
    found = rates(recipe(lr=1.0, schedule="cosine", warmup_epochs=2, epochs=12), 12)
    lrs = [rate.lr for rate in found]
    assert lrs[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert lrs[7] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(lrs[2:]))
    assert lrs[-1] == pytest.approx((1 + math.cos(math.pi * 0.9)) / 2)
    assert [rate.reason for rate in found] == ["warm-up"] * 3 + ["schedule"] * 9


def test_plateau_turns_down_after_patience_and_counts_anew(recipe):
    params = recipe(schedule="plateau", plateau_patience=2, plateau_factor=0.5, lr=1.0)
    found = rates(params, 8, [1.0, 1.0, 1.0, 0.9, 0.95, 0.9, 0.95, 0.9])
    assert [rate.factor for rate in found] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert [rate.reason for rate in found] == ["start", "", "", "plateau", "", "", "plateau", ""]


def test_plateau_never_turns_the_rate_down_to_nothing(recipe):
    schedule, state = Schedule(recipe(schedule="plateau", plateau_patience=1, lr=1.0)), PlateauState()
    for epoch in range(1, 1000):
        assert schedule.rate(epoch, state).lr > 0
        state = schedule.observe(epoch, 1.0, state)


def test_plateau_does_not_judge_the_warm_up(recipe):
    params = recipe(schedule="plateau", plateau_patience=1, warmup_epochs=3, lr=1.0)
    assert [rate.factor for rate in rates(params, 5, [1.0, 2, 2, 0.5, 0.4])] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_other_schedules_ignore_the_losses(recipe):
    for changes in ({"schedule": "cosine"}, {"schedule": "constant"}, {"schedule": "steps", "lr_steps": {2: 0.1}}):
        params = recipe(epochs=9, **changes)
        assert rates(params, 9) == rates(params, 9, [1.0] * 9)


@given(data=st.data())
def test_rates_are_positive_and_factors_of_the_recipes(recipe, data):
    schedule = data.draw(st.sampled_from(["constant", "steps", "cosine", "plateau"]))
    epochs = data.draw(st.integers(1, 30))
    steps = data.draw(st.dictionaries(st.integers(1, 30), st.floats(0.1, 10), min_size=1, max_size=4))
    params = recipe(
        schedule=schedule,
        epochs=epochs,
        lr=data.draw(st.floats(1e-6, 10)),
        warmup_epochs=data.draw(st.integers(0, 40)),
        lr_steps=steps if schedule == "steps" else {},
    )
    losses = data.draw(st.lists(st.floats(0, 10), min_size=epochs, max_size=epochs))
    found = rates(params, epochs, losses)
    assert all(rate.lr > 0 and rate.lr == pytest.approx(rate.factor * params.lr) for rate in found)
    assert all(found[i].factor == found[i - 1].factor for i in range(1, epochs) if found[i].reason == "")
