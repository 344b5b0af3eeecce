"""Overfit first: can this net, with this learning rate, learn a few pictures by heart? If not, nothing else will help.

A balanced handful of the train part in one batch, no changes to the pictures, no decay, no smoothing, no average, a
constant rate: the training loss must go to nothing (A. Karpathy, "A recipe for training neural networks", 2019). What
hinders that is a wrong rate, a net or a resolution that cannot see what tells the pictures apart, or labels that
contradict each other.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from pipeline.data.packed import PackedSet
from pipeline.training.augmentation import AugmentParams
from pipeline.training.batches import Labels, Rows, gather, to_resolution
from pipeline.training.recipe import TrainParams
from pipeline.training.records import EpochRecord

PER_CLASS = 8
STEPS = 300
"""At the most; one an epoch, since the handful is one batch."""

LEARNT = 0.01
"""Nats: a loss below this counts as none."""

_HARDLY = 0.9  # of the loss of a guess
_WINDOW = 0.2  # of all epochs: the end of a training, in which its loss may still fall


class Verdict(NamedTuple):
    """What came of it: steps and loss of the last epoch, and, if the test failed, the likely cause."""

    passed: bool
    steps: int
    loss: float
    cause: str

    def __str__(self) -> str:
        """In words."""
        if self.passed:
            return f"pass: learnt by heart in {self.steps} steps, loss {self.loss:.4f}"
        return f"fail: loss {self.loss:.4f} after {self.steps} steps; likely cause: {self.cause}"


def overfit_recipe(params: TrainParams) -> TrainParams:
    """Return the recipe without whatever keeps a net from learning by heart."""
    nothing = {name: type(value)() for name, value in params.augment}
    changes = {
        "augment": AugmentParams.model_validate(nothing),
        "epochs": STEPS,
        "batch_size": "all",
        "balance": "none",
        "label_smoothing": 0.0,
        "weight_decay": 0.0,
        "ema_decay": 0.0,
        "schedule": "constant",
        "warmup_epochs": 0,
        "lr_steps": {},
    }
    return params.model_copy(update=changes)


def handful(labels: Labels, rows: Rows) -> Rows:
    """Return the first few of each class among `rows`: as many of each as the smallest has, at most `PER_CLASS`."""
    members = [rows[labels[rows] == label] for label in np.unique(labels[rows])]
    count = min(PER_CLASS, *map(len, members))
    return np.concatenate([each[:count] for each in members])


def is_learnt(record: EpochRecord) -> bool:
    """Say whether the pictures were learnt by heart when this epoch began."""
    return record.train_loss < LEARNT


def verdict(packed: PackedSet, rows: Rows, params: TrainParams, records: Sequence[EpochRecord]) -> Verdict:
    """Return what came of a training on `rows`."""
    last = records[-1]
    passed = is_learnt(last)
    cause = "" if passed else _likely_cause(packed, rows, params, records)
    return Verdict(passed, last.step, last.train_loss, cause)


def _likely_cause(packed: PackedSet, rows: Rows, params: TrainParams, records: Sequence[EpochRecord]) -> str:
    losses = [record.train_loss for record in records]
    contradictions = _contradictions(packed, rows, params.resolution)
    if contradictions:
        return f"{contradictions} pictures look the same at {params.resolution} px as one of another class"
    if min(losses) > _HARDLY * math.log(len(np.unique(packed.labels[rows]))):
        return f"the loss hardly fell, so lr {params.lr:g} is far too high or too low; try `weldproof lr find`"
    window = max(1, round(_WINDOW * len(losses)))
    before = losses[-2 * window : -window]
    if before and np.mean(losses[-window:]) < 0.9 * np.mean(before):
        return "the loss was still falling: more epochs, or a higher lr"
    return f"the loss no longer falls: a lower lr than {params.lr:g}, a larger net, or more than {params.resolution} px"


def _contradictions(packed: PackedSet, rows: Rows, resolution: int) -> int:
    """Count the pictures that are, to the nearest grey level, as the net is shown them, those of another class too."""
    grey = to_resolution(gather(packed.images, rows, torch.device("cpu")), resolution).round().flatten(1).numpy()
    classes: dict[bytes, set[int]] = {}
    for row, picture in zip(rows, grey, strict=True):
        classes.setdefault(picture.tobytes(), set()).add(int(packed.labels[row]))
    return sum(len(classes[picture.tobytes()]) > 1 for picture in grey)
