"""Is the net or the picture size the limit? Other nets and resolutions, given the same time."""

from dataclasses import dataclass

from pipeline.evaluation.estimates import Measured


@dataclass(frozen=True)
class Option:
    """A net at a resolution.

    Attributes
    ----------
    model, resolution : the net, and the side of what it is shown, in pixels.
    epochs : what it was trained for in the time.
    macro_f1 : on the photographs that all options answered for.
    gain : over the first option, paired.
    """

    model: str
    resolution: int
    epochs: int
    macro_f1: Measured
    gain: Measured


@dataclass(frozen=True)
class Limits:
    """The options, the recipe's own first.

    Attributes
    ----------
    judged : photographs that all of them answered for.
    """

    options: tuple[Option, ...]
    judged: int
