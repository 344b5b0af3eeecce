"""How often do 95% intervals hold the truth, and how wide are they? Ours beside the usual ones, by simulation.

A net with known error rates answers test sets of fixed class sizes, again and again; each time every method gives its
intervals, and it is counted how often they hold the score that this net would have on endlessly many images in the
same proportions. Under a minute: `python benchmarks/interval_coverage.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.intervals import class_scores, overall_scores, score_intervals
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, Scores, score

Array = npt.NDArray[np.float64]
# Limits of the scores as one row, precision, recall, F1 by class and then overall: float64 (2, 3 K + 5).
Method = Callable[[npt.NDArray[np.int64], np.random.Generator], Array]

DRAWS = 400
TAILS = (0.025, 0.975)


def scores_of(counts: Array, sizes: npt.NDArray[np.int64]) -> Array:
    """Scores (..., 3 K + 5) of confusion matrices (..., K, K)."""
    hits, given = np.einsum("...kk->...k", counts).copy(), counts.sum(axis=-2)
    per_class = class_scores(hits, sizes, given)
    return np.concatenate([per_class.reshape(*per_class.shape[:-2], -1), overall_scores(hits, sizes, given)], axis=-1)


def ours(confusion: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    num_classes = len(confusion)
    y_true, y_pred = (np.repeat(side.ravel(), confusion.ravel()) for side in np.indices(confusion.shape))
    limits = score_intervals(confusion, score(y_true, y_pred, num_classes), rng, DRAWS)
    return np.stack([_as_row(limit) for limit in limits])


def _as_row(scores: Scores) -> Array:
    per_class = [getattr(scores, name) for name in PER_CLASS]
    return np.concatenate([*per_class, [getattr(scores, name) for name in OVERALL]])


def bootstrap(confusion: npt.NDArray[np.int64], rng: np.random.Generator, smoothing: float = 0.0) -> Array:
    """Percentile bootstrap within each class, with `smoothing` images of even blame mixed in."""
    sizes = confusion.sum(axis=1)
    prior = smoothing * _half_and_half(len(sizes))
    shares = (confusion + prior) / (sizes + prior.sum(axis=1))[:, None]
    rows = [rng.multinomial(size, share, DRAWS) for size, share in zip(sizes, shares, strict=True)]
    return np.quantile(scores_of(np.stack(rows, axis=1).astype(float), sizes), TAILS, axis=0)


def posterior(confusion: npt.NDArray[np.int64], rng: np.random.Generator, half: bool) -> Array:
    """One Dirichlet prior worth one image a row: spread evenly, or half of it right and half wrong (Jeffreys)."""
    num_classes, sizes = len(confusion), confusion.sum(axis=1)
    prior = _half_and_half(num_classes) if half else np.full((num_classes, num_classes), 1 / num_classes)
    gammas = rng.standard_gamma(confusion + prior, size=(DRAWS, num_classes, num_classes))
    counts = gammas / gammas.sum(axis=-1, keepdims=True) * sizes[:, None]
    return np.quantile(scores_of(counts, sizes), TAILS, axis=0)


def wilson(confusion: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    """Recall alone; the rest is not defined."""
    sizes, z = confusion.sum(axis=1), NormalDist().inv_cdf(TAILS[1])
    recall = np.diag(confusion) / sizes
    middle = (recall + z**2 / (2 * sizes)) / (1 + z**2 / sizes)
    reach = z / (1 + z**2 / sizes) * np.sqrt(recall * (1 - recall) / sizes + z**2 / (4 * sizes**2))
    limits = np.full((2, 3 * len(sizes) + len(OVERALL)), np.nan)
    limits[:, len(sizes) : 2 * len(sizes)] = middle - reach, middle + reach
    return limits


def _half_and_half(num_classes: int) -> Array:
    prior = np.full((num_classes, num_classes), 0.5 / (num_classes - 1))
    np.fill_diagonal(prior, 0.5)
    return prior


METHODS: dict[str, Method] = {
    "bootstrap": bootstrap,
    "smoothed bootstrap": partial(bootstrap, smoothing=1.0),
    "Dirichlet 1/K": partial(posterior, half=False),
    "Dirichlet 1/2 + 1/2": partial(posterior, half=True),
    "Wilson": wilson,
    "Weldproof": ours,
}


def error_rates(sizes: npt.NDArray[np.int64], recall: float, blame: str, rng: np.random.Generator) -> Array:
    """A net's chances (K, K) to give each class (column) to an image of each class (row).

    `blame` says where the wrong answers go: "even", "large" (in proportion to the class sizes) or "random".
    """
    num_classes = len(sizes)
    weights = {
        "even": np.ones((num_classes, num_classes)),
        "large": np.tile(sizes.astype(float), (num_classes, 1)),
        "random": rng.dirichlet(np.full(num_classes, 0.5), num_classes) + 1e-9,
    }[blame]
    np.fill_diagonal(weights, 0)
    rates: Array = (1 - recall) * weights / weights.sum(axis=1, keepdims=True)
    np.fill_diagonal(rates, recall)
    return rates


@dataclass(frozen=True)
class Trial:
    """One method on one simulated net: how often its intervals held the truth, and their mean width, (3 K + 5,) each.

    NaN where the method has no interval.
    """

    recall: float
    method: str
    covered: Array
    width: Array

    def of(self, values: Array, name: str) -> Array:
        """Cut one score out of `values`: (K,) for a score by class, a number for another."""
        num_classes = (len(values) - len(OVERALL)) // 3
        by_name: dict[str, Array] = dict(zip(PER_CLASS, values[:-5].reshape(3, num_classes), strict=True))
        by_name |= zip(OVERALL, values[-5:], strict=True)
        return by_name[name]


def simulate(sizes: npt.NDArray[np.int64], recalls: list[float], blame: str, trials: int) -> list[Trial]:
    """Let nets of each recall answer `trials` test sets and take every method's intervals."""
    results = []
    for recall in recalls:
        rng = np.random.default_rng(1)
        rates = error_rates(sizes, recall, blame, rng)
        truth = scores_of(rates * sizes[:, None], sizes)
        samples = [rng.multinomial(sizes, rates) for _ in range(trials)]
        for name, method in METHODS.items():
            low, high = np.stack([method(sample, rng) for sample in samples], axis=1).clip(-1, 1)
            held = np.where(np.isnan(low), np.nan, (low <= truth + 1e-9) & (truth <= high + 1e-9))
            results.append(Trial(recall, name, held.mean(axis=0), (high - low).mean(axis=0)))
    return results


