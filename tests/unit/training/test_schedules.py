import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.moves import merged, set_to
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


@pytest.mark.parametrize(("first", "growth", "lengths"), [(4, 1.1, [4, 4, 5, 5, 6]), (10, 1.04, [10, 10, 11, 11])])
def test_cycles_grow_also_where_one_alone_would_not_by_a_whole_epoch(recipe, first, growth, lengths):
    schedule = Schedule(recipe(schedule="restarts", restart_epochs=first, restart_growth=growth, epochs=60))
    starts = [each for each in range(2, 60) if schedule.rate(each, PlateauState()).reason == "restart"]
    assert np.diff([1, *starts]).tolist()[: len(lengths)] == lengths


def test_a_rate_never_is_nothing(recipe):
    """Of which no factor is known, and which no later one could turn up again."""
    schedule = Schedule(recipe(lr=1e-3, lr_steps={2: 1e-200, 3: 1e-200, 4: "auto"}, epochs=5))
    rates = [schedule.rate(each, PlateauState()).lr for each in range(1, 6)]
    assert 0 < rates[2] < 1e-300
    assert rates[3] == rates[4] == 1e-3


def test_restarts_go_up_again_each_time_for_longer(recipe):
    params = recipe(schedule="restarts", lr=1.0, warmup_epochs=1, restart_epochs=2, restart_growth=2.0, epochs=9)
    found = rates(params, 9)
    quarter = (1 + math.cos(math.pi / 4)) / 2
    assert [rate.lr for rate in found] == pytest.approx(
        [0.5, 1, 0.5, 1, quarter, 0.5, 1 - quarter, 1, 0.9619], abs=1e-4
    )
    reasons = ["warm-up", "warm-up", "schedule", "restart", "schedule", "schedule", "schedule", "restart", "schedule"]
    assert [rate.reason for rate in found] == reasons


def test_one_cycle_rises_smoothly_from_a_25th_and_falls_to_almost_none(recipe):
    lrs = [rate.lr for rate in rates(recipe(schedule="one_cycle", lr=1.0, warmup_epochs=3, epochs=10), 10)]
    assert lrs[0] == pytest.approx(1 / 25)
    assert lrs[3] == 1.0
    assert all(a < b for a, b in pairwise(lrs[:4]))
    assert all(a > b for a, b in pairwise(lrs[3:]))
    assert lrs[-1] < 0.06


def test_moves_change_what_the_schedule_says(recipe):
    params = recipe(lr=1.0, lr_steps={2: 0.1, 4: "set 0.5", 6: ["auto", 3], 7: "auto"})
    found = rates(params, 8)
    assert [rate.lr for rate in found] == pytest.approx([1, 0.1, 0.1, 0.5, 0.5, 3, 1, 1])
    assert [rate.reason for rate in found] == ["start", "step", "", "step", "", "step", "step", ""]


@given(data=st.data())
def test_moves_by_hand_are_given_steps(recipe, data):
    """What is written into the recipe afterwards gives the very same rates, and the same end."""
    move = st.one_of(
        st.floats(0.01, 100), st.floats(1e-6, 1).map(set_to), st.sampled_from(["auto", "stop"]), st.just(0.1)
    )
    moves = st.dictionaries(st.integers(2, 12), st.lists(move, min_size=1, max_size=3).map(tuple), max_size=4)
    given_steps, by_hand = data.draw(moves), data.draw(moves)
    changes = {"schedule": data.draw(st.sampled_from(["constant", "cosine", "plateau", "restarts"])), "epochs": 12}
    losses = data.draw(st.lists(st.floats(0, 10), min_size=12, max_size=12))
    trainings = []
    for params, moved in (
        (recipe(lr_steps=given_steps, **changes), by_hand),
        (recipe(lr_steps=merged(given_steps, by_hand), **changes), {}),
    ):
        schedule, state, epoch, lrs = Schedule(params), START, 1, []
        while schedule.goes_on(epoch, moved):
            lrs.append(schedule.rate(epoch, state, moved).lr)
            state = schedule.observe(epoch, losses[epoch - 1], state)
            epoch += 1
        trainings.append(lrs)
    assert trainings[0] == trainings[1]
    stops = [epoch for epoch, each in merged(given_steps, by_hand).items() if "stop" in each]
    assert len(trainings[0]) == min([*(epoch - 1 for epoch in stops), 12])


@given(data=st.data())
def test_rates_are_positive_and_factors_of_the_recipes(recipe, data):
    schedule = data.draw(st.sampled_from(["constant", "steps", "cosine", "restarts", "one_cycle", "plateau"]))
    epochs = data.draw(st.integers(1, 30))
    steps = data.draw(st.dictionaries(st.integers(1, 30), st.floats(0.1, 10), min_size=1, max_size=4))
    params = recipe(
        schedule=schedule,
        epochs=epochs,
        lr=data.draw(st.floats(1e-6, 10)),
        warmup_epochs=data.draw(st.integers(0, 40)),
        lr_steps=steps if schedule == "steps" or data.draw(st.booleans()) else {},
        restart_epochs=data.draw(st.integers(1, 10)),
        restart_growth=data.draw(st.floats(1, 3)),
    )
    losses = data.draw(st.lists(st.floats(0, 10), min_size=epochs, max_size=epochs))
    found = rates(params, epochs, losses)
    assert all(rate.lr > 0 and rate.lr == pytest.approx(rate.factor * params.lr) for rate in found)
    assert all(found[i].factor == found[i - 1].factor for i in range(1, epochs) if found[i].reason == "")
