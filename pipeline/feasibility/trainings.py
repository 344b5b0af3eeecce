"""The trainings of a study: planned, run side by side, and kept."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline.errors import PipelineError
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility.jobs import Ask, LearnByHeart, MeasureSpeed
from pipeline.feasibility.kept import Kept
from pipeline.feasibility.overfit import Overfit
from pipeline.feasibility.plan import Budget, Plan, Probe, make_plan
from pipeline.feasibility.recipes import as_probe, pixels_shown, weaker
from pipeline.feasibility.study import Study, Training, answered
from pipeline.feasibility.wanted import KINDS, SEEN, folds_of
from pipeline.feasibility.workers import Job, Workers
from pipeline.training.device import Compute
from pipeline.training.recipe import TrainParams

logger = logging.getLogger(__name__)

_MUCH_LONGER = 1.5  # times; a training in full that takes less than that more is no other one
_LAST = 0.95  # of the time: what could be left out has ended by then, and nothing begins any more


@dataclass(frozen=True, eq=False)
class Trained:
    """What all nets answered.

    Attributes
    ----------
    answers : kind -> setting -> the answers of all its nets; what there was no time for is missing.
    seen : the answers of the recipe's own nets, each for photographs that it was taught with: all, if there was time.
    recipes : kind -> setting -> that of its first net: epochs may differ a little from fold to fold.
    overfit : what came of the nets that were to learn a handful by heart.
    """

    answers: Mapping[str, Mapping[str, Predictions]]
    seen: Predictions | None
    recipes: Mapping[str, Mapping[str, TrainParams]]
    overfit: tuple[Overfit, ...]
    probe: Probe


@dataclass(frozen=True, eq=False)
class _Task:
    """A job.

    Attributes
    ----------
    keep : keeps its answer.
    kind : that it belongs to.
    images : that it shows.
    takes : the seconds for which there must still be time when it begins.
    sure : whether the time is sure to be enough.
    """

    job: Job
    keep: Callable[[Any], None]
    kind: str
    images: int
    takes: float = 0.0
    sure: bool = True


class StudyTrainings:
    """All trainings of a study.

    Parameters
    ----------
    images : where the study's pictures are packed.
    recipe : that of params.yaml.
    minutes : that all of it may take, with what it took in earlier runs that were broken off.
    side_by_side : how many go on at once.
    """

    def __init__(
        self, study: Study, images: Path, recipe: TrainParams, minutes: float, compute: Compute, side_by_side: int
    ) -> None:
        self._study, self._images, self._recipe, self._compute = study, images.resolve(), recipe, compute
        self._minutes, self._side_by_side = minutes, side_by_side
        self.kept = Kept(study, recipe, minutes, compute)
        self._begun, self._before = time.monotonic(), self.kept.seconds

    def run(self) -> Trained:
        """Train what is not kept, keep it, and return all answers.

        Raises
        ------
        PipelineError
            If there is too little time, a training fails, or the system ends one.
        """
        with Workers(self._side_by_side) as workers:
            plan = make_plan(
                self._study, self._recipe, Budget(60 * self._minutes, workers.count, partial(self._speed, workers))
            )
            self._work(plan, workers)
        self.kept.remove_others(
            {self.kept.name_of(each) for each in plan.trainings}
            | {self.kept.name_of_overfit(plan.recipe, net) for net in plan.overfit}
        )
        return self._trained(plan)

    def _speed(self, workers: Workers, model: str, resolution: int) -> float:
        """Return the images a second that each of the workers trains by, measured once."""
        name = f"{model}, {resolution} px"
        if name not in self.kept.speeds:
            logger.info("feasibility: how fast is %s here?", name)
            self.kept.speeds[name] = self._measured(workers, model, resolution)
            self._note_time()
        return self.kept.speeds[name]

    def _measured(self, workers: Workers, model: str, resolution: int) -> float:
        own = as_probe(self._recipe, self._study.seed)
        recipe = own.model_copy(update={"model": model, "resolution": resolution})
        packed, taught = self._study.packed, self._study.taught(folds_of(self._study)[0])
        job = MeasureSpeed(self._images, packed.class_names, self._compute, recipe, packed.labels, taught)
        try:
            speeds = [speed for _, speed in workers.run([job] * workers.count, lambda _: None)]
        except PipelineError as error:
            if model == own.model:
                raise
            logger.warning("feasibility: without %s: %s", model, error)
            return 0.0
        return float(np.mean(speeds))

    def _note_time(self) -> None:
        self.kept.seconds = self._before + time.monotonic() - self._begun
        self.kept.note()

    def _work(self, plan: Plan, workers: Workers) -> None:
        tasks = list(self._missing(plan))
        left, images = Counter(task.kind for task in tasks), sum(task.images for task in tasks if task.sure)
        of = len(plan.trainings) + len(plan.overfit)
        logger.info(
            "feasibility: %s, %d epochs, up to %d nets, %d of them kept from before; %d side by side on %s",
            *(plan.recipe.title, plan.recipe.epochs, of, of - len(tasks), workers.count, self._compute.device),
        )
        until = self._begun - self._before + 60 * _LAST * self._minutes
        with logging_redirect_tqdm(), tqdm(total=images, desc="feasibility", unit="image", disable=None) as bar:

            def begins(number: int) -> bool:
                task = tasks[number]
                in_time = time.monotonic() + task.takes < until
                bar.total += task.images if in_time and not task.sure else 0
                return in_time

            for number, answer in workers.run([task.job for task in tasks], bar.update, begins):
                task = tasks[number]
                task.keep(answer)
                self._note_time()
                left[task.kind] -= 1
                if not left[task.kind]:
                    logger.info("feasibility: %s: done, after %.1f minutes", task.kind, self.kept.seconds / 60)

    def _missing(self, plan: Plan) -> Iterator[_Task]:
        packed, compute, kept = self._study.packed, self._compute, self.kept
        # The pictures stay where they are: each process opens them.
        study = replace(self._study, packed=replace(packed, images=packed.images[:0], index=()))
        for net in plan.overfit:
            if kept.overfit(plan.recipe, net) is None:
                by_heart = LearnByHeart(self._images, study, plan.recipe, net, compute)
                yield _Task(by_heart, partial(kept.keep_overfit, plan.recipe, net), "learnt by heart", 0)
        trainings = zip(plan.trainings, plan.takes, strict=True)
        missing = [(each, takes) for each, takes in trainings if kept.answer(each) is None]
        left = Counter((each.kind, each.setting) for each, _ in missing)
        for each, takes in missing:
            # A part of the folds answers nothing: the first of them begins where there is time for all.
            rounds = math.ceil(left[each.kind, each.setting] / self._side_by_side)
            left[each.kind, each.setting] -= 1
            yield _Task(
                job=Ask(self._images, packed.class_names, compute, each),
                keep=partial(kept.keep, each),
                kind=each.kind,
                images=each.recipe.epochs * len(each.taught),
                # Without the scores there is nothing to say: they may take longer than was thought.
                takes=0.0 if each.kind == KINDS[0] else rounds * takes,
                sure=each.kind not in plan.if_time,
            )

    def _trained(self, plan: Plan) -> Trained:
        together: dict[tuple[str, str], list[Training]] = {}
        for each in plan.trainings:
            together.setdefault((each.kind, each.setting), []).append(each)
        answers: dict[str, dict[str, Predictions]] = {}
        recipes: dict[str, dict[str, TrainParams]] = {}
        seen: Predictions | None = None
        planned = {kind for kind, _ in together}
        missing, count = [(kind, "") for kind in plan.if_time if kind not in planned], 0
        for (kind, setting), trainings in together.items():
            kept = [(each, found) for each in trainings if (found := self.kept.answer(each))]
            count += len(kept)
            if len(kept) < len(trainings):
                missing.append((kind, setting))
                continue
            pooled = answered(self._study, [(each.judged, found.probabilities) for each, found in kept])
            answers.setdefault(kind, {})[setting] = pooled
            if kind == SEEN:
                seen = answered(self._study, [(each.seen, found.seen) for each, found in kept])
            recipes.setdefault(kind, {})[setting] = trainings[0].recipe
        missing.sort(key=lambda each: KINDS.index(each[0]))
        # A kind by itself where nothing came of it.
        left_out = dict.fromkeys(f"{kind}, {setting}" if kind in answers else kind for kind, setting in missing)
        if left_out:
            logger.warning("feasibility: no time was left for %s; feasibility.minutes gives more", "; ".join(left_out))
        used, short = self.kept.seconds / 60, weaker(plan.recipe, self._recipe)
        longer = pixels_shown(as_probe(self._recipe, 0)) / pixels_shown(plan.recipe)
        in_full = used * longer if longer >= _MUCH_LONGER else None
        probe = Probe(plan.recipe, self._minutes, used, count, tuple(left_out), in_full, short)
        return Trained(answers, seen, recipes, self._overfit(plan), probe)

    def _overfit(self, plan: Plan) -> tuple[Overfit, ...]:
        found = [self.kept.overfit(plan.recipe, net) for net in plan.overfit]
        return tuple(each for each in found if each)
