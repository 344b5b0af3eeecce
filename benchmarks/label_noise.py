"""How often does the interval hold the share of wrong labels? `python benchmarks/label_noise.py FOLDER ...`.

Gives some photographs another class, at random or the next one (which is harder), lets out-of-fold answers judge the
labels that there are now, and prints the share that was planted, the estimate with its 95% interval, what confident
learning counts, and how often the nets are right by the true labels. Wrong labels that a folder has of its own are not
known, and count for the estimate or against it. Answers are those of a logistic regression on histograms of gradients
(`hog`), of one on 24 x 24 pixels with hardly a restraint, which is far too sure (`sure`), or of nets (`--recipe
key=value,...` are changes of the `train` section of params.yaml; `--recipe epochs=40`).
`digits`: 500 of scikit-learn's, whose labels are right.

    python benchmarks/label_noise.py digits xsdd_weld7 weld_xray_4c --seeds 5
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from quality import Answer, hog, net, prepare
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.data.packed import IndexRow, PackedSet
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility.noise import tell
from pipeline.feasibility.study import FOLDS
from pipeline.report.labels import likely_wrong

PLANTED = [(0.0, "random"), (0.05, "random"), (0.1, "random"), (0.3, "random"), (0.1, "next"), (0.3, "next")]


class Found(NamedTuple):
    """What came of one: shares of all labels, and the accuracy by the true ones."""

    value: float
    low: float
    high: float
    counted: float
    accuracy: float


def digits(count: int = 500) -> tuple[PackedSet, NDArray[np.int64]]:
    """Return some of scikit-learn's digits, 96 x 96, and a group each."""
    all_digits = load_digits()
    rows = np.random.default_rng(0).permutation(len(all_digits.target))[:count]
    images = [cv2.resize((each * 15).astype(np.uint8), (96, 96)) for each in all_digits.images[rows]]
    labels = all_digits.target[rows].astype(np.int64)
    index = tuple(
        IndexRow(f"{k}/{row}.png", str(k), str(row), str(row), "PNG", 1, 8, 8) for row, k in enumerate(labels)
    )
    return PackedSet(np.stack(images), labels, tuple("0123456789"), index), np.arange(count)


def planted(labels: NDArray[np.int64], share: float, kind: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the labels with that share of them wrong."""
    wrong, num_classes = labels.copy(), int(labels.max()) + 1
    rows = rng.choice(len(labels), round(share * len(labels)), replace=False)
    wrong[rows] = (labels[rows] + (rng.integers(1, num_classes, len(rows)) if kind == "random" else 1)) % num_classes
    return wrong


def dealt(labels: NDArray[np.int64], group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the groups of each class to folds."""
    fold = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        for place, number in enumerate(rng.permutation(np.unique(group[labels == label]))):
            fold[group == number] = (place + label) % FOLDS
    return fold


def sure(packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Answer as a logistic regression on 24 x 24 pixels does that has learnt them by heart."""
    pixels = np.array(
        [cv2.resize(each, (24, 24), interpolation=cv2.INTER_AREA).ravel() for each in packed.images], float
    )
    classifier = LogisticRegression(C=10, max_iter=300, random_state=seed)
    model = make_pipeline(StandardScaler(), classifier).fit(pixels[train], packed.labels[train])
    answers = np.zeros((len(judged), len(packed.class_names)), np.float32)
    answers[:, model.classes_] = model.predict_proba(pixels[judged])
    return answers


def judge(
    packed: PackedSet, truth: NDArray[np.int64], group: NDArray[np.int64], answer: Answer, rng: np.random.Generator
) -> Found:
    """Estimate the share of wrong labels of a packed set whose true ones are known."""
    fold, rows = dealt(packed.labels, group, rng), np.arange(len(truth))
    probabilities = np.zeros((len(truth), len(packed.class_names)))
    for each in range(FOLDS):
        train, judged = np.flatnonzero(fold != each), np.flatnonzero(fold == each)
        probabilities[judged] = answer(packed, train, judged, int(rng.integers(1000)))
    paths = [entry.path for entry in packed.index]
    folds = Predictions(packed.class_names, packed.labels, probabilities, paths, rows, group)
    rate = tell(folds, rng).rate
    return Found(
        rate.value,
        rate.low,
        rate.high,
        len(likely_wrong(folds).doubts) / len(truth),
        float((folds.y_pred == truth).mean()),
    )


def main() -> None:
    """Print a line for each share that is planted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipe", help="nets with these changes of the train section of params.yaml")
    arguments = parser.parse_args()
    answers = {"hog": hog, "sure": sure} if arguments.recipe is None else {"nets": net(arguments.recipe)}
    print(f"{'set':<14} {'by':<5} {'planted':<13} held     mean [low, high]       counted  accuracy")
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as place:
            packed, group = digits() if name == "digits" else _packed(Path(name), Path(place))
            for by, answer in answers.items():
                for share, kind in PLANTED:
                    found = []
                    for seed in range(arguments.seeds):
                        rng = np.random.default_rng(seed)
                        noisy = replace(packed, labels=planted(packed.labels, share, kind, rng))
                        found.append(judge(noisy, packed.labels, group, answer, rng))
                    print(f"{Path(name).name:<14} {by:<5} {share:>4.0%} {kind:<8} {_words(found, share)}", flush=True)


def _packed(folder: Path, place: Path) -> tuple[PackedSet, NDArray[np.int64]]:
    packed, table = prepare(folder, place, FOLDS)
    return packed, table.group


def _words(found: list[Found], share: float) -> str:
    held = sum(each.low - 1e-9 <= share <= each.high + 1e-9 for each in found)
    value, low, high, counted, accuracy = np.mean(found, axis=0)
    return f"{held} of {len(found)}   {value:.2f} [{low:.2f}, {high:.2f}]   {counted:>8.2f} {accuracy:>9.2f}"


if __name__ == "__main__":
    main()
