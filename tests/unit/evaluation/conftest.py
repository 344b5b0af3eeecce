"""Made answers of a net, and names that break naive tables and pictures."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.result import Result, evaluate_part

ODD_NAMES = (
    "$a_1^2$ and $\\frac{",
    "new\nline\ttab",
    "焊缝 裂纹",
    "über.näht/|`*x, y",
    "\U0001f600 <b>\udcff",
    "q'\"uote",
    "",
    "x" * 200,
)

Make = Callable[..., Predictions]


@pytest.fixture
def make_predictions() -> Make:
    def make(sizes: list[int], class_names: tuple[str, ...] | None = None, skill: float = 3.0) -> Predictions:
        rng = np.random.default_rng(0)
        names = class_names or tuple(f"class {k}" for k in range(len(sizes)))
        y_true = np.repeat(np.arange(len(sizes)), sizes)
        logits = rng.normal(size=(len(y_true), len(sizes)))
        logits[np.arange(len(y_true)), y_true] += skill
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        paths = [f"photos/{names[k]}/{row:04d}.jpg" for row, k in enumerate(y_true)]
        return Predictions(names, y_true, probabilities, paths, rows=np.arange(len(y_true)))

    return make


@pytest.fixture
def odd_predictions(make_predictions: Make) -> Predictions:
    return make_predictions([5, 0, 3, 9, 2, 1, 4, 6], ODD_NAMES, skill=1.5)


@pytest.fixture
def evaluated() -> Callable[[Predictions], Result]:
    def evaluate(p: Predictions) -> Result:
        rng = np.random.default_rng(0)
        return evaluate_part(p.y_true, p.y_pred, p.class_names, rng, p.groups, p.probabilities)

    return evaluate


@pytest.fixture
def odd_result(odd_predictions: Predictions, evaluated: Callable[[Predictions], Result]) -> Result:
    return evaluated(odd_predictions)
