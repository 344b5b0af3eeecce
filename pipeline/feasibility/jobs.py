"""What a worker does: train a net and ask it, learn a handful by heart, or see how fast it goes."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data.assignment import NO_ROWS
from pipeline.data.packed import PackedSet
from pipeline.evaluation.predictions import IntArray
from pipeline.feasibility import overfit
from pipeline.feasibility.overfit import Overfit
from pipeline.feasibility.recipes import of_epochs
from pipeline.feasibility.study import Study, Training
from pipeline.feasibility.workers import Shown
from pipeline.training.device import Compute, cpu_threads
from pipeline.training.loop import Trainer
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.recipe import TrainParams

_FEW = 64  # images
_SECONDS = 1.5
_ENDLESS = 1_000_000  # epochs


class Answer(NamedTuple):
    """What came of a training.

    Attributes
    ----------
    probabilities : float32 (J, K), of the J rows that it is judged on.
    seen : float32 (S, K), of the S rows of those that it was taught.
    seconds : that it took.
    """

    probabilities: npt.NDArray[np.float32]
    seen: npt.NDArray[np.float32]
    seconds: float


@dataclass(frozen=True, eq=False)
class Ask:
    """Train a net and ask it; tells how many images it was shown.

    Attributes
    ----------
    images : where they are packed: in each process, memory that all share.
    """

    images: Path
    class_names: tuple[str, ...]
    compute: Compute
    training: Training

    def __call__(self, shown: Shown) -> Answer:
        """Raises PipelineError as `Trainer` does."""
        start, asked = time.monotonic(), self.training
        packed = PackedSet(np.load(self.images, mmap_mode="r"), asked.labels, self.class_names, ())
        trainer = Trainer(packed, asked.taught, NO_ROWS, asked.recipe, self.compute)
        for _ in trainer.epochs():
            shown(len(asked.taught))
        kept = trainer.kept
        kept.net.to(self.compute.device)
        with cpu_threads(asked.recipe.threads):
            rows = np.concatenate([asked.judged, asked.seen])
            probabilities = class_probabilities(predict_logits(kept, packed.images, rows))
        judged, seen = np.split(probabilities, [len(asked.judged)])
        return Answer(judged, seen, time.monotonic() - start)


@dataclass(frozen=True, eq=False)
class MeasureSpeed:
    """Return the images a second that a recipe trains by, from real epochs of a few images."""

    images: Path
    class_names: tuple[str, ...]
    compute: Compute
    recipe: TrainParams
    labels: IntArray
    taught: IntArray

    def __call__(self, _: Shown) -> float:
        """Raises PipelineError as `Trainer` does."""
        packed = PackedSet(np.load(self.images, mmap_mode="r"), self.labels, self.class_names, ())
        rows, recipe = self.taught[:: -(-len(self.taught) // _FEW)], of_epochs(self.recipe, _ENDLESS)
        trainer = Trainer(packed, rows, NO_ROWS, recipe, self.compute)
        epochs = trainer.epochs()
        next(epochs)  # what is slow once, for memory and the choice of kernels
        start, shown = time.monotonic(), 0
        while time.monotonic() - start < _SECONDS:
            next(epochs)
            shown += len(rows)
        return shown / (time.monotonic() - start)


@dataclass(frozen=True, eq=False)
class LearnByHeart:
    """`overfit.check` of one net."""

    images: Path
    study: Study
    recipe: TrainParams
    model: str
    compute: Compute

    def __call__(self, _: Shown) -> Overfit:
        """Raises PipelineError as `Trainer` does."""
        packed = replace(self.study.packed, images=np.load(self.images, mmap_mode="r"))
        (found,) = overfit.check(replace(self.study, packed=packed), self.recipe, [self.model], self.compute)
        return found
