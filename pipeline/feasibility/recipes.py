"""The recipe of the trainings: that of params.yaml, as far as there is time."""

import math
from collections.abc import Mapping

from pipeline.training.moves import STOP, Move
from pipeline.training.recipe import TrainParams

_SIDE = 32  # nets of patches and of many strides want multiples of it
_LARGER, _SMALLER = 1.5, 2 / 3


def as_probe(recipe: TrainParams, seed: int) -> TrainParams:
    """Return a recipe as nets are trained that are asked once and forgotten, one process each, without validation.

    Moves of the learning rate, `stop` among them, are those up to the end of the training.
    """
    stop = min((epoch for epoch, moves in recipe.lr_steps.items() if STOP in moves), default=recipe.epochs + 1)
    epochs = min(recipe.epochs, stop - 1)
    forced = {
        "mode": "normal",
        "seed": seed,
        "final": "ensemble",
        "epochs": epochs,
        # It falls by the validation loss, and there are no photographs to spare for that.
        "schedule": "cosine" if recipe.schedule == "plateau" else recipe.schedule,
        "lr_steps": {epoch: moves for epoch, moves in recipe.lr_steps.items() if epoch <= epochs},
        "launcher": "python",
        "compile": False,
        # As many trainings as cores go side by side; and the answers do not hang on how many there are.
        "threads": 1,
    }
    return recipe.model_copy(update=forced)


def of_epochs(recipe: TrainParams, epochs: int) -> TrainParams:
    """Return a recipe of another length: its learning rate takes the same course in that time."""
    by = epochs / recipe.epochs
    changes = {
        "epochs": epochs,
        "warmup_epochs": min(max(1, round(recipe.warmup_epochs * by)), epochs - 1) if recipe.warmup_epochs else 0,
        "restart_epochs": max(1, round(recipe.restart_epochs * by)),
        "lr_steps": _moved_in_time(recipe.lr_steps, by),
    }
    return recipe.model_copy(update=changes)


def _moved_in_time(steps: Mapping[int, tuple[Move, ...]], by: float) -> dict[int, tuple[Move, ...]]:
    moved: dict[int, tuple[Move, ...]] = {}
    for epoch, moves in sorted(steps.items()):
        # After the same share of the epochs.
        new = 1 + round((epoch - 1) * by)
        moved[new] = moved.get(new, ()) + moves
    return moved


def pixels_shown(recipe: TrainParams) -> int:
    """Return how many pixels of each photograph a training looks at, which is about what its time goes by."""
    return recipe.epochs * recipe.resolution**2


def smaller(resolution: int) -> int:
    """Return about two thirds of a resolution, 32 at least."""
    return max(_SIDE, _SIDE * round(resolution * _SMALLER / _SIDE))


def another(resolution: int, stored: int) -> int:
    """Return a resolution to compare with: about one and a half times, or where no more is stored, two thirds."""
    larger = _SIDE * math.floor(resolution * _LARGER / _SIDE)
    return larger if resolution < larger <= stored else smaller(resolution)


def weaker(probe: TrainParams, recipe: TrainParams) -> tuple[str, ...]:
    """Return in words how a probe is weaker than the recipe it was made of."""
    said = []
    if probe.epochs < recipe.epochs:
        said.append(f"{probe.epochs} epochs, not {recipe.epochs}")
    if probe.resolution < recipe.resolution:
        said.append(f"{probe.resolution} px, not {recipe.resolution}")
    if probe.schedule != recipe.schedule:
        said.append(f"schedule {probe.schedule}, not {recipe.schedule}")
    return tuple(said)
