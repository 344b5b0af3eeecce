"""Can the net learn at all? A handful of each class, learnt by heart: see `training.overfit`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Overfit:
    """What came of one net.

    Attributes
    ----------
    model, resolution : the net, and the side of what it is shown, in pixels.
    passed : whether it learnt the handful by heart.
    steps, loss : at its end.
    cause : the likely one if it failed; else empty.
    """

    model: str
    resolution: int
    passed: bool
    steps: int
    loss: float
    cause: str
