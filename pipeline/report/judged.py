"""Trained nets, and the photographs on which each of them is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.assignment import Assignment, Parts
from pipeline.data.packed import PackedSet
from pipeline.evaluation.gallery import surest
from pipeline.evaluation.predictions import IntArray, Predictions
from pipeline.training.device import Compute
from pipeline.training.weights import FOLDS, TrainedModel, judged_folder, load


@dataclass(frozen=True, eq=False)
class Judged:
    """What was answered on test, and by which net.

    Attributes
    ----------
    packed : the packed set of N photographs, with the labels and classes that are learnt.
    test : the answers for M of them, those of all folds pooled.
    nets : the nets that were asked: one, or one a fold.
    parts : what each net was trained with.
    by_net : int64 (M,), the place in `nets` of the one that answered.
    group : int64 (N,), photographs with the same number are of one part and not independent.
    """

    packed: PackedSet
    test: Predictions
    nets: tuple[TrainedModel, ...]
    parts: tuple[Parts, ...]
    by_net: IntArray
    group: IntArray

    @property
    def used(self) -> IntArray:
        """int64, ascending: the rows that some net was trained, validated or tested on."""
        rows: IntArray = np.unique(
            np.concatenate([rows for part in self.parts for rows in (part.train, part.val, part.test)])
        )
        return rows

    @property
    def wrong(self) -> IntArray:
        """int64, places in `test`: the mistakes, the most confident first."""
        return surest(self.test, np.flatnonzero(self.test.y_pred != self.test.y_true))

    def hits_of(self, class_number: int) -> IntArray:
        """Return places in `test`: photographs of a class that were given it, the most confident first."""
        y_true, y_pred = self.test.y_true, self.test.y_pred
        return surest(self.test, np.flatnonzero((y_true == class_number) & (y_pred == class_number)))


def judge(nets: Sequence[TrainedModel], packed: PackedSet, assignment: Assignment, test: Predictions) -> Judged:
    """Put together what belongs together; see `why.why_sections` for the parameters."""
    parts = _parts(assignment)
    assert len(parts) == len(nets), (len(parts), len(nets))
    net_of = np.full(len(packed.images), -1)
    for place, part in enumerate(parts):
        net_of[part.test] = place
    by_net = net_of[test.rows]
    assert (by_net >= 0).all()
    return Judged(assignment.apply(packed), test, tuple(nets), parts, by_net, assignment.group)


def judged_nets(models: Path, assignment: Assignment, compute: Compute) -> list[TrainedModel]:
    """Load the nets that are judged, in the order of `judge`. Raises ModelError if one is missing."""
    if not assignment.num_folds:
        return [load(judged_folder(models), compute.device)]
    return [load(models / FOLDS / str(fold), compute.device) for fold in range(assignment.num_folds)]


def _parts(assignment: Assignment) -> tuple[Parts, ...]:
    if not assignment.num_folds:
        return (assignment.parts(),)
    return tuple(assignment.fold_parts(fold) for fold in range(assignment.num_folds))
