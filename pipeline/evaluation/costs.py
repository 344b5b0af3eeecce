"""Decisions of least expected cost: what a mistake costs depends on what is taken for what.

Given probabilities that mean what they say, the class to answer is the one with the lowest sum of p(true) x cost(true,
answer) (R. Duda and P. Hart, "Pattern Classification and Scene Analysis", 1973, chapter 2). Nothing is fitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ParameterError
from pipeline.evaluation.estimates import Measured, mean_of
from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions
from pipeline.text import shown

Costs = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class CostResult:
    """Mean cost a photograph of test.

    Attributes
    ----------
    least, likeliest : of the decisions of least expected cost, and of the likeliest class
    saved : likeliest - least, photograph by photograph
    changed : photographs for which the two decide differently
    """

    least: Measured
    likeliest: Measured
    saved: Measured
    changed: int

    def figures(self) -> dict[str, float]:
        """Return the entry in `metrics.json`."""
        return {
            f"{name}{end}": getattr(getattr(self, name), attribute)
            for name in ("least", "likeliest", "saved")
            for end, attribute in (("", "value"), ("_low", "low"), ("_high", "high"))
        }


def cost_matrix(costs: Costs, class_names: Sequence[str]) -> FloatArray:
    """Return float64 (K, K): the cost of each answer (column) for each true class (row).

    Parameters
    ----------
    costs : true class -> answer -> cost, at least 0. What is left out costs 1, a right answer 0.

    Raises
    ------
    ParameterError
        If a name is no class, or a right answer is to cost something.
    """
    places = {name: place for place, name in enumerate(class_names)}
    matrix: FloatArray = 1 - np.eye(len(class_names))
    for true, row in costs.items():
        for name in (true, *row):
            if name not in places:
                raise ParameterError(
                    f"evaluate.costs: wanted names of classes ({shown(', '.join(class_names))}), found {shown(name)!r}"
                )
        if row.get(true):
            raise ParameterError(
                f"evaluate.costs.{shown(true)}.{shown(true)}: wanted 0 for a right answer, found {row[true]:g}"
            )
        for answer, cost in row.items():
            matrix[places[true], places[answer]] = cost
    return matrix


def least_cost(probabilities: FloatArray, matrix: FloatArray) -> IntArray:
    """Return int64 (N,): the answers of least expected cost for probabilities (N, K); the likeliest class of equals."""
    expected = probabilities @ matrix
    least = expected <= expected.min(axis=1, keepdims=True)
    best: IntArray = np.where(least, probabilities, -1).argmax(axis=1)
    return best


def weigh_costs(test: Predictions, matrix: FloatArray, seed: int) -> CostResult:
    """Return what both ways to decide cost on test.

    Parameters
    ----------
    seed : of the draws behind the intervals
    """
    chosen = least_cost(test.probabilities, matrix)
    least, likeliest = matrix[test.y_true, chosen], matrix[test.y_true, test.y_pred]
    most = float(matrix.max())

    def mean(values: FloatArray, lowest: float) -> Measured:
        return mean_of(values, (lowest, most), np.random.default_rng(seed), groups=test.groups)

    return CostResult(
        least=mean(least, 0.0),
        likeliest=mean(likeliest, 0.0),
        saved=mean(likeliest - least, -most),
        changed=int((chosen != test.y_pred).sum()),
    )
