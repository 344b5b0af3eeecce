import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.temperature import COLDEST, HOTTEST, common_temperature, fit_temperature


def answers(count, times=1.0, num_classes=5, spread=3.0, seed=0):
    """Logits that are `times` as large as those of a net which is exactly as sure as it is right, and the truth."""
    rng = np.random.default_rng(seed)
    true_logits = rng.normal(0, spread, (count, num_classes))
    y_true = (true_logits + rng.gumbel(size=true_logits.shape)).argmax(axis=1)
    return (times * true_logits).astype(np.float32), y_true


def loss(logits, y_true, temperature=1.0):
    return torch.nn.functional.cross_entropy(torch.from_numpy(logits) / temperature, torch.from_numpy(y_true)).item()


@pytest.mark.parametrize("times", [0.4, 1.0, 3.0])
def test_finds_by_how_much_a_net_is_too_sure(times):
    assert fit_temperature(*answers(20_000, times)) == pytest.approx(times, rel=0.03)


@given(st.integers(1, 40), st.floats(0.1, 10), st.integers(0, 1000))
def test_is_in_its_bounds_and_never_raises_the_log_loss(count, times, seed):
    logits, y_true = answers(count, times, seed=seed)
    temperature = fit_temperature(logits, y_true)
    assert COLDEST <= temperature <= HOTTEST
    assert loss(logits, y_true, temperature) <= loss(logits, y_true) + 1e-4


@given(st.integers(1, 40), st.floats(-50, 50), st.integers(0, 1000))
def test_only_differences_between_classes_count(count, added, seed):
    logits, y_true = answers(count, seed=seed)
    assert fit_temperature(logits + np.float32(added), y_true) == pytest.approx(
        fit_temperature(logits, y_true), abs=2e-3
    )


def test_a_few_dozen_that_are_all_right_do_not_make_a_net_certain():
    logits = np.zeros((36, 5), np.float32)
    logits[:, 0] = 4.0
    y_true = np.zeros(36, np.int64)
    assert fit_temperature(logits, y_true, spread=np.inf) < 0.12
    temperature = fit_temperature(logits, y_true)
    assert 0.3 < temperature < 1
    wrong = 1 - torch.from_numpy(logits / temperature).softmax(dim=1)[0, 0].item()
    assert wrong > 1e-5


def test_a_single_mistake_of_three_does_not_take_all_trust():
    logits = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9]], np.float32)
    y_true = np.array([0, 1, 1])
    assert fit_temperature(logits, y_true, spread=np.inf) > 5
    assert 1 < fit_temperature(logits, y_true) < 5


def test_nothing_to_fit_on():
    assert fit_temperature(np.empty((0, 3), np.float32), np.empty(0, np.int64)) == 1.0


def test_logits_that_overflow_a_softmax():
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], np.float32)
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(HOTTEST, rel=1e-3)


def test_of_several_nets_the_geometric_mean():
    assert common_temperature([0.5, 2.0]) == 1.0
    assert common_temperature([1.7]) == 1.7
