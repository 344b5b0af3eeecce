"""The photographs that are studied, and the trainings that are asked about them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.assignment import Assignment
from pipeline.data.deal import Group, deal
from pipeline.data.packed import PackedSet
from pipeline.evaluation.predictions import IntArray, Predictions, pooled
from pipeline.training.recipe import TrainParams

FOLDS = 5
"""A class of fewer groups stands in as many of them as it has."""


@dataclass(frozen=True, eq=False)
class Study:
    """The M photographs that are used, dealt into folds of its own: the parts of `split` have no say.

    Attributes
    ----------
    packed : the packed set of N photographs, with the labels and classes that are learnt.
    rows : int64 (M,), ascending.
    group : int64 (N,), photographs with the same number are of one part and in one fold.
    fold : int64 (N,), 0 to `FOLDS` - 1; -1 where a row is not used.
    seed : of all random choices.
    """

    packed: PackedSet
    rows: IntArray
    group: IntArray
    fold: IntArray
    seed: int

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes."""
        return self.packed.class_names

    @property
    def labels(self) -> IntArray:
        """int64 (M,), 0 to K - 1, of `rows`."""
        labels: IntArray = self.packed.labels[self.rows]
        return labels

    @property
    def support(self) -> IntArray:
        """int64 (K,): the photographs of each class."""
        return np.bincount(self.labels, minlength=len(self.class_names)).astype(np.int64)

    @property
    def groups_of(self) -> IntArray:
        """int64 (K,): the groups that hold photographs of each class."""
        pairs = np.unique(np.stack([self.labels, self.group[self.rows]]), axis=1)[0]
        return np.bincount(pairs, minlength=len(self.class_names)).astype(np.int64)

    def judged(self, fold: int) -> IntArray:
        """Rows of a fold, int64, ascending."""
        return np.flatnonzero(self.fold == fold)

    def taught(self, fold: int) -> IntArray:
        """Rows of all other folds, int64, ascending."""
        return np.flatnonzero((self.fold >= 0) & (self.fold != fold))

    def taught_share(self, fold: int, share: float) -> IntArray:
        """`nested` of `taught`: always the same rows, and a smaller share is a part of a larger one."""
        return nested(self, self.taught(fold), share, np.random.default_rng([self.seed, fold]))


@dataclass(frozen=True, eq=False)
class Training:
    """One net to be trained and asked.

    Attributes
    ----------
    kind : which question it belongs to: "folds", "curve", "shuffled", "nets".
    name : tells it from others of its kind: "fold 0", "1/4, fold 0".
    setting : equal where the answers of several are pooled: "1/4"; empty if all of the kind are.
    recipe : of the net.
    taught, judged : rows, int64, ascending; no row in both.
    seen : rows of `taught` that it is asked about as well, int64, ascending; mostly none.
    labels : int64 (N,), what is learnt: those of the packed set, or shuffled ones.
    """

    kind: str
    name: str
    setting: str
    recipe: TrainParams
    taught: IntArray
    judged: IntArray
    seen: IntArray
    labels: IntArray


def new_study(packed: PackedSet, assignment: Assignment, seed: int) -> Study:
    """Deal all photographs that are used into folds: groups whole, each class in as many folds as it can be."""
    learnt = assignment.apply(packed)
    rows = assignment.everything()
    members: dict[int, list[int]] = {}
    for row in rows.tolist():
        members.setdefault(int(assignment.group[row]), []).append(row)
    groups = [_group(learnt, own, seed) for own in members.values()]
    dealt = deal(groups, [-1] * len(groups), [1 / FOLDS] * FOLDS, range(FOLDS))
    fold = np.full(len(learnt.images), -1, np.int64)
    for place, own in zip(dealt, members.values(), strict=True):
        fold[own] = place
    return Study(learnt, rows, assignment.group, fold, seed)


def _group(packed: PackedSet, rows: Sequence[int], seed: int) -> Group:
    names, counts = np.unique([packed.class_names[packed.labels[row]] for row in rows], return_counts=True)
    first = min(packed.index[row].sha256 for row in rows)
    order = np.random.default_rng([seed, int(first[:16], 16)]).bytes(8)
    return Group(order, dict(zip(names.tolist(), counts.tolist(), strict=True)))


def nested(study: Study, rows: IntArray, share: float, rng: np.random.Generator) -> IntArray:
    """Return about `share` of `rows`, int64, ascending: of every class that share, in whole groups, one group at least.

    With the same state of `rng`, a smaller share is a part of a larger one.
    """
    keys = dict(zip(groups := np.unique(study.group[rows]).tolist(), rng.random(len(groups)).tolist(), strict=True))
    chosen: set[int] = set()
    for label in np.unique(study.packed.labels[rows]).tolist():
        own = rows[study.packed.labels[rows] == label]
        numbers, sizes = np.unique(study.group[own], return_counts=True)
        order = np.argsort([keys[number] for number in numbers.tolist()])
        before = np.cumsum(sizes[order]) - sizes[order]
        # A group is in if its middle is: on average the share is met, and the first always is.
        middle = before + sizes[order] / 2 <= share * len(own)
        middle[0] = True
        chosen.update(numbers[order][middle].tolist())
    taken: IntArray = rows[np.isin(study.group[rows], sorted(chosen))]
    return taken


def answered(study: Study, answers: Sequence[tuple[IntArray, npt.NDArray[np.floating]]]) -> Predictions:
    """Return the answers of several nets, (different rows, probabilities float (len, K)) each, as one, in row order.

    The truth in it is that of the packed set, also where a net learnt other labels.
    """
    return pooled([_predictions(study, rows, probabilities) for rows, probabilities in answers])


def _predictions(study: Study, rows: IntArray, probabilities: npt.NDArray[np.floating]) -> Predictions:
    packed = study.packed
    return Predictions(
        class_names=packed.class_names,
        y_true=packed.labels[rows],
        probabilities=probabilities.astype(np.float64),
        paths=[packed.index[row].path for row in rows.tolist()],
        rows=rows,
        groups=study.group[rows],
    )
