import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ParameterError
from pipeline.evaluation.costs import cost_matrix, least_cost, weigh_costs

NAMES = ("crack", "pore", "sound")


def test_what_is_left_out_costs_one_and_a_right_answer_nothing():
    matrix = cost_matrix({"crack": {"sound": 20.0, "crack": 0.0}, "sound": {"pore": 0.5}}, NAMES)
    assert matrix.tolist() == [[0, 1, 20], [1, 0, 1], [1, 0.5, 0]]


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"crak": {}}, "evaluate.costs: wanted names of classes (crack, pore, sound), found 'crak'"),
        ({"crack": {"sond": 2.0}}, "evaluate.costs: wanted names of classes (crack, pore, sound), found 'sond'"),
        ({"crack": {"crack": 2.0}}, "evaluate.costs.crack.crack: wanted 0 for a right answer, found 2"),
    ],
)
def test_mistakes_are_named(costs, message):
    with pytest.raises(ParameterError) as error:
        cost_matrix(costs, NAMES)
    assert str(error.value) == message


@given(st.integers(0, 1000))
def test_equal_costs_choose_the_likeliest_class(seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), 20)
    assert least_cost(probabilities, cost_matrix({}, NAMES)).tolist() == probabilities.argmax(axis=1).tolist()


@given(st.integers(0, 1000))
def test_no_answer_has_a_lower_expected_cost(seed):
    rng = np.random.default_rng(seed)
    probabilities, matrix = rng.dirichlet(np.ones(4), 20), rng.exponential(size=(4, 4)) * (1 - np.eye(4))
    expected = probabilities @ matrix
    chosen = least_cost(probabilities, matrix)
    assert np.allclose(expected[np.arange(20), chosen], expected.min(axis=1))


def test_a_costly_mistake_is_avoided():
    matrix = cost_matrix({"crack": {"sound": 20.0}}, NAMES)
    assert least_cost(np.array([[0.1, 0.0, 0.9]]), matrix).tolist() == [0]
    assert least_cost(np.array([[0.01, 0.0, 0.99]]), matrix).tolist() == [2]


def test_both_ways_to_decide_are_weighed(make_predictions):
    test = make_predictions([40, 30, 50], NAMES, skill=1.5)
    matrix = cost_matrix({"crack": {"sound": 20.0}}, NAMES)
    found = weigh_costs(test, matrix, seed=0)
    chosen = least_cost(test.probabilities, matrix)
    assert found.least.value == pytest.approx(matrix[test.y_true, chosen].mean())
    assert found.likeliest.value == pytest.approx(matrix[test.y_true, test.y_pred].mean())
    assert found.saved.value == pytest.approx(found.likeliest.value - found.least.value)
    assert found.saved.value > 0
    assert found.changed == (chosen != test.y_pred).sum() > 0
    for measured in (found.least, found.likeliest, found.saved):
        assert measured.low < measured.value < measured.high
    assert weigh_costs(test, matrix, seed=0) == found


def test_a_few_photographs_that_cost_nothing_are_not_called_free(make_predictions):
    found = weigh_costs(make_predictions([2, 2, 2], NAMES, skill=30), cost_matrix({}, NAMES), seed=0)
    assert found.least.value == 0
    assert found.least.high > 0.4