def print_by_size(sizes: npt.NDArray[np.int64], results: list[Trial]) -> None:
    print("Coverage in % by class size, and the mean width of the F1 interval")
    heads = "".join(f"{f'recall {n}':>11s}" for n in sizes) + "".join(f"{f'F1 {n}':>13s}" for n in sizes)
    print(f"{'recall':7s}{'method':20s}{heads}")
    for trial in results:
        f1 = zip(trial.of(trial.covered, "f1"), trial.of(trial.width, "f1"), strict=True)
        cells = "".join(f"{_percent(c):>11s}" for c in trial.of(trial.covered, "recall"))
        cells += "".join(f"{f'{_percent(c)} ({w:.2f})':>13s}" for c, w in f1 if not np.isnan(c))
        print(f"{trial.recall:<7.2f}{trial.method:20s}{cells}")


def print_overall(title: str, results: list[Trial]) -> None:
    print(f"\n{title}\nCoverage in %: by class the mean / the worst; then overall, and the mean width for macro F1")
    heads = ("recall", "precision", "F1", "macro F1", "bal. acc.", "MCC", "accuracy", "width")
    print(f"{'recall':7s}{'method':20s}" + "".join(f"{head:>11s}" for head in heads))
    for trial in results:
        by_class = [trial.of(trial.covered, name) for name in ("recall", "precision", "f1")]
        overall = [trial.of(trial.covered, name) for name in ("macro_f1", "balanced_accuracy", "mcc", "accuracy")]
        cells = [f"{_percent(c.mean())} / {_percent(c.min())}" for c in by_class] + [_percent(c) for c in overall]
        cells.append(f"{trial.of(trial.width, 'macro_f1'):.2f}".replace("nan", "-"))
        print(f"{trial.recall:<7.2f}{trial.method:20s}" + "".join(f"{cell:>11s}" for cell in cells))


def _percent(share: Array) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.0f}"


def main() -> None:
    sizes = np.array([2, 8, 19, 37])
    results = simulate(sizes, [0.6, 0.8, 0.9, 0.95, 0.99], "even", trials=200)
    print_by_size(sizes, results)
    print_overall("4 classes of 2 to 37 test images, mistakes spread evenly; 200 test sets", results)
    uneven = simulate(np.array([100, 17, 7, 12, 23, 2, 4]), [0.8, 0.95, 0.99], "large", trials=200)
    print_overall("7 classes of 2 to 100 test images, mistakes go to large classes; 200 test sets", uneven)
    many = simulate(np.array([2, 4, 8, 20] * 7), [0.8, 0.99], "random", trials=60)
    print_overall("28 classes of 2 to 20 test images, mistakes go anywhere; 60 test sets", many)


if __name__ == "__main__":
    main()
