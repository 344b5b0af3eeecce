"""Which nets are trained in the time there is, and for how long.

All findings are by one recipe, the probe, so that they can be compared. The budget decides one number, its epochs: as
many as fit, at most those of params.yaml. Where they would be too few the resolution is lower, and where that is not
enough, there is time for the last of `KINDS` only if the others take less than expected.

A smaller set is shown for more epochs, by the square root of how much smaller it is: with as many it would merely be
undertrained, with as many steps it would cost as much as the whole.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.errors import DataError, ParameterError
from pipeline.feasibility.overfit import PER_CLASS, SECONDS
from pipeline.feasibility.recipes import as_probe, of_epochs, smaller
from pipeline.feasibility.study import Study, Training
from pipeline.feasibility.wanted import KINDS, Wanted, all_wanted, folds_of
from pipeline.training.recipe import TrainParams
from pipeline.training.weights import check_unseen

ORIGINAL = "resnet101"
"""What the project began with; whether it can learn at all is asked beside the recipe's net."""

RESERVE = 0.1
"""Of the time, for what no plan knows: other work on the cores, workers that wait for the last, the findings."""

LEAST_EPOCHS = 20
"""For fewer, the resolution is lowered first.

On 623 photographs of steel, in five folds, resnet18 reached a macro F1 of 0.78 with 14 epochs at 96 px, and 0.81 with
27 at 64 px, which took a fifth longer.
"""
LEAST_SHOWN = 4800
"""Images that a net is shown at least, 300 steps of 16: a tiny set needs them as well."""

_MOST_TIMES = 4  # as many epochs as the recipe has, for the sake of that
_ASKED = 3.0  # images shown that one answer costs: up to four looks, in full precision, forward alone
_START = 1.0  # seconds to build a net
_MEASURED = 15.0  # seconds in which the speeds of other nets are known
_BY_HEART = 100  # steps, mostly
_ORIGINAL_SHARE = 0.15  # of the time, that it may take

Speed = Callable[[str, int], float]
"""Net, resolution -> images a second that each of the workers trains by, all at work; 0: it cannot be trained."""


