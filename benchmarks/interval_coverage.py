"""How often do 95% intervals hold the truth, and how wide are they? Ours beside the usual ones, by simulation.

A net with known error rates answers test sets of fixed class sizes, again and again; each time every method gives its
intervals, and it is counted how often they hold the score that this net would have on endlessly many images in the
same proportions. First with photographs that are independent; then with groups, in which an answer is that of the group
with probability sqrt(correlation), and the photograph's own otherwise; then average precision, with scores that share a
part of their noise within a group. `python benchmarks/interval_coverage.py [photographs] [groups] [ranking]`: ten
minutes for all of it on one core, one for the first.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.groups import clusters
from pipeline.evaluation.intervals import class_scores, overall_scores, score_intervals
from pipeline.evaluation.metrics import OVERALL, PER_CLASS, Scores, confusion_matrix, score
from pipeline.evaluation.ranking import average_precision

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
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


# Group sizes, and the correlations within them that are tried.
GROUPS = {"1": (0.0,), "2-4": (0.0, 0.5, 1.0), "10": (0.0, 0.5, 1.0), "1, 4, 10": (0.5,)}
SMALL, UNEVEN = np.array([8, 19, 37]), np.array([75, 13, 6, 9, 17, 2, 3])


def draw_groups(sizes: Ints, kind: str, rng: np.random.Generator) -> Ints:
    """Divide the photographs of each class into groups; the last of a class has what is left."""
    drawn: list[int] = []
    for size in sizes.tolist():
        ends = drawn[-1] + 1 if drawn else 0
        lengths = {"1": [1], "2-4": [2, 3, 4], "10": [10], "1, 4, 10": [1, 1, 1, 4, 10]}[kind]
        counts = rng.choice(lengths, size)
        drawn += (ends + np.repeat(np.arange(size), counts)[:size]).tolist()
    return np.array(drawn)


def grouped_answers(y_true: Ints, groups: Ints, rates: Array, rho: float, rng: np.random.Generator) -> Ints:
    """Let a net with these error rates answer, alike within groups with a correlation of `rho`."""
    place = np.where(
        rng.random(len(groups)) < np.sqrt(rho), rng.random(groups.max() + 1)[groups], rng.random(len(groups))
    )
    answers: Ints = (place[:, None] > rates.cumsum(axis=1)[y_true][:, :-1]).sum(axis=1)
    return answers


def whole_groups(y_true: Ints, y_pred: Ints, groups: Ints, rng: np.random.Generator) -> Array:
    """Percentile bootstrap of the groups within each class."""
    num_classes = int(y_true.max()) + 1
    cells = np.zeros((groups.max() + 1, num_classes**2))
    np.add.at(cells, (groups, y_true * num_classes + y_pred), 1)
    counts = drawn_groups(y_true, groups, rng) @ cells
    rows = counts.reshape(DRAWS, num_classes, num_classes)
    sizes = np.bincount(y_true)
    return np.quantile(scores_of(rows / rows.sum(axis=2, keepdims=True) * sizes[:, None], sizes), TAILS, axis=0)


def drawn_groups(y_true: Ints, groups: Ints, rng: np.random.Generator) -> Array:
    """How often each group is drawn, (DRAWS, G), as many within each class as there are."""
    classes = y_true[np.unique(groups, return_index=True)[1]]
    counts = np.zeros((DRAWS, len(classes)))
    for k in np.unique(classes):
        own = np.flatnonzero(classes == k)
        counts[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), DRAWS)
    return counts


def grouped_ours(y_true: Ints, y_pred: Ints, groups: Ints, rng: np.random.Generator) -> Array:
    num_classes = int(y_true.max()) + 1
    confusion, value = confusion_matrix(y_true, y_pred, num_classes), score(y_true, y_pred, num_classes)
    together = clusters(y_true, y_pred, groups, num_classes)
    return np.stack([_as_row(limit) for limit in score_intervals(confusion, value, rng, DRAWS, together)])


def simulate_groups(sizes: Ints, kind: str, rho: float, recalls: list[float], trials: int) -> list[Trial]:
    """As `simulate`, with groups: ours, ours with each photograph for itself, and both plain bootstraps."""
    results, y_true = [], np.repeat(np.arange(len(sizes)), sizes)
    for recall in recalls:
        rng = np.random.default_rng(1)
        rates = error_rates(sizes, recall, "even", rng)
        truth = scores_of(rates * sizes[:, None], sizes)
        limits: dict[str, list[Array]] = {}
        for _ in range(trials):
            groups = draw_groups(sizes, kind, rng)
            y_pred = grouped_answers(y_true, groups, rates, rho, rng)
            confusion = confusion_matrix(y_true, y_pred, len(sizes))
            limits.setdefault("bootstrap", []).append(bootstrap(confusion, rng))
            limits.setdefault("bootstrap of groups", []).append(whole_groups(y_true, y_pred, groups, rng))
            limits.setdefault("each for itself", []).append(ours(confusion, rng))
            limits.setdefault("Weldproof", []).append(grouped_ours(y_true, y_pred, groups, rng))
        for name, found in limits.items():
            low, high = np.stack(found, axis=1).clip(-1, 1)
            held = (low <= truth + 1e-9) & (truth <= high + 1e-9)
            results.append(Trial(recall, name, held.mean(axis=0), (high - low).mean(axis=0)))
    return results


def made_scores(
    y_true: Ints, groups: Ints, num_classes: int, skill: float, rho: float, rng: np.random.Generator
) -> Array:
    """Probabilities of a net that sees the true class through noise, of which a share `rho` is that of the group."""
    noise = np.sqrt(rho) * rng.normal(size=(groups.max() + 1, num_classes))[groups]
    logits = noise + np.sqrt(1 - rho) * rng.normal(size=noise.shape) + skill * np.eye(num_classes)[y_true]
    powers: Array = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def weighted_ap(y_true: Ints, probabilities: Array, weights: Array) -> Array:
    """Average precision of each class, (DRAWS, K), with weights (DRAWS, N) and no two equal probabilities."""
    found = []
    for k, scores in enumerate(probabilities.T):
        order = np.argsort(-scores)
        sorted_weights, own = weights[:, order], y_true[order] == k
        precision = (sorted_weights * own).cumsum(axis=1) / np.maximum(sorted_weights.cumsum(axis=1), 1e-9)
        found.append((precision * sorted_weights * own).sum(axis=1) / (sorted_weights * own).sum(axis=1))
    return np.stack(found, axis=1)


def ranking_limits(y_true: Ints, probabilities: Array, groups: Ints, rng: np.random.Generator) -> dict[str, Array]:
    """Limits of the average precision by method, (2, K + 1): by class and their mean."""
    found = average_precision(y_true, probabilities, groups, rng, DRAWS)
    limits = {"Weldproof": np.array([[*found.low, found.mean.low], [*found.high, found.mean.high]])}
    for name, drawn in (("bootstrap", np.arange(len(y_true))), ("bootstrap of groups", groups)):
        values = weighted_ap(y_true, probabilities, drawn_groups(y_true, drawn, rng)[:, drawn])
        values = np.column_stack([values, values.mean(axis=1)])
        limits[name] = np.quantile(values, TAILS, axis=0)
    return limits


def print_ranking(sizes: Ints, trials: int) -> None:
    print(f"\nAverage precision, class sizes {sizes.tolist()}; {trials} test sets each")
    print("Coverage in % (mean width) by class, then of the mean over classes")
    heads = "".join(f"{f'of {size}':>12s}" for size in sizes)
    print(f"{'groups of':11s}{'corr.':7s}{'true mean':11s}{'method':20s}{heads}{'mean':>12s}")
    y_true, many = np.repeat(np.arange(len(sizes)), sizes), np.repeat(np.arange(len(sizes)), sizes * 2000)
    weights = np.ones((1, len(many)))
    for kind, rho in [(kind, rho) for kind, rhos in GROUPS.items() for rho in rhos]:
        for skill in (0.0, 1.0, 2.0, 3.0):
            rng = np.random.default_rng(1)
            endless = made_scores(many, np.arange(len(many)), len(sizes), skill, 0.0, rng)
            truth = weighted_ap(many, endless, weights)[0]
            truth = np.append(truth, truth.mean())
            limits: dict[str, list[Array]] = {}
            for _ in range(trials):
                groups = draw_groups(sizes, kind, rng)
                made = made_scores(y_true, groups, len(sizes), skill, rho, rng)
                for name, found in ranking_limits(y_true, made, groups, rng).items():
                    limits.setdefault(name, []).append(found)
            for name, each in limits.items():
                low, high = np.stack(each, axis=1)
                held, width = ((low <= truth) & (truth <= high)).mean(axis=0), (high - low).mean(axis=0)
                cells = "".join(f"{f'{_percent(h)} ({w:.2f})':>12s}" for h, w in zip(held, width, strict=True))
                print(f"{kind:11s}{rho:<7}{truth[-1]:<11.2f}{name:20s}{cells}")


def print_groups() -> None:
    for kind, rho in [(kind, rho) for kind, rhos in GROUPS.items() for rho in rhos]:
        print(f"\nGroups of {kind}, correlation {rho} within: 3 classes, 200 test sets, then 7 uneven ones, 100")
        print_by_size(SMALL, simulate_groups(SMALL, kind, rho, [0.7, 0.9, 0.98], trials=200))
        title = f"7 classes of {UNEVEN.tolist()}"
        print_overall(title, simulate_groups(UNEVEN, kind, rho, [0.7, 0.95], trials=100))


def print_photographs() -> None:
    sizes = np.array([2, 8, 19, 37])
    results = simulate(sizes, [0.6, 0.8, 0.9, 0.95, 0.99], "even", trials=200)
    print_by_size(sizes, results)
    print_overall("4 classes of 2 to 37 test images, mistakes spread evenly; 200 test sets", results)
    uneven = simulate(np.array([100, 17, 7, 12, 23, 2, 4]), [0.8, 0.95, 0.99], "large", trials=200)
    print_overall("7 classes of 2 to 100 test images, mistakes go to large classes; 200 test sets", uneven)
    many = simulate(np.array([2, 4, 8, 20] * 7), [0.8, 0.99], "random", trials=60)
    print_overall("28 classes of 2 to 20 test images, mistakes go anywhere; 60 test sets", many)


def print_rankings() -> None:
    print_ranking(SMALL, trials=100)
    print_ranking(UNEVEN, trials=60)


PRINTED = {"photographs": print_photographs, "groups": print_groups, "ranking": print_rankings}


def main() -> None:
    for name in sys.argv[1:] or PRINTED:
        PRINTED[name]()


if __name__ == "__main__":
    main()
