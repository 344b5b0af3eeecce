"""How often do the 95% intervals of calibration measures hold the truth, and how wide are they? By simulation.

A net that is too sure by a known factor answers a test part of N photographs, again and again; the truth is what it
has on endlessly many. Photographs come alone, or in groups of 4 of which the net says and gets the same.
`percentile` is the usual bootstrap of the calibration error, beside ours. Four minutes:
`python benchmarks/calibration_coverage.py`.
"""

from itertools import product

import numpy as np

from pipeline.evaluation.calibration import MEASURES, ece, measures
from pipeline.evaluation.predictions import Predictions

NUM_CLASSES, RUNS, ENDLESS, DRAWS = 7, 400, 400_000, 400


def answers(count: int, times: float, spread: float, rng: np.random.Generator, alike: int = 1) -> Predictions:
    groups = np.arange(count) // alike
    logits = rng.normal(0, spread, (groups[-1] + 1, NUM_CLASSES))
    y_true = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)[groups]
    powers = np.exp(times * (logits - logits.max(axis=1, keepdims=True)))[groups]
    names, rows = tuple(map(str, range(NUM_CLASSES))), np.arange(count)
    return Predictions(names, y_true, powers / powers.sum(axis=1, keepdims=True), [""] * count, rows, groups)


def percentile(part: Predictions, rng: np.random.Generator) -> tuple[float, float]:
    sure, right = part.confidence, part.y_pred == part.y_true
    rows = rng.integers(len(sure), size=(DRAWS, len(sure)))
    low, high = np.quantile(ece(sure[rows], right[rows]), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    rng = np.random.default_rng(0)
    heads = "  ".join(f"{name:>20}" for name in (*MEASURES, "ece, percentile"))
    print(f"spread  too sure  photographs  groups of  {heads}")
    for spread, times in product((4, 15), (1.0, 2.0)):
        whole = measures(answers(ENDLESS, times, spread, rng), rng, draws=1)
        truth = [whole[name].value for name in MEASURES]
        for count, alike in product((36, 120, 600), (1, 4)):
            held, widths = np.zeros(4), np.zeros(4)
            for _ in range(RUNS):
                part = answers(count, times, spread, rng, alike)
                found = measures(part, rng, DRAWS)
                limits = [(found[name].low, found[name].high) for name in MEASURES] + [percentile(part, rng)]
                for place, ((low, high), true) in enumerate(zip(limits, [*truth, truth[0]], strict=True)):
                    held[place] += low <= true <= high
                    widths[place] += high - low
            words = "  ".join(f"{h / RUNS:>9.0%} {w / RUNS:>10.3f}" for h, w in zip(held, widths, strict=True))
            print(f"{spread:>6}  {times:>8}  {count:>11}  {alike:>9}  {words}", flush=True)


if __name__ == "__main__":
    main()
