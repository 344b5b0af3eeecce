"""How much log loss does a fitted temperature save, or cost, with few photographs? Ours beside the plain fit.

A made net that is too sure by a known factor answers a val part of N photographs, again and again; a temperature is
fitted there, and its log loss on endlessly many photographs is compared with that of the best temperature. 0 is
perfect; `as it is` is what a net without temperature loses. Two minutes: `python benchmarks/temperature.py`.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from pipeline.training.temperature import fit_temperature

NUM_CLASSES, RUNS, ENDLESS = 7, 60, 20_000
SURENESS = (0.6, 1.0, 2.0, 4.0)
SIZES = (6, 12, 25, 50, 120)


def answers(
    count: int, spread: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Logits of a net that is exactly as sure as it is right, and the truth; more `spread`, fewer mistakes."""
    logits = rng.normal(0, spread, (count, NUM_CLASSES))
    return logits, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def log_loss(logits: npt.NDArray[np.float64], y_true: npt.NDArray[np.int64]) -> float:
    return float((logsumexp(logits, axis=1) - logits[np.arange(len(logits)), y_true]).mean())


def main() -> None:
    rng = np.random.default_rng(0)
    for spread in (4, 15):
        logits, y_true = answers(ENDLESS, spread, rng)
        best = log_loss(logits, y_true)
        accuracy = (logits.argmax(axis=1) == y_true).mean()
        print(f"\naccuracy {accuracy:.0%}, log loss {best:.3f}; lost, on average (worst)")
        print("too sure  val photographs  as it is        plain fit             ours")
        for times in SURENESS:
            for count in SIZES:
                lost: dict[float, list[float]] = {np.inf: [], np.log(2): []}
                for _ in range(RUNS):
                    few, truth = answers(count, spread, rng)
                    for prior, losses in lost.items():
                        temperature = fit_temperature((times * few).astype(np.float32), truth, prior)
                        losses.append(log_loss(times / temperature * logits, y_true) - best)
                words = "".join(f"   {np.mean(each):6.3f} ({np.max(each):6.3f})" for each in lost.values())
                print(f"{times:>8}  {count:>15}    {log_loss(times * logits, y_true) - best:6.3f}{words}")


if __name__ == "__main__":
    main()
