"""The learning rate of each epoch, and why it is what it is."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.training.recipe import TrainParams

_LEAST_FACTOR = 1e-12  # a rate that underflows to 0 trains nothing and says so nowhere

Reason = Literal["start", "warm-up", "schedule", "step", "plateau", ""]


@dataclass(frozen=True)
class Rate:
    """The learning rate of one epoch; `factor` is lr / the recipe's lr, `reason` is "" where nothing changed."""

    lr: float
    factor: float
    reason: Reason


@dataclass(frozen=True)
class PlateauState:
    """What the validation losses seen so far mean for the schedule; all that has to be kept to resume it."""

    best_loss: float = math.inf
    stale_epochs: int = 0
    factor: float = 1.0
    turned_down: bool = False


class Schedule:
    """The learning rates of a recipe. Holds no state: `rate` is a function of the epoch and a `PlateauState`.

    Warm-up of W epochs runs evenly up to the full rate, which epoch W + 1 is the first to have. From there:

    constant
        the full rate.
    steps
        multiplied by ``lr_steps[epoch]`` from that epoch on; factors multiply, and may exceed 1.
    cosine
        half a cosine down to almost 0 in the last epoch (SGDR without restarts, arXiv 1608.03983).
    plateau
        multiplied by `plateau_factor` after `plateau_patience` epochs without a lower validation loss.
    """

    def __init__(self, params: TrainParams) -> None:
        self._params = params

    def rate(self, epoch: int, state: PlateauState) -> Rate:
        """Return the rate of `epoch`, counted from 1, given what was seen up to the epoch before."""
        factor = self._factor(epoch, state)
        return Rate(self._params.lr * factor, factor, self._reason(epoch, state))

    def observe(self, epoch: int, val_loss: float, state: PlateauState) -> PlateauState:
        """Return the state after `epoch` with its validation loss."""
        params = self._params
        if val_loss < state.best_loss:
            return replace(state, best_loss=val_loss, stale_epochs=0, turned_down=False)
        if params.schedule != "plateau" or epoch <= params.warmup_epochs:
            return replace(state, turned_down=False)
        stale_epochs = state.stale_epochs + 1
        if stale_epochs < params.plateau_patience:
            return replace(state, stale_epochs=stale_epochs, turned_down=False)
        factor = max(state.factor * params.plateau_factor, _LEAST_FACTOR)
        return replace(state, stale_epochs=0, factor=factor, turned_down=True)

    def _factor(self, epoch: int, state: PlateauState) -> float:
        params = self._params
        warm_up = min(1.0, epoch / (params.warmup_epochs + 1))
        match params.schedule:
            case "steps":
                return warm_up * math.prod(step for first, step in sorted(params.lr_steps.items()) if first <= epoch)
            case "cosine":
                done = max(0, epoch - params.warmup_epochs - 1) / max(1, params.epochs - params.warmup_epochs)
                return warm_up * (1 + math.cos(math.pi * done)) / 2
            case "plateau":
                return warm_up * state.factor
            case "constant":
                return warm_up

    def _reason(self, epoch: int, state: PlateauState) -> Reason:
        params = self._params
        if params.schedule == "steps" and epoch in params.lr_steps:
            return "step"
        if params.warmup_epochs and epoch <= params.warmup_epochs + 1:
            return "warm-up"
        if epoch == 1:
            return "start"
        if params.schedule == "cosine":
            return "schedule"
        return "plateau" if state.turned_down else ""
