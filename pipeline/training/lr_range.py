"""The learning-rate range test: at which rates does a fresh net learn, and from which on does it fall apart?

The rate rises evenly on a logarithmic scale, a step a batch, over some two passes of the images (Smith, arXiv
1506.01186). The smoothed loss first stays, then falls, then rises. Where it falls most steeply, the net learns fastest;
an average over many steps needs somewhat less, a schedule that falls can have somewhat more.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.data.packed import PackedSet
from pipeline.training.batches import Rows
from pipeline.training.device import Compute, cpu_threads
from pipeline.training.loop import Trainer
from pipeline.training.recipe import TrainParams

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 120

_SMOOTHING = 0.9  # of the moving average of the losses
_FALLEN_APART = 3.0  # times the lowest loss
_EDGE = 5  # steps at the start, of which the moving average knows too little


class LrRange(NamedTuple):
    """What the test found: float64 (S,) each, up to where the net fell apart, and the rate that it suggests."""

    lr: NDArray[np.float64]
    loss: NDArray[np.float64]
    suggested: float


def lr_range_test(packed: PackedSet, rows: Rows, params: TrainParams, compute: Compute) -> LrRange:
    """Train a fresh net on `rows` by the recipe, but for its rate, which rises from `LOWEST` to `HIGHEST`.

    Raises
    ------
    ModelError, ParameterError, DataError
        As `Trainer` does.
    """
    trainer = Trainer(packed, rows, rows, params, compute)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    losses: list[float] = []
    average, lowest = 0.0, math.inf
    with cpu_threads(params.threads):
        for step, loss in enumerate(tqdm(trainer.losses_at(rates), "lr find", STEPS, unit="step", disable=None), 1):
            average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
            losses.append(average / (1 - _SMOOTHING**step))
            lowest = min(lowest, losses[-1])
            if not losses[-1] < _FALLEN_APART * lowest:
                break
    measured = np.array(losses)
    measured = measured[np.isfinite(measured)]
    return LrRange(rates[: len(measured)], measured, _steepest(rates[: len(measured)], measured))


def _steepest(lr: NDArray[np.float64], loss: NDArray[np.float64]) -> float:
    """Return the rate at which the loss falls most steeply over the logarithm of the rate, before its lowest point."""
    end = max(int(loss.argmin()), _EDGE + 2)
    slope = np.gradient(loss, np.log(lr))
    return float(lr[_EDGE + int(slope[_EDGE:end].argmin())])
