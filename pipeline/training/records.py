"""What is known of an epoch when it is over."""

from dataclasses import dataclass


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
