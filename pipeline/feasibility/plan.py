"""What the minutes are spent on."""

from dataclasses import dataclass

from pipeline.training.recipe import TrainParams


@dataclass(frozen=True)
class Probe:
    """How the findings were come by.

    Attributes
    ----------
    recipe : of the nets that were taught by all photographs but those of their fold.
    minutes, used : what it might cost, and what it took.
    trainings : how many nets were trained.
    left_out : what there was no time for: "nets", or "curve, 1/8".
    weaker : how the recipe is weaker than that of params.yaml, in words: "27 epochs, not 80"; empty: it is not.
    """

    recipe: TrainParams
    minutes: float
    used: float
    trainings: int
    left_out: tuple[str, ...]
    weaker: tuple[str, ...]
