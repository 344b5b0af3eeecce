"""What does "no class worse by more than x" cost, and what does it prevent? By what was seen, or by an interval?

Two nets with known chances of each pair of answers (`compare_coverage.py`) answer test sets of fixed class sizes, again
and again; B is better by the interval of macro F1, and it is counted how often each rule for the classes then lets it
become champion. Minutes: `python benchmarks/promotion_rule.py`; `... 50` simulates 50 sets a row in place of 200.
"""

import sys
from collections.abc import Callable

import numpy as np
from compare_coverage import SIZES, Array, limits_of, nets, sample

from pipeline.evaluation.paired import difference

# F1 of B - A by class, its lower limits, its upper ones -> whether B may become champion.
RULES: dict[str, Callable[[Array, Array, Array], bool]] = {
    "no rule": lambda value, low, high: True,
    "seen > -0.05": lambda value, low, high: bool((value >= -0.05).all()),
    "seen > -0.10": lambda value, low, high: bool((value >= -0.10).all()),
    "not shown worse": lambda value, low, high: not ((value < -0.05) & (high < 0)).any(),
    "upper > -0.05": lambda value, low, high: bool((high >= -0.05).all()),
    "lower > -0.05": lambda value, low, high: bool((low >= -0.05).all()),
}
# What it is, A's recall and B's, by class.
CASES = [
    ("as good", [0.9] * 7, [0.9] * 7),
    ("better everywhere", [0.85] * 7, [0.9] * 7),
    ("better everywhere", [0.8] * 7, [0.92] * 7),
    ("worse at the smallest", [0.8] * 7, [0.92] * 6 + [0.6]),
    ("worse at the fourth", [0.8] * 7, [0.92] * 3 + [0.6] + [0.92] * 3),
]


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{trials} test sets each: how often B becomes champion, in %")
    for title, counts in SIZES.items():
        sizes = np.array(counts)
        print(
            f"\n{title}\n{'B, recall of A and of B there':40s}{'F1 there':>10s}" + "".join(f"{n:>17s}" for n in RULES)
        )
        for words, recall_a, recall_b in CASES:
            pair = nets(recall_a, recall_b, 0.8, sizes)
            worst = int(np.argmin(np.array(recall_b) - np.array(recall_a)))
            rng = np.random.default_rng(1)
            shares = np.mean([_allowed(sample(pair, sizes, 1, rng), rng) for _ in range(trials)], axis=0)
            head = f"{words}, {recall_a[worst]:.0%} -> {recall_b[worst]:.0%}"
            cells = "".join(f"{100 * share:17.0f}" for share in shares)
            print(f"{head:40s}{pair.truth(sizes)[worst]:+10.2f}{cells}", flush=True)


def _allowed(pairs, rng) -> list[bool]:
    low, high = limits_of(pairs, rng)
    num, value = pairs.num_classes, difference(*pairs.scores()).f1
    return [bool(low[num] > 0) and rule(value, low[:num], high[:num]) for rule in RULES.values()]


if __name__ == "__main__":
    main()
