"""The learning rate of each epoch, and why it is what it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.training.moves import STOP, Move, merged, moved
from pipeline.training.recipe import TrainParams

_LEAST_FACTOR = 1e-12  # a rate that underflows to 0 trains nothing and says so nowhere
_ONE_CYCLE_START = 1 / 25  # of the full rate (fastai's value, and PyTorch's)

Reason = Literal["start", "warm-up", "schedule", "restart", "step", "plateau", "by hand", ""]

NO_MOVES: Mapping[int, tuple[Move, ...]] = {}


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
    """The learning rates of a recipe. Holds no state: `rate` is a function of the epoch, a `PlateauState`, and moves.

    Warm-up of W epochs runs evenly up to the full rate, which epoch W + 1 is the first to have. From there:

    constant, steps
        the full rate. `steps` says that it is moved by `lr_steps`, as any schedule may be.
    cosine
        half a cosine down to almost 0 in the last epoch (SGDR without restarts, arXiv 1608.03983).
    restarts
        the same over `restart_epochs`, and again from the full rate, each time over `restart_growth` times as many
        epochs (SGDR).
    one_cycle
        half a cosine up from a 25th of the full rate in the warm-up, and half a cosine down to almost 0 (the rates, not
        the momenta, of arXiv 1708.07120).
    plateau
        multiplied by `plateau_factor` after `plateau_patience` epochs without a lower validation loss.

    The moves of `lr_steps`, and those made by hand, then change what the schedule says (see `moves`).
    """

    def __init__(self, params: TrainParams) -> None:
        self._params = params

    def rate(self, epoch: int, state: PlateauState, by_hand: Mapping[int, tuple[Move, ...]] = NO_MOVES) -> Rate:
        """Return the rate of `epoch`, counted from 1, given what was seen up to the epoch before.

        Parameters
        ----------
        by_hand : epoch -> moves made by hand that hold from it on
        """
        planned = self._params.lr * self._factor(epoch, state)
        moves = merged(self._params.lr_steps, by_hand)
        lr = moved(planned, (move for first, each in moves.items() if first <= epoch for move in each))
        return Rate(lr, lr / self._params.lr, self._reason(epoch, state, by_hand))

    def goes_on(self, epoch: int, by_hand: Mapping[int, tuple[Move, ...]] = NO_MOVES) -> bool:
        """Say whether there is to be an epoch of this number."""
        moves = merged(self._params.lr_steps, by_hand)
        return epoch <= self._params.epochs and not any(STOP in each for e, each in moves.items() if e <= epoch)

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
        if params.schedule == "one_cycle" and epoch <= params.warmup_epochs:
            risen = _fallen(params.warmup_epochs - epoch + 1, params.warmup_epochs)
            return _ONE_CYCLE_START + (1 - _ONE_CYCLE_START) * risen
        warm_up = min(1.0, epoch / (params.warmup_epochs + 1))
        after = max(0, epoch - params.warmup_epochs - 1)
        match params.schedule:
            case "cosine" | "one_cycle":
                return warm_up * _fallen(after, max(1, params.epochs - params.warmup_epochs))
            case "restarts":
                return warm_up * _fallen(*self._place_in_cycle(after))
            case "plateau":
                return warm_up * state.factor
            case "constant" | "steps":
                return warm_up

    def _place_in_cycle(self, after: int) -> tuple[int, int]:
        """Return how many epochs of its cycle came before, and how many the cycle has, `after` epochs of full rate."""
        # Rounded for each cycle by itself: rounded again and again, 1.1 times 4 would stay 4.
        exact = float(self._params.restart_epochs)
        while after >= (length := max(1, round(exact))):
            after -= length
            exact *= self._params.restart_growth
        return after, length

    def _reason(self, epoch: int, state: PlateauState, by_hand: Mapping[int, tuple[Move, ...]]) -> Reason:
        if epoch in by_hand:
            return "by hand"
        if epoch in self._params.lr_steps:
            return "step"
        if self._params.warmup_epochs and epoch <= self._params.warmup_epochs + 1:
            return "warm-up"
        return "start" if epoch == 1 else self._reason_of_schedule(epoch, state)

    def _reason_of_schedule(self, epoch: int, state: PlateauState) -> Reason:
        match self._params.schedule:
            case "restarts":
                return "schedule" if self._place_in_cycle(epoch - self._params.warmup_epochs - 1)[0] else "restart"
            case "cosine" | "one_cycle":
                return "schedule"
            case _:
                return "plateau" if state.turned_down else ""


def _fallen(done: int, length: int) -> float:
    """Return half a cosine: 1 at the start, almost 0 in the last of `length` epochs."""
    return (1 + math.cos(math.pi * done / length)) / 2
