"""What a net said about the photographs of one part."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.assignment import Assignment, Parts
from pipeline.data.packed import PackedSet
from pipeline.errors import ModelError
from pipeline.text import shown
from pipeline.training.detector import Promise
from pipeline.training.device import Compute
from pipeline.training.predict import Answering, answers_of
from pipeline.training.weights import FOLDS, TrainedModel, judged_folder, load

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answers for the N photographs of one part, in row order.

    Attributes
    ----------
    class_names : the K classes.
    y_true : int64 (N,), 0 to K - 1.
    probabilities : float64 (N, K), each row sums to 1.
    paths : N source paths.
    rows : int64 (N,), where each photograph stands in `images.npy`.
    groups : int64 (N,), any numbers: photographs with the same one belong together. Where none are given, each
        photograph stands for itself.
    outlier_scores : float64 (N,), above 1 for what is unlike all in training; None: the net cannot say.
    """

    class_names: tuple[str, ...]
    y_true: IntArray
    probabilities: FloatArray
    paths: Sequence[str]
    rows: IntArray
    groups: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    outlier_scores: FloatArray | None = None

    def __post_init__(self) -> None:
        if not len(self.groups):
            object.__setattr__(self, "groups", self.rows)
        images, classes = len(self.y_true), len(self.class_names)
        assert self.probabilities.shape == (images, classes), self.probabilities.shape
        lengths = len(self.paths), len(self.rows), len(self.groups)
        assert set(lengths) == {images}, (lengths, images)

    @property
    def y_pred(self) -> IntArray:
        """int64 (N,): the likeliest class; the first of equals."""
        best: IntArray = self.probabilities.argmax(axis=1)
        return best

    @property
    def confidence(self) -> FloatArray:
        """float64 (N,): the probability of the predicted class, 1/K to 1."""
        highest: FloatArray = self.probabilities.max(axis=1)
        return highest


@dataclass(frozen=True, eq=False)
class Answers:
    """What one net says of photographs that it has not learnt.

    Attributes
    ----------
    val : what chose its epoch, fitted its temperature, and may choose thresholds.
    test : what has chosen nothing.
    temperature : that its probabilities are made with.
    promise : what its threshold for outliers is worth; None: it has none.
    """

    val: Predictions
    test: Predictions
    temperature: float
    promise: Promise | None = None


def predict_nets(models: Path, packed: PackedSet, assignment: Assignment, compute: Compute) -> list[Answers]:
    """Let the trained nets that are judged answer for their ``test`` and ``val`` parts: one net, or one a fold.

    Raises
    ------
    ModelError
        If a net is missing, or was trained for other classes.
    """
    learnt = assignment.apply(packed)
    if not assignment.num_folds:
        return [_answers(load(judged_folder(models), compute.device), learnt, assignment.parts(), assignment.group)]
    return [
        _answers(
            load(models / FOLDS / str(fold), compute.device), learnt, assignment.fold_parts(fold), assignment.group
        )
        for fold in range(assignment.num_folds)
    ]


def _answers(trained: TrainedModel, packed: PackedSet, parts: Parts, group: IntArray) -> Answers:
    val, test = (replace(predict_part(trained, packed, rows), groups=group[rows]) for rows in (parts.val, parts.test))
    return Answers(val, test, trained.card.temperature, trained.detector.promised if trained.detector else None)


def pooled_parts(nets: Sequence[Answers]) -> dict[str, Predictions]:
    """Return all answers for ``test`` and for ``val``.

    With folds, every photograph that is used is in both. No net answers for what it was trained on, nor, in ``test``,
    for what chose its epoch.
    """
    return {"test": pooled([net.test for net in nets]), "val": pooled([net.val for net in nets])}


def pooled(pieces: Sequence[Predictions]) -> Predictions:
    """Return the answers of several nets for different photographs as one, in row order."""
    rows = np.concatenate([piece.rows for piece in pieces])
    order = np.argsort(rows)
    scores = [piece.outlier_scores for piece in pieces if piece.outlier_scores is not None]
    paths = [path for piece in pieces for path in piece.paths]
    return Predictions(
        class_names=pieces[0].class_names,
        y_true=np.concatenate([piece.y_true for piece in pieces])[order],
        probabilities=np.concatenate([piece.probabilities for piece in pieces])[order],
        paths=[paths[place] for place in order],
        rows=rows[order],
        groups=np.concatenate([piece.groups for piece in pieces])[order],
        outlier_scores=np.concatenate(scores)[order] if len(scores) == len(pieces) else None,
    )


def predict_part(trained: TrainedModel, packed: PackedSet, rows: IntArray) -> Predictions:
    """Let a net answer for `rows` of a packed set.

    Raises
    ------
    ModelError
        If the net was trained for other classes.
    """
    if trained.card.class_names != packed.class_names:
        raise ModelError(
            f"wanted a net for the classes {shown(', '.join(packed.class_names))}, "
            f"found one for {shown(', '.join(trained.card.class_names))}"
        )
    said = answers_of(Answering(trained), packed.images, rows)
    return Predictions(
        class_names=packed.class_names,
        y_true=packed.labels[rows],
        probabilities=said.probabilities.astype(np.float64),
        paths=[packed.index[row].path for row in rows],
        rows=rows,
        outlier_scores=None if said.outlier_scores is None else said.outlier_scores.astype(np.float64),
    )
