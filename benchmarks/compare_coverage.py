"""How often do the intervals of a difference hold the truth, and how often is "better" said without one?

Two nets with known chances of each pair of answers answer test sets of fixed class sizes, again and again; each time
every method gives its intervals of B - A, and it is counted how often they hold the difference that these nets would
have on endlessly many photographs in the same proportions. Where both are equally good, "B is better" (the interval of
macro F1 lies above 0) is false. Ten minutes: `python benchmarks/compare_coverage.py`; `... 100`
simulates 100 test sets of each kind in place of 500.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.intervals import class_scores, overall_scores
from pipeline.evaluation.metrics import OVERALL, Scores
from pipeline.evaluation.paired import MORE, Pairs, difference, difference_intervals, sign_test

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Limits of B - A as one row, F1 by class, then overall: float64 (2, K + 5).
Method = Callable[[Pairs, np.random.Generator], Array]

SIZES = {
    "(300, 116, 85, 58, 37, 19, 8)": [300, 116, 85, 58, 37, 19, 8],
    "(45, 17, 13, 9, 6, 3, 2)": [45, 17, 13, 9, 6, 3, 2],
}
DRAWS = 400


def scores_of(counts: Array, sizes: Ints) -> Array:
    """F1 by class, then overall: (..., K + 5) of confusion matrices (..., K, K)."""
    parts = np.einsum("...kk->...k", counts).copy(), sizes, counts.sum(axis=-2)
    return np.concatenate([class_scores(*parts)[..., 2, :], overall_scores(*parts)], axis=-1)


def limits_of(pairs: Pairs, rng: np.random.Generator, more: float = MORE) -> Array:
    limits = difference_intervals(pairs, difference(*pairs.scores()), rng, DRAWS, more)
    return np.stack([_as_row(limit) for limit in limits])


def without_groups(pairs: Pairs, rng: np.random.Generator) -> Array:
    alone = np.arange(len(pairs.y_true))
    return limits_of(Pairs(pairs.num_classes, pairs.y_true, pairs.y_a, pairs.y_b, alone), rng)


def _as_row(scores: Scores) -> Array:
    return np.concatenate([scores.f1, [getattr(scores, name) for name in OVERALL]])


METHODS: dict[str, Method] = {
    "plain bootstrap": partial(limits_of, more=0.0),
    f"{MORE} (Weldproof)": limits_of,
    "1 added": partial(limits_of, more=1.0),
    "2 added": partial(limits_of, more=2.0),
}


@dataclass(frozen=True)
class Nets:
    """The chances of each pair of answers, (K, K, K): true class, A's answer, B's answer."""

    name: str
    chances: Array

    def truth(self, sizes: Ints) -> Array:
        a, b = (scores_of(self.chances.sum(axis=axis) * sizes[:, None], sizes) for axis in (2, 1))
        return b - a


def nets(recall_a: Sequence[float], recall_b: Sequence[float], alike: float, sizes: Ints) -> Nets:
    """Two nets, right in so many of each class, whose wrong answers go to the large classes.

    `alike` is the share that both give the same answer to, of what their chances allow.
    """
    num_classes = len(sizes)
    a, b = (_answers(np.array(recall), sizes) for recall in (recall_a, recall_b))
    both = alike * np.minimum(a, b)
    own_a, own_b = a - both, b - both
    apart = own_a[:, :, None] * own_b[:, None, :] / own_a.sum(axis=1)[:, None, None]
    words = " against ".join(_words(recall) for recall in (recall_a, recall_b))
    return Nets(f"right in {words} %, {alike:.0%} alike", both[:, :, None] * np.eye(num_classes) + apart)


def _words(recall: Sequence[float]) -> str:
    return f"{100 * recall[0]:.0f}" if len(set(recall)) == 1 else " ".join(f"{100 * share:.0f}" for share in recall)


def _answers(recall: Array, sizes: Ints) -> Array:
    rates = np.tile(sizes.astype(float), (len(sizes), 1))
    np.fill_diagonal(rates, 0)
    rates *= ((1 - recall) / rates.sum(axis=1))[:, None]
    np.fill_diagonal(rates, recall)
    return rates


def sample(pair: Nets, sizes: Ints, copies: int, rng: np.random.Generator) -> Pairs:
    """Let both answer a test set; with `copies` > 1 each photograph of it (the last one cut) stands there so often."""
    num = len(sizes)
    y_true, answers, group, seen = [], [], [], 0
    for k, size in enumerate(sizes):
        of = np.arange(size) // copies
        drawn = rng.choice(num**2, of[-1] + 1, p=pair.chances[k].ravel())
        y_true.append(np.full(size, k))
        answers.append(drawn[of])
        group.append(seen + of)
        seen += of[-1] + 1
    said = np.concatenate(answers)
    return Pairs(num, np.concatenate(y_true), said // num, said % num, np.concatenate(group))


@dataclass(frozen=True)
class Trial:
    """One method on one pair of nets: coverage and mean width (K + 5,), how often B was said to be better, worse."""

    method: str
    covered: Array
    width: Array
    better: float
    worse: float


def simulate(
    pair: Nets, sizes: Ints, copies: int, methods: dict[str, Method], trials: int
) -> tuple[list[Trial], float]:
    """Return each method's trial, and how often the test of accuracy says "different" (p < 0.05)."""
    rng = np.random.default_rng(1)
    sets = [sample(pair, sizes, copies, rng) for _ in range(trials)]
    truth, place, results = pair.truth(sizes), len(sizes) + list(OVERALL).index("macro_f1"), []
    for name, method in methods.items():
        low, high = np.stack([method(pairs, rng) for pairs in sets], axis=1)
        held = (low <= truth + 1e-9) & (truth <= high + 1e-9)
        better, worse = float((low[:, place] > 0).mean()), float((high[:, place] < 0).mean())
        results.append(Trial(name, held.mean(axis=0), (high - low).mean(axis=0), better, worse))
    return results, float(np.mean([sign_test(pairs) < 0.05 for pairs in sets]))


