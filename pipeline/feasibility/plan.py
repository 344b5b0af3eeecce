"""What the minutes are spent on."""

from dataclasses import dataclass

from pipeline.training.recipe import TrainParams


@dataclass(frozen=True)
class Probe:
    """How the findings were come by.

    Attributes
    ----------
    recipe : of the nets that were trained.
    minutes_planned, minutes_used : what it was to take, and took.
    trainings : how many nets were trained.
    left_out : kinds of trainings that there was no time for.
    weaker : how the recipe is weaker than the user's, a sentence; or empty.
    """

    recipe: TrainParams
    minutes_planned: float
    minutes_used: float
    trainings: int
    left_out: tuple[str, ...]
    weaker: str
