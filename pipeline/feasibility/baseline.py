"""A classifier without a net: histograms of oriented gradients, and a logistic regression with balanced classes.

N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection" (CVPR 2005): 9 directions in 8 x 8 cells
of 12 x 12 pixels, normalised over 2 x 2 cells. It learns in seconds, and is what a net must beat to be worth its time.
"""

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions
from pipeline.feasibility.study import FOLDS, Study, answered

SIDE, CELLS, DIRECTIONS = 96, 8, 9
_REGULARISATION = 0.1  # fixed: to choose it, a handful of photographs would have to be divided once more


def gradient_histograms(images: npt.NDArray[np.uint8]) -> FloatArray:
    """Return the features, float64 (N, 1764), of pictures uint8 (N, H, W)."""
    down, across = (_shrinking(side) for side in images.shape[1:])
    # Whole grey levels: less than one is no edge. On the steel of docs/recipes.md macro F1 is 0.46 with, 0.39 without.
    return np.array([_histograms(np.rint(down @ image @ across.T)) for image in images])


def probabilities(taught: FloatArray, labels: IntArray, judged: FloatArray, num_classes: int) -> FloatArray:
    """Learn from features (N, D) and their labels (N,), and return the answers for others (M, D): float64 (M, K)."""
    answers = np.zeros((len(judged), num_classes))
    if len(classes := np.unique(labels)) < 2:
        answers[:, classes] = 1.0
        return answers
    classifier = LogisticRegression(C=_REGULARISATION, class_weight="balanced", max_iter=5000)
    # Turned, so that there are no more features than photographs, which changes no answer and saves time.
    model = make_pipeline(StandardScaler(), PCA(svd_solver="full"), classifier)
    with threadpool_limits(1):  # more wait for each other longer than they compute
        answers[:, classes] = model.fit(taught, labels).predict_proba(judged)
    return answers


def out_of_fold(study: Study) -> Predictions:
    """Return its answers for all photographs of a study, each by what was learnt from the other folds."""
    features, labels, fold = gradient_histograms(study.packed.images[study.rows]), study.labels, study.fold[study.rows]
    answers = []
    for k in range(FOLDS):
        own = fold == k
        if own.any():
            said = probabilities(features[~own], labels[~own], features[own], len(study.class_names))
            answers.append((study.judged(k), said))
    return answered(study, answers)


def _shrinking(side: int) -> FloatArray:
    """Return what turns `side` pixels into `SIDE`, each the mean of the pixels that it covers: float64 (SIDE, side)."""
    ends = np.arange(SIDE + 1)[:, None] * side / SIDE
    covered: FloatArray = np.diff(np.clip(ends - np.arange(side), 0, 1), axis=0)
    covered /= covered.sum(axis=1, keepdims=True)
    return covered


def _histograms(grey: FloatArray) -> FloatArray:
    down, across = np.zeros((2, SIDE, SIDE))
    down[1:-1], across[:, 1:-1] = grey[2:] - grey[:-2], grey[:, 2:] - grey[:, :-2]
    directions = (np.arctan2(down, across) % np.pi / np.pi * DIRECTIONS).astype(np.int64) % DIRECTIONS
    cells = np.arange(SIDE) * CELLS // SIDE
    places = (cells[:, None] * CELLS + cells) * DIRECTIONS + directions
    sums = np.bincount(places.ravel(), np.hypot(across, down).ravel(), minlength=CELLS * CELLS * DIRECTIONS)
    cell = sums.reshape(CELLS, CELLS, DIRECTIONS)
    ends = slice(None, -1), slice(1, None)
    blocks = np.concatenate([cell[y, x] for y in ends for x in ends], axis=2)
    normalised: FloatArray = blocks / (np.linalg.norm(blocks, axis=2, keepdims=True) + 1)
    return normalised.ravel()
