"""Does a net know its training data? `python benchmarks/outliers.py FOLDER [FOLDER ...]`: detectors beside each other.

Each folder of photographs, a folder a class, goes through the data stages and trains a small net (`--resolution`,
`--epochs`), whose threshold for outliers is chosen on val for 5%. Then it is shown what is none of its photographs:
those of the other folders; black, white and noisy frames; its own test photographs strongly blurred, slightly blurred,
inverted, overexposed and half in the dark; text on a screen; and scikit-learn's two natural photographs, in crops.
Printed for each detector: false alarms on test, the same on average over 500 deals of val and test, and for each kind
the AUROC against test and the share that is flagged; and of which kinds a batch of 20 is told to be too many.

`max softmax` is the plain peer (Hendrycks and Gimpel 2017); then energy (Liu 2020), nearest neighbours in the features
(Sun 2022), Mahalanobis (Lee 2018) and relative Mahalanobis (Ren 2021), ViM (Wang 2022), and the statistics of the
picture without a net. `ours` is `pipeline.training.detector`.

`--near CLASS ...` trains without a class, and asks whether its photographs are noticed. `--retrained` trains one more
net on train and val together, takes the threshold over, and counts false alarms on test, that neither has seen.

    OMP_NUM_THREADS=1 python benchmarks/outliers.py xsdd_weld7 weld_xray_4c data/sample
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from quality import prepare, recipe
from scipy.special import logsumexp, softmax
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_sample_images
from sklearn.metrics import roc_auc_score

from pipeline.data.assignment import NO_ROWS, Rows
from pipeline.data.packed import PackedSet
from pipeline.training.detector import Detector, picture_statistics
from pipeline.training.device import choose_compute
from pipeline.training.features import net_features
from pipeline.training.loop import Trainer
from pipeline.training.outliers import batch_warning, choose_threshold, take_over
from pipeline.training.predict import Answering, answers_of
from pipeline.training.weights import TrainedModel

RATE, MOST = 0.05, 60
Squares = NDArray[np.uint8]
Scores = NDArray[np.float32]


class Set(NamedTuple):
    """A packed set and its parts: row numbers."""

    name: str
    packed: PackedSet
    train: Rows
    val: Rows
    test: Rows


class Seen(NamedTuple):
    """What a net makes of pictures: features (N, D), logits (N, K); and their statistics (N, P)."""

    features: Scores
    logits: Scores
    statistics: Scores


Method = Callable[[Seen, NDArray[np.int64]], Callable[[Seen], Scores]]
"""Train part, its labels -> how unlike it pictures are."""


def pack(folder: Path, place: Path) -> Set:
    place.mkdir()
    packed, table = prepare(folder, place, 0)
    return Set(folder.name, packed, *(getattr(table.parts(), part) for part in ("train", "val", "test")))


def trained(packed: PackedSet, train: Rows, val: Rows, changes: str) -> TrainedModel:
    params = recipe(changes)
    trainer = Trainer(packed, train, val, params, choose_compute(params.device, params.precision))
    for _ in trainer.epochs():
        pass
    return trainer.calibrated()


def text(count: int, side: int, rng: np.random.Generator) -> Squares:
    frames = []
    for number in range(count):
        paper, ink = (20, 230) if number % 2 else (245, 20)
        frame = np.full((600, 800), paper, np.uint8)
        for y in range(30, 600, int(rng.integers(22, 60))):
            line = "".join(map(chr, rng.integers(33, 122, rng.integers(10, 60))))
            font, size = int(rng.integers(0, 4)), float(rng.uniform(0.4, 1.2))
            cv2.putText(frame, line, (20, y), font, size, ink, 1, cv2.LINE_AA)
        frames.append(cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA))
    return np.stack(frames)


def natural(count: int, side: int, rng: np.random.Generator) -> Squares:
    photographs = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in load_sample_images().images]
    crops = []
    for number in range(count):
        photograph, edge = photographs[number % 2], int(rng.integers(side, 420))
        top, left = (int(rng.integers(0, length - edge)) for length in photograph.shape)
        crop = photograph[top : top + edge, left : left + edge]
        crops.append(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA))
    return np.stack(crops)


def blurred(squares: Squares, sigma: float) -> Squares:
    return np.stack([cv2.GaussianBlur(each, (0, 0), sigma) for each in squares])


def frames(low: float, high: float, shape: tuple[int, ...], rng: np.random.Generator) -> Squares:
    """Even frames of a grey level between two, each with a little noise."""
    even = rng.uniform(low, high, (shape[0], 1, 1)) + rng.uniform(0, 3, (shape[0], 1, 1)) * rng.normal(size=shape)
    return np.clip(even, 0, 255).astype(np.uint8)


def kinds(own: Set, others: list[Set], rng: np.random.Generator) -> dict[str, Squares]:
    test = own.packed.images[rng.permutation(own.test)[:MOST]]
    count, side = test.shape[:2]
    dark = test.copy()
    dark[:, :, : side // 2] //= 25
    of_others = {
        f"of {other.name}": other.packed.images[rng.permutation(len(other.packed.images))[:MOST]] for other in others
    }
    return of_others | {
        "black": frames(0, 12, test.shape, rng),
        "white": frames(240, 255, test.shape, rng),
        "noise": rng.integers(0, 256, test.shape, dtype=np.uint8),
        "blur": blurred(test, side / 20),
        "slight blur": blurred(test, side / 56),
        "inverted": 255 - test,
        "overexposed": np.clip(test * 2.0 + 110, 0, 255).astype(np.uint8),
        "half dark": dark,
        "text": text(count, side, rng),
        "natural": natural(count, side, rng),
    }


def seen(net: TrainedModel, squares: Squares) -> Seen:
    features, logits = net_features(net, squares, np.arange(len(squares)))
    return Seen(features, logits, picture_statistics(torch.from_numpy(squares)).numpy())


def unit(features: Scores) -> Scores:
    directions: Scores = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    return directions


def nearest(points: Scores, others: Scores, number: int) -> Scores:
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    found: Scores = np.sqrt(np.maximum(np.sort(squares, axis=1)[:, number - 1], 0))
    return found


def mahalanobis(train: Seen, y_true: NDArray[np.int64], relative: bool) -> Callable[[Seen], Scores]:
    means = np.stack([train.features[y_true == label].mean(axis=0) for label in np.unique(y_true)])
    within = LedoitWolf(assume_centered=True).fit(train.features - means[np.unique(y_true, return_inverse=True)[1]])
    whole = LedoitWolf().fit(train.features)

    def score(those: Seen) -> Scores:
        least: Scores = np.min([within.mahalanobis(those.features - mean) for mean in means], axis=0)
        return least - whole.mahalanobis(those.features) if relative else least

    return score


def vim(train: Seen, _y_true: NDArray[np.int64]) -> Callable[[Seen], Scores]:
    centre = train.features.mean(axis=0)
    axes = np.linalg.svd(train.features - centre, full_matrices=False)[2][:64]

    def residual(those: Seen) -> Scores:
        apart = those.features - centre
        length: Scores = np.linalg.norm(apart - apart @ axes.T @ axes, axis=1)
        return length

    alpha = train.logits.max(axis=1).mean() / max(residual(train).mean(), 1e-9)
    return lambda those: alpha * residual(those) - logsumexp(those.logits, axis=1)


def statistics(train: Seen, _y_true: NDArray[np.int64]) -> Callable[[Seen], Scores]:
    spread = train.statistics.std(axis=0) + 1e-3
    return lambda those: nearest(those.statistics / spread, train.statistics / spread, 1)


METHODS: dict[str, Method] = {
    "max softmax": lambda _train, _y: lambda those: -softmax(those.logits, axis=1).max(axis=1),
    "energy": lambda _train, _y: lambda those: -logsumexp(those.logits, axis=1),
    "nearest feature": lambda train, _y: lambda those: nearest(unit(those.features), unit(train.features), 1),
    "5th nearest feature": lambda train, _y: lambda those: nearest(unit(those.features), unit(train.features), 5),
    "Mahalanobis": lambda train, y: mahalanobis(train, y, relative=False),
    "relative Mahalanobis": lambda train, y: mahalanobis(train, y, relative=True),
    "ViM": vim,
    "statistics alone": statistics,
}


def ours(detector: Detector) -> Callable[[Seen], Scores]:
    return lambda those: detector(torch.from_numpy(those.features), torch.from_numpy(those.statistics)).numpy()


def threshold_of(scores: Scores) -> float:
    """Return the threshold as `choose_threshold` does, also for scores below 0."""
    return float(np.sort(scores)[::-1][choose_threshold(scores, RATE)[1].over])


def dealt_anew(val: Scores, test: Scores) -> float:
    """Return the mean rate of false alarms over deals of what the net has not seen into val and test."""
    both, rng = np.concatenate([val, test]), np.random.default_rng(0)
    deals = (rng.permutation(both) for _ in range(500))
    return float(np.mean([(deal[len(val) :] > threshold_of(deal[: len(val)])).mean() for deal in deals]))


def compare(net: TrainedModel, own: Set, shown: dict[str, Squares]) -> None:
    assert net.detector is not None
    parts = {part: seen(net, own.packed.images[getattr(own, part)]) for part in ("train", "val", "test")}
    pictures = {name: seen(net, squares) for name, squares in shown.items()}
    print(f"\n{own.name}: {len(own.train)} train, {len(own.val)} val, {len(own.test)} test; AUROC, flagged")
    print(f"{'':20}  test deals  " + "  ".join(f"{name[:13]:>13}" for name in shown) + "           mean")
    fitted = {name: method(parts["train"], own.packed.labels[own.train]) for name, method in METHODS.items()}
    for name, score in (fitted | {"ours": ours(net.detector)}).items():
        val, test = score(parts["val"]), score(parts["test"])
        scores, threshold = [score(each) for each in pictures.values()], threshold_of(val)
        areas = [roc_auc_score(np.repeat([0, 1], [len(test), len(each)]), np.append(test, each)) for each in scores]
        flagged = [(each > threshold).mean() for each in scores]
        cells = [f"{area:7.2f} {100 * share:4.0f}%" for area, share in zip(areas, flagged, strict=True)]
        alarms = f"{100 * (test > threshold).mean():4.0f}% {100 * dealt_anew(val, test):4.0f}%"
        mean = f"{np.mean(areas):8.3f} {100 * np.mean(flagged):4.0f}%"
        print(f"{name:20}  {alarms}  " + "  ".join(cells) + f"  {mean}", flush=True)
    told = [name for name, squares in shown.items() if warned(net, squares[:20])]
    print(f"20 of a kind: the warning comes for {', '.join(told)}")


def warned(net: TrainedModel, squares: Squares) -> bool:
    assert net.detector is not None
    scores = answers_of(Answering(net), squares).outlier_scores
    assert scores is not None
    return batch_warning(int((scores > 1).sum()), len(scores), net.detector.promised) is not None


def without(own: Set, held_out: str) -> Set:
    """Return the set as if a class had never been there."""
    label = own.packed.class_names.index(held_out)
    labels = own.packed.labels.copy()
    rows = [part[labels[part] != label] for part in (own.train, own.val, own.test)]
    labels[labels > label] -= 1
    names = tuple(name for name in own.packed.class_names if name != held_out)
    return Set(f"{own.name} without {held_out}", replace(own.packed, labels=labels, class_names=names), *rows)


def retrained(judged: TrainedModel, own: Set, changes: str) -> None:
    """Print the false alarms of a net that was trained on train and val, with the threshold that it takes over."""
    final = trained(own.packed, np.sort(np.append(own.train, own.val)), NO_ROWS, changes)
    assert final.detector is not None
    assert judged.detector is not None
    final = replace(final, detector=take_over(final.detector, [judged.detector]))
    for name, net in {"judged": judged, "trained on train and val": final}.items():
        scores = answers_of(Answering(net), own.packed.images, own.test).outlier_scores
        assert scores is not None
        print(f"{own.name}, {name}: {(scores > 1).sum()} of {len(scores)} of test are flagged", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--near", nargs="*", default=[], metavar="CLASS")
    parser.add_argument("--retrained", action="store_true")
    given = parser.parse_args()
    changes = f"resolution={given.resolution},epochs={given.epochs},outlier_rate={RATE}"
    with tempfile.TemporaryDirectory() as place:
        sets = [pack(folder, Path(place) / str(number)) for number, folder in enumerate(given.folders)]
        for own in sets:
            others = [other for other in sets if other is not own]
            net = trained(own.packed, own.train, own.val, changes)
            compare(net, own, kinds(own, others, np.random.default_rng(0)))
            if given.retrained:
                retrained(net, own, changes)
            for held_out in set(given.near) & set(own.packed.class_names):
                rest = without(own, held_out)
                of_it = own.packed.images[own.packed.labels == own.packed.class_names.index(held_out)]
                compare(trained(rest.packed, rest.train, rest.val, changes), rest, {held_out: of_it})


if __name__ == "__main__":
    main()
