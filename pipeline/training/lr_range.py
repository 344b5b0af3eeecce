"""The learning-rate range test: at which rates does a fresh net learn, and from which on does it fall apart?

The rate rises evenly on a logarithmic scale, a step a batch (Smith, arXiv 1506.01186). The loss first stays, then
falls, then rises. Where it is lowest, a higher rate no longer helps: half of that is a good highest rate for a schedule
that warms up and falls.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.data.packed import PackedSet
from pipeline.errors import PipelineError
from pipeline.training.batches import Rows
from pipeline.training.device import Compute, cpu_threads
from pipeline.training.loop import Trainer
from pipeline.training.recipe import TrainParams

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 200

_SMOOTHED = 10  # steps whose mean is shown
_FALLEN_APART = 3.0  # times the lowest loss
_WINDOW = 12  # steps to either side that are averaged: the losses of single batches are noisy
_PART = 0.5


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
    PipelineError
        If the loss is no number at the lowest rates already.
    """
    # Also where the recipe's mode is `overfit`, whose failure may be why somebody asks.
    trainer = Trainer(packed, rows, rows, params.model_copy(update={"mode": "normal"}), compute)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    losses: list[float] = []
    smoothed: list[float] = []
    with cpu_threads(params.threads):
        for loss in tqdm(trainer.losses_at(rates), "lr find", STEPS, unit="step", disable=None):
            losses.append(loss)
            smoothed.append(float(np.mean(losses[-_SMOOTHED:])))
            if not smoothed[-1] < _FALLEN_APART * min(smoothed):
                break
    measured = len(losses) - 1 if not math.isfinite(losses[-1]) else len(losses)
    if measured <= 2 * _WINDOW:
        raise PipelineError(f"lr find: wanted a net that bears a rate of {LOWEST:g}, found loss {losses[-1]:g}")
    lr = rates[:measured]
    return LrRange(lr, np.array(smoothed[:measured]), _below_lowest(lr, np.array(losses[:measured])))


def _below_lowest(lr: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """Return a part of the rate about which the losses are lowest."""
    places = range(_WINDOW, len(losses) - _WINDOW)
    means = [losses[place - _WINDOW : place + _WINDOW].mean() for place in places]
    return _PART * float(lr[places[int(np.argmin(means))]])
