"""What is known of an epoch when it is over, and which one counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SETTLED = 0.05


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did.

    Attributes
    ----------
    epoch : counted from 1
    step : optimizer steps so far
    lr, lr_factor, lr_reason : the learning rate, as a multiple of the recipe's, and why it is what it is ("start",
        "warm-up", "schedule", "restart", "step", "plateau", "by hand", or "" where nothing changed)
    train_loss : mean over the epoch's images as they were trained on: changed, balanced, smoothed
    val_loss : mean cross entropy over the validation images as they are; comparable between recipes
    val_macro_f1 : mean of `val_f1`, 0..1
    val_f1 : class name -> F1, 0..1, of the classes that occur in the validation part
    seconds : the epoch with its validation
    images_per_second : of training alone
    """

    epoch: int
    step: int
    lr: float
    lr_factor: float
    lr_reason: str
    train_loss: float
    val_loss: float
    val_macro_f1: float
    val_f1: dict[str, float]
    seconds: float
    images_per_second: float


def kept_epoch(lr: Sequence[float], val_loss: Sequence[float]) -> int:
    """Return which epoch's net is kept, from 0, given each one's learning rate and validation loss.

    The last one at a rate below a twentieth of the highest before it: the net is settled then, and a validation part of
    a few photographs would only choose by chance (docs/recipes.md). Before that, and after the rate was turned up
    again, the one with the lowest loss. Without a validation part (NaN), the last.
    """
    kept, highest = 0, 0.0
    for epoch, (rate, loss) in enumerate(zip(lr, val_loss, strict=True)):
        highest = max(highest, rate)
        if rate < _SETTLED * highest or math.isnan(loss) or loss < val_loss[kept]:
            kept = epoch
    return kept