@dataclass(frozen=True)
class Budget:
    """What the trainings may take.

    Attributes
    ----------
    seconds : from begin to end.
    workers : how many trainings go on side by side.
    """

    seconds: float
    workers: int
    speed: Speed


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be trained, in this order.

    Attributes
    ----------
    recipe : the probe.
    trainings : each of which may be in time.
    takes : the seconds that each of them will take.
    overfit : nets that are to learn a handful by heart.
    if_time : those of `KINDS` for which the time is not sure to be enough.
    seconds : that all others will take, side by side.
    """

    recipe: TrainParams
    trainings: tuple[Training, ...]
    takes: tuple[float, ...]
    overfit: tuple[str, ...]
    if_time: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Probe:
    """How the findings were come by.

    Attributes
    ----------
    recipe : of the nets that were taught by all photographs but those of their fold; others differ from it as their
        question asks.
    minutes, used : what it might cost, and what the trainings took, also in earlier runs that were broken off.
    trainings : how many nets were trained.
    left_out : what there was no time for: "nets", or "curve, 1/8".
    in_full : minutes in which, about, these nets would be trained as params.yaml has it; None: they were, or nearly.
    weaker : how the recipe is weaker than that of params.yaml, in words: "27 epochs, not 80"; empty: it is not.
    """

    recipe: TrainParams
    minutes: float
    used: float
    trainings: int
    left_out: tuple[str, ...]
    in_full: float | None
    weaker: tuple[str, ...]


def make_plan(study: Study, recipe: TrainParams, budget: Budget) -> Plan:
    """Return the plan for a budget.

    Raises
    ------
    DataError
        If the photographs are of one class, or all of one group.
    ModelError
        If the nets would begin as one that has learnt from them.
    ParameterError
        If there is no time for even the scores; it says for how long it would be.
    """
    if len(study.class_names) < 2:
        raise DataError(f"feasibility: wanted 2 classes or more, found {len(study.class_names)}")
    if len(folds_of(study)) < 2:
        raise DataError("feasibility: wanted photographs of 2 groups or more, found all in one")
    check_unseen(recipe.weights, study.packed, study.rows.tolist())
    base = as_probe(recipe, study.seed)
    sides = sorted({base.resolution, smaller(base.resolution)}, reverse=True)
    planners = [_Planner(study, base.model_copy(update={"resolution": side}), budget) for side in sides]
    for count in range(len(KINDS), 0, -1):
        for planner in planners:
            epochs = planner.most_epochs(KINDS[:count])
            if epochs:
                return planner.plan(KINDS[:count], epochs)
    raise ParameterError(
        f"feasibility.minutes: wanted {math.ceil(planners[-1].least_minutes())} or more for {len(study.rows)} "
        f"photographs and {base.model} at {sides[-1]} px on this machine, found {budget.seconds / 60:g}"
    )


class _Planner:
    """Plans with one net at one resolution, `recipe`, whose epochs are still those of params.yaml."""

    def __init__(self, study: Study, recipe: TrainParams, budget: Budget) -> None:
        self._recipe, self._budget = recipe, budget
        self._wanted = list(all_wanted(study, recipe))
        whole = min(each.whole for each in self._wanted)
        self._shown = min(LEAST_SHOWN, _MOST_TIMES * recipe.epochs * whole)
        for_shown = math.ceil(self._shown / whole)
        self._least = max(min(LEAST_EPOCHS, recipe.epochs), for_shown)
        self._most = max(recipe.epochs, for_shown)
        self._handful = min(PER_CLASS, int(study.support.min())) * len(study.class_names)

    def most_epochs(self, kinds: Sequence[str]) -> int:
        """Return the most epochs for which trainings of these kinds fit; 0 if even the least do not."""
        most = self._budget.seconds * (1 - RESERVE)
        low, high = self._least, self._most
        if self._seconds(kinds, low) > most:
            return 0
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._seconds(kinds, middle) <= most else (low, middle - 1)
        return low

    def plan(self, kinds: Sequence[str], epochs: int) -> Plan:
        """Return the plan of these epochs."""
        recipe, left = of_epochs(self._recipe, epochs), self._budget.seconds - self._seconds(kinds, epochs)
        trainings = [
            (wanted, self._training(wanted, recipe))
            for wanted in self._wanted
            # Of other nets it must be measured first how fast they are.
            if wanted.kind in kinds or left > self._longest(wanted, epochs) + _MEASURED
        ]
        possible = [(wanted, training) for wanted, training in trainings if training]
        return Plan(
            recipe=recipe,
            trainings=tuple(training for _, training in possible),
            takes=tuple(self._takes(wanted, epochs) for wanted, _ in possible),
            overfit=tuple(self._overfit()),
            if_time=tuple(kind for kind in KINDS if kind not in kinds),
            seconds=self._seconds(kinds, epochs),
        )

    def least_minutes(self) -> float:
        """Return how many minutes the scores alone take."""
        return self._seconds(KINDS[:1], self._least) / (1 - RESERVE) / 60

    def _speed(self) -> float:
        return self._budget.speed(self._recipe.model, self._recipe.resolution)

    def _seconds(self, kinds: Sequence[str], epochs: int) -> float:
        """Return how long it takes: whoever is free takes the next one."""
        free = [0.0] * self._budget.workers
        for seconds in self._overfit().values():
            heapq.heapreplace(free, free[0] + seconds)
        for each in self._wanted:
            if each.kind in kinds:
                heapq.heapreplace(free, free[0] + self._takes(each, epochs))
        return max(free)

    def _takes(self, each: Wanted, epochs: int) -> float:
        """Return how many seconds one training takes; other nets get the time that the recipe's own would take."""
        images = each.epochs(epochs, self._shown) * len(each.taught) + _ASKED * (len(each.judged) + len(each.seen))
        return images / self._speed() + _START

    def _longest(self, each: Wanted, epochs: int) -> float:
        """Return the seconds of the longest training of a question: all of its folds are planned, or none."""
        question = (other for other in self._wanted if (other.kind, other.setting) == (each.kind, each.setting))
        return max(self._takes(other, epochs) for other in question)

    def _overfit(self) -> dict[str, float]:
        """Return the nets that are to learn a handful by heart, and the seconds that each takes, mostly."""
        own = self._recipe.model
        seconds = {own: min(SECONDS, _BY_HEART * self._handful / self._speed())}
        if own != ORIGINAL and _ORIGINAL_SHARE * self._budget.seconds >= SECONDS:
            seconds[ORIGINAL] = SECONDS
        return seconds

    def _training(self, each: Wanted, recipe: TrainParams) -> Training | None:
        """Return the training; None if its net cannot be trained here."""
        epochs = each.epochs(recipe.epochs, self._shown)
        if each.kind == "nets":
            speed = self._budget.speed(each.model, each.resolution)
            if not speed:
                return None
            epochs = max(1, round(epochs * speed / self._speed()))
        own = of_epochs(recipe, epochs).model_copy(update={"model": each.model, "resolution": each.resolution})
        return Training(each.kind, each.name, each.setting, own, each.taught, each.judged, each.seen, each.labels)
