"""How sure is "go", and how often is it refused? A class is at the target as measured, by its lower limit, or as ruled.

A net with a known F1, the same for each class, answers for sets of fixed class sizes, again and again; it is counted
how often each class is then called at the target of 0.9, and how often all are, which is "go". Minutes:
`python benchmarks/feasibility_go.py`; `... 50` simulates 50 sets a row in place of 200.
"""

import sys

import numpy as np

from pipeline.evaluation.intervals import score_intervals
from pipeline.evaluation.metrics import score
from pipeline.feasibility.standing import FEWEST_GROUPS, LEEWAY

TARGET = 0.9
SIZES = np.array([300, 116, 85, 58, 37, 19, 8])
TRUE_F1 = (0.75, 0.8, 0.85, 0.9, 0.93, 0.96, 0.99)


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{trials} sets each, target {TARGET}: how often at the target, in %, by class size; and all of them")
    print(f"{'true F1':>8s} {'rule':16s}" + "".join(f"{size:6d}" for size in SIZES) + "   all")
    for true in TRUE_F1:
        rng = np.random.default_rng(1)
        found = np.mean([_at_target(_answers(true, rng), rng) for _ in range(trials)], axis=0)
        for rule, shares in zip(("as measured", f"and low - {LEEWAY}", "lower limit"), found, strict=True):
            print(f"{true:8.2f} {rule:16s}" + "".join(f"{100 * share:6.0f}" for share in shares), flush=True)


def _answers(true: float, rng: np.random.Generator) -> np.ndarray:
    """Confusion matrix of a net whose mistakes go to the others by their sizes, so that precision is about recall."""
    num = len(SIZES)
    chances = np.where(np.eye(num), 0.0, SIZES[None, :])
    chances *= (1 - true) / chances.sum(axis=1, keepdims=True)
    return np.array([rng.multinomial(size, row) for size, row in zip(SIZES, chances + true * np.eye(num), strict=True)])


def _at_target(confusion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rules x (classes and all of them): whether each is called at the target."""
    y_true, y_pred = (np.repeat(index.ravel(), confusion.ravel()) for index in np.indices(confusion.shape))
    value = score(y_true, y_pred, len(SIZES))
    low, _ = score_intervals(confusion, value, rng, draws=1000)
    known = FEWEST_GROUPS <= SIZES
    seen = value.f1 >= TARGET
    rules = np.array([seen, seen & known & (low.f1 >= TARGET - LEEWAY), low.f1 >= TARGET])
    return np.column_stack([rules, rules.all(axis=1)])


if __name__ == "__main__":
    main()
