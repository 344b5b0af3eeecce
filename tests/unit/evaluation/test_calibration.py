import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from pipeline.evaluation.calibration import calibration, ece, measures, reliability
from pipeline.evaluation.predictions import Answers, Predictions


def part(count, times=1.0, seed=0, num_classes=4):
    """Answers of a net whose logits are `times` as large as those of one that is exactly as sure as it is right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (count, num_classes))
    y_true = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    powers = np.exp(times * (logits - logits.max(axis=1, keepdims=True)))
    names = tuple("abcdefgh"[:num_classes])
    return Predictions(names, y_true, powers / powers.sum(axis=1, keepdims=True), ["p"] * count, np.arange(count))


def measure(predictions, draws=200):
    return measures(predictions, np.random.default_rng(0), draws)


def test_the_measures_are_the_usual_ones():
    given_part = part(300, 1.5)
    found = measure(given_part)
    truth = np.eye(4)[given_part.y_true]
    assert found["log_loss"].value == pytest.approx(log_loss(given_part.y_true, given_part.probabilities))
    assert found["brier"].value == pytest.approx(((given_part.probabilities - truth) ** 2).sum(axis=1).mean())
    bins = reliability(given_part)
    assert [each.right.of for each in bins] == [30] * 10
    gaps = [abs(each.right.value - each.confidence) * each.right.of for each in bins]
    assert found["ece"].value == pytest.approx(sum(gaps) / 300)


@given(st.integers(1, 90), st.floats(0.2, 5), st.integers(0, 1000))
def test_every_interval_holds_its_value_and_stays_in_range(count, times, seed):
    found = measure(part(count, times, seed), draws=20)
    for name, most in {"ece": 1, "brier": 2, "log_loss": np.inf}.items():
        assert 0 <= found[name].low <= found[name].value <= found[name].high <= most


@given(st.integers(1, 90), st.integers(0, 1000))
def test_bins_hold_every_photograph_once_and_like_numbers(count, seed):
    bins = reliability(part(count, seed=seed))
    sizes = [each.right.of for each in bins]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    assert len(bins) == 1 or min(sizes) >= 20
    confidences = [each.confidence for each in bins]
    assert confidences == sorted(confidences)


def test_a_calibrated_net_may_have_no_error_and_one_that_is_too_sure_has_one():
    assert measure(part(200))["ece"].low == 0
    assert measure(part(200, 4.0))["ece"].low > 0.02


def test_order_does_not_matter():
    sure, right = np.array([[0.5, 0.9, 0.7]]), np.array([[True, True, False]])
    assert ece(sure, right) == pytest.approx(ece(sure[:, ::-1], right[:, ::-1]))
    assert ece(sure, right)[0] == pytest.approx(abs(0.5 + 0.9 + 0.7 - 2) / 3)


def test_certain_and_wrong_is_finite():
    wrong = Predictions(("a", "b"), np.array([0, 0]), np.array([[0.0, 1.0], [0.0, 1.0]]), ["p"] * 2, np.arange(2))
    assert 80 < measure(wrong)["log_loss"].value < 100


def test_before_the_temperature_is_what_the_nets_said_and_after_is_what_they_say():
    """Two nets, as of two folds: each with its own temperature."""
    raw = part(400, 2.0), part(300, 3.0, seed=1)
    cooled = part(400, 1.0), part(300, 1.0, seed=1)
    nets = [Answers(each, each, temperature) for each, temperature in zip(cooled, (2.0, 3.0), strict=True)]
    found = calibration(nets, seed=0)
    for when, parts in ((found.before, raw), (found.after, cooled)):
        mean = np.average([measure(each)["log_loss"].value for each in parts], weights=[400, 300])
        assert when["log_loss"].value == pytest.approx(mean)
    assert found.after["log_loss"].high < found.before["log_loss"].low
    assert found.temperatures == (2.0, 3.0)
    assert found.images == 700
    figures = found.figures()
    assert figures["ece_before"] > figures["ece"] >= figures["ece_low"] >= 0
    assert calibration(nets, seed=0).figures() == figures
