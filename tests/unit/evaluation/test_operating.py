import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.evaluation.operating import alarm_threshold, curve, fewest_for, miss_threshold, operating_points
from pipeline.evaluation.predictions import Answers, Predictions

RATES = st.floats(0.001, 0.999)
# Few different values, so that equal scores come up.
SCORES = arrays(np.float64, st.integers(1, 60), elements=st.sampled_from(np.linspace(0, 1, 12).tolist()))


def part(scores, is_sound, classes=("sound", "crack", "pore")):
    """Photographs with these scores against `sound`; what is not sound is a crack and a pore in turn."""
    scores, is_sound = np.asarray(scores, float), np.asarray(is_sound, bool)
    y_true = np.where(is_sound, 0, 1 + np.arange(len(scores)) % 2)
    rest = scores / (len(classes) - 1)
    probabilities = np.column_stack([1 - scores, *[rest] * (len(classes) - 1)])
    return Predictions(classes, y_true, probabilities, ["p"] * len(scores), np.arange(len(scores)))


def random_part(sound, defects, seed):
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.beta(1, 4, sound), rng.beta(4, 1, defects)])
    return part(scores, np.repeat([True, False], [sound, defects]))


@given(SCORES, RATES)
def test_the_rate_is_held_where_the_threshold_is_chosen(scores, rate):
    assert (scores >= alarm_threshold(scores, rate)).mean() <= rate
    assert (scores < miss_threshold(scores, rate)).mean() <= rate


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1), unique=True), RATES)
def test_no_threshold_that_promises_as_much_is_nearer(scores, rate):
    """One photograph more on the wrong side, and the expected rate of new ones would be too high."""
    for wrong in ((scores >= alarm_threshold(scores, rate)).sum(), (scores < miss_threshold(scores, rate)).sum()):
        assert (wrong + 2) / (len(scores) + 1) > rate - 1e-9
        assert wrong == 0 or (wrong + 1) / (len(scores) + 1) <= rate + 1e-9


@pytest.mark.parametrize(("sound", "rate"), [(75, 0.05), (30, 0.1), (99, 0.01)])
def test_new_photographs_keep_the_rate_on_average(sound, rate):
    rng = np.random.default_rng(0)
    thresholds = [alarm_threshold(rng.random(sound), rate) for _ in range(4000)]
    assert rate - 0.02 < np.mean(1 - np.array(thresholds)) < rate + 0.002
    thresholds = [miss_threshold(rng.random(sound), rate) for _ in range(4000)]
    assert rate - 0.02 < np.mean(thresholds) < rate + 0.002


def test_without_photographs_everything_raises_an_alarm():
    assert alarm_threshold(np.empty(0), 0.05) == miss_threshold(np.empty(0), 0.05) == 0


@pytest.mark.parametrize(("rate", "count"), [(0.01, 99), (0.05, 19), (0.5, 1), (0.1, 9), (0.29, 3)])
def test_how_many_it_takes(rate, count):
    assert fewest_for(rate) == count


def test_each_net_has_its_own_threshold_and_the_counts_are_pooled():
    # The scores of the second are all shifted: one threshold for both would be wrong.
    first = Answers(part([0.1, 0.2, 0.7, 0.8], [1, 1, 0, 0]), part([0.15, 0.25, 0.9, 0.1], [1, 1, 0, 0]), 1.0)
    second = Answers(part([0.5, 0.6, 0.9, 0.95], [1, 1, 0, 0]), part([0.55, 0.58, 0.95, 0.99], [1, 1, 0, 0]), 1.0)
    alarms, misses, likeliest = operating_points([first, second], 0, 0.05, 0.1)
    assert alarms.thresholds == pytest.approx((0.2, 0.6))
    assert (alarms.false_alarms.count, alarms.false_alarms.of) == (1, 4)
    assert (alarms.misses.count, alarms.misses.of) == (1, 4)
    assert alarms.escaped == {"pore": 1}
    assert (alarms.val_false_alarms.count, alarms.val_misses.count) == (0, 0)
    assert misses.thresholds == pytest.approx((0.7, 0.9))
    assert (misses.false_alarms.count, misses.misses.count) == (0, 1)
    assert likeliest.thresholds == likeliest.notes == ()
    assert likeliest.misses.count == 1
    assert "in one fold" in alarms.notes[0]


def test_test_has_no_say_in_the_thresholds():
    val = random_part(60, 40, 0)
    found = [operating_points([Answers(val, random_part(9, 9, seed), 1.0)], 0, 0.1, 0.1) for seed in (1, 2)]
    assert [p.thresholds for p in found[0]] == [p.thresholds for p in found[1]]


def test_small_counts_are_said_in_words():
    point = operating_points([Answers(random_part(6, 40, 0), random_part(6, 40, 1), 1.0)], 0, 0.01, 0.05)[0]
    assert point.words() == "false alarms at most 1%"
    assert point.notes == (
        "val has 6 sound photographs; to promise 1% takes 99. The threshold is the one at which none of them is on the "
        "wrong side.",
        "6 sound photographs in test cannot show 1%: even with none on the wrong side it could be 45.9%.",
    )
    none = operating_points([Answers(random_part(0, 9, 0), random_part(3, 9, 1), 1.0)], 0, 0.05, 0.05)[0]
    assert "val has 0 sound photographs" in none.notes[0]
    assert "everything raises an alarm" in none.notes[0]
    assert (none.false_alarms.count, none.misses.count) == (3, 0)
    many = operating_points([Answers(random_part(99, 99, 0), random_part(400, 400, 1), 1.0)], 0, 0.01, 0.01)
    assert [point.notes for point in many] == [(), (), ()]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 100))
def test_the_curve_goes_from_alarms_for_all_to_alarms_for_none(sound, defects, seed):
    false_alarms, misses = curve([Answers(random_part(1, 1, 0), random_part(sound, defects, seed), 1.0)], 0)
    assert (false_alarms[0], misses[0]) == (1, 0)
    assert (false_alarms[-1], misses[-1]) == (0, 1)
    assert (np.diff(false_alarms) <= 0).all()
    assert (np.diff(misses) >= 0).all()


def test_points_of_one_net_lie_on_the_curve():
    net = Answers(random_part(50, 50, 0), random_part(70, 60, 1), 1.0)
    on_curve = np.column_stack(curve([net], 0))
    for point in operating_points([net], 0, 0.05, 0.05)[:2]:
        assert np.abs(on_curve - [point.false_alarms.value, point.misses.value]).sum(axis=1).min() < 1e-9


@pytest.mark.parametrize(("sound", "defects"), [(0, 5), (5, 0)])
def test_no_curve_without_both(sound, defects):
    assert len(curve([Answers(random_part(3, 3, 0), random_part(sound, defects, 1), 1.0)], 0)[0]) == 0