def report(title: str, pair: Nets, sizes: Ints, copies: int, methods: dict[str, Method], trials: int) -> None:
    results, tested = simulate(pair, sizes, copies, methods, trials)
    macro = pair.truth(sizes)[len(sizes)]
    print(f"\n{title}, {pair.name}: macro F1 {macro:+.3f}; the test of accuracy says different in {100 * tested:.1f}%")
    heads = [f"F1 of {size}" for size in sizes] + ["macro F1", "bal. acc.", "accuracy", "width", "better", "worse"]
    print(f"{'coverage in %':20s}" + "".join(f"{head:>10s}" for head in heads))
    shown = [*range(len(sizes)), *(len(sizes) + list(OVERALL).index(n) for n in heads_of_overall())]
    for trial in results:
        cells = [f"{100 * trial.covered[place]:.0f}" for place in shown]
        cells += [f"{trial.width[len(sizes)]:.3f}", f"{100 * trial.better:.1f}%", f"{100 * trial.worse:.1f}%"]
        print(f"{trial.method:20s}" + "".join(f"{cell:>10s}" for cell in cells))


def heads_of_overall() -> tuple[str, ...]:
    return ("macro_f1", "balanced_accuracy", "accuracy")


HARD, HARD_TOO = (0.98, 0.95, 0.95, 0.9, 0.9, 0.7, 0.5), (0.9, 0.9, 0.95, 0.9, 0.9, 0.84, 0.62)
# A's and B's recall by class, and how much they are alike; B is as good as A in all but the last two.
PAIRS = [
    ([0.7] * 7, [0.7] * 7, 0.5),
    ([0.9] * 7, [0.9] * 7, 0.8),
    ([0.97] * 7, [0.97] * 7, 0.9),
    (HARD, HARD, 0.8),
    (HARD, HARD_TOO, 0.9),
    ([0.85] * 7, [0.9] * 7, 0.8),
]


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print(f"{trials} test sets each; width: of the interval of macro F1; better, worse: said of B by macro F1")
    for title, counts in SIZES.items():
        sizes = np.array(counts)
        for recall_a, recall_b, alike in PAIRS:
            report(title, nets(recall_a, recall_b, alike, sizes), sizes, 1, METHODS, trials)
    sizes = np.array(SIZES["(300, 116, 85, 58, 37, 19, 8)"])
    grouped = METHODS | {"groups unknown": without_groups}
    report(
        "The first sizes, each photograph four times", nets([0.9] * 7, [0.9] * 7, 0.8, sizes), sizes, 4, grouped, trials
    )


if __name__ == "__main__":
    main()
