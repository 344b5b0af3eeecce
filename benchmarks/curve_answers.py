"""Real learning curves: what learners answer that were taught by ever smaller shares of a set. Kept in a folder.

A draw deals the photographs into five folds anew; every learner is taught by nested shares of four of them and answers
for the fifth, as `pipeline.feasibility.study` has it. `forecast_coverage.py` reads what is kept here.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from quality import hog, net, prepare
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.data.assignment import Assignment, read_assignment
from pipeline.data.packed import IndexRow, PackedSet, open_packed
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility.study import FOLDS, Study, answered, nested, new_study

SHARES = (1.0, 0.5, 0.25, 0.125, 0.0625)
NET = "resolution=48,epochs={epochs},batch_size=32,lr=1e-3,threads=1"
EPOCHS, MOST_EPOCHS = 12, 48  # a small share is shown as many pictures as a large one, up to a point

Learner = Callable[[PackedSet, NDArray[np.int64], NDArray[np.int64], int], NDArray[np.float32]]


def of_epochs(share: float) -> int:
    """Return the epochs of a net that is taught by this share."""
    return int(min(EPOCHS / share, MOST_EPOCHS))


def pixels(packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Balanced logistic regression on the pixels."""
    return _fitted(LogisticRegression(C=0.1, class_weight="balanced", max_iter=3000), packed, train, judged)


def nearest(packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """The nearest neighbour, by the pixels."""
    return _fitted(KNeighborsClassifier(1), packed, train, judged)


def _fitted(
    classifier: LogisticRegression | KNeighborsClassifier,
    packed: PackedSet,
    train: NDArray[np.int64],
    judged: NDArray[np.int64],
) -> NDArray[np.float32]:
    flat = packed.images.reshape(len(packed.images), -1).astype(np.float64)
    model = make_pipeline(StandardScaler(), classifier).fit(flat[train], packed.labels[train])
    answers = np.zeros((len(judged), len(packed.class_names)), np.float32)
    answers[:, model.classes_] = model.predict_proba(flat[judged])
    return answers


def learner(name: str, share: float) -> Learner:
    """Return a learner by its name."""
    cheap: dict[str, Learner] = {"hog": hog, "pixels": pixels, "nearest": nearest}
    return cheap[name] if name in cheap else net(NET.format(epochs=of_epochs(share)))


def digits(draw: int, noise: float, sizes: tuple[int, ...]) -> tuple[PackedSet, Assignment]:
    """scikit-learn's handwritten digits, cut to these class sizes, a share of the labels shuffled."""
    rng, found = np.random.default_rng(draw), load_digits()
    order = rng.permutation(10)
    kept = [rng.permutation(np.flatnonzero(found.target == k))[:size] for k, size in zip(order, sizes, strict=True)]
    labels = np.repeat(np.arange(10), [len(own) for own in kept])
    images = (found.images[np.concatenate(kept)] * 15).astype(np.uint8)
    wrong = np.flatnonzero(rng.random(len(labels)) < noise)
    labels[wrong] = labels[rng.permutation(wrong)]
    index = tuple(
        IndexRow(f"{row}", str(label), f"{row:064x}", f"{row:064x}", "PNG", 64, 8, 8)
        for row, label in enumerate(labels.tolist())
    )
    count = len(labels)
    names = tuple(map(str, range(10)))
    split = Assignment(names, labels, np.full(count, "train"), np.full(count, -1), 0, np.arange(count))
    return PackedSet(images, labels, names, index), split


UNEVEN = (178, 174, 150, 116, 85, 58, 37, 19, 12, 8)
MADE = {
    "digits": (0.0, (170,) * 10),
    "digits_uneven": (0.0, UNEVEN),
    "digits_wrong": (0.2, UNEVEN),
}


def opened(source: str, draw: int, cache: Path) -> tuple[PackedSet, Assignment]:
    """Return one of `MADE`, or a folder of photographs, packed into the cache once."""
    if source in MADE:
        return digits(draw, *MADE[source])
    place = cache / Path(source).name
    if not (place / "packed").exists():
        place.mkdir(parents=True)
        return prepare(Path(source), place, FOLDS)
    packed = open_packed(place / "packed")
    table = read_assignment(place / "split" / "assignment.csv", packed)
    return table.apply(packed), table


def answers(source: str, name: str, draw: int, cache: Path) -> dict[float, Predictions]:
    """Return what a learner answers at each share, from the cache as far as it is there."""
    packed, table = opened(source, draw, cache)
    study = new_study(packed, table, draw)
    return {
        share: _answers(study, name, share, cache / f"{Path(source).name}-{name}-{draw}-{share}.npz")
        for share in SHARES
    }


def _answers(study: Study, name: str, share: float, kept: Path) -> Predictions:
    if not kept.exists():
        torch.set_num_threads(1)
        pieces = {}
        for fold in range(FOLDS):
            rng = np.random.default_rng([study.seed, fold])
            taught = nested(study, study.taught(fold), share, rng)
            said = learner(name, share)(study.packed, taught, study.judged(fold), study.seed)
            counts = np.bincount(study.packed.labels[taught], minlength=len(study.class_names))
            pieces |= {f"said{fold}": said, f"taught{fold}": counts}
        np.savez_compressed(kept, **pieces)
    with np.load(kept) as pieces:
        return answered(study, [(study.judged(fold), pieces[f"said{fold}"]) for fold in range(FOLDS)])


def taught_counts(source: str, name: str, draw: int, cache: Path) -> dict[float, NDArray[np.float64]]:
    """Return how many photographs of each class taught at each share, on average over the folds, from the cache."""
    counts = {}
    for share in SHARES:
        with np.load(_place(source, name, draw, share, cache)) as pieces:
            counts[share] = np.mean([pieces[f"taught{fold}"] for fold in range(FOLDS)], axis=0)
    return counts


def _place(source: str, name: str, draw: int, share: float, cache: Path) -> Path:
    return cache / f"{Path(source).name}-{name}-{draw}-{share}.npz"
