"""How often do forecasts of F1 from part of the photographs hold what all of them give? Real sets, and made curves.

Real: learners are taught by ever smaller shares of a set (`curve_answers.py`; kept in `--cache`, so that only the first
run takes long). From what a quarter of it and less gave, and a half and less, F1 with all of it is forecast, by class
and macro, and laid beside what was measured there, which has an error of its own: `held` counts the values in the
forecast interval, `overlap` the 95% intervals that meet it. Beside them: a forecaster who says that nothing changes,
with the interval of his point.

Made: classes of 8, 19, 37, 85 and 300 photographs with a known law each; answers are drawn that agree with it, and it
is counted how often the intervals hold the truth.

    python benchmarks/forecast_coverage.py real --cache FOLDER xsdd_weld7:net:2 digits_uneven:pixels:8
    python benchmarks/forecast_coverage.py made --trials 100
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from curve_answers import SHARES, answers, taught_counts
from numpy.typing import NDArray

from pipeline.evaluation.estimates import Measured
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility.learning_curve import Curve, LearningCurve, curves_of
from pipeline.feasibility.power_law import Points, law, trained

Array = NDArray[np.float64]
FACTORS = {0.25: "4 times", 0.5: "twice"}
SIZES = np.array([8, 19, 37, 85, 300])
REST, SAME = 1500, 0.7


class Forecast(NamedTuple):
    """F1 that was forecast, what was measured there, and what was known before."""

    forecast: Measured
    measured: Measured
    before: Measured
    photographs: float

    @property
    def held(self) -> bool:
        return self.forecast.low <= self.measured.value <= self.forecast.high

    @property
    def overlap(self) -> bool:
        return self.forecast.low <= self.measured.high and self.measured.low <= self.forecast.high


def forecasts(source: str, learner: str, draw: int, share: float, cache: Path) -> tuple[list[Forecast], Forecast]:
    """Forecast from `share` of a set and less: by class, and macro F1."""
    by_share, counts = answers(source, learner, draw, cache), taught_counts(source, learner, draw, cache)
    known = [each for each in sorted(SHARES) if each <= share]
    everything, found = _curves(by_share, counts, sorted(SHARES)), _curves(by_share, counts, known)
    pairs = zip((*found.classes, found.macro), (*everything.classes, everything.macro), strict=True)
    *classes, macro = [_forecast(before, after) for before, after in pairs]
    return classes, macro


def _curves(by_share: dict[float, Predictions], counts: dict[float, Array], shares: list[float]) -> LearningCurve:
    taught = np.stack([counts[each] for each in shares])
    now = np.maximum(np.round(taught[-1] / 0.8), 1).astype(np.int64)
    return curves_of([by_share[each] for each in shares], taught, now, 0.9, np.random.default_rng(0))


def _forecast(before: Curve, after: Curve) -> Forecast:
    rng, f1 = np.random.default_rng(0), np.array([each.value for each in before.f1])
    points = Points(before.counts, f1, np.eye(len(f1)), max(1.0, before.now))
    if before.class_number is None:  # macro F1: the luck of trainings is small beside the rest
        points = replace(points, between=np.zeros(len(f1)))
    draws = trained(before.drawn, points, float(after.counts[-1]), rng)
    low, middle, high = np.quantile(draws, [0.025, 0.5, 0.975]).tolist()
    return Forecast(Measured(middle, low, high), after.f1[-1], before.f1[-1], float(before.counts[-1]))


def print_real(sources: list[str], cache: Path) -> None:
    """Print a line for each set and learner, and for classes by size."""
    print(
        f"{'':34s}{'':10s}{'held':>6s}{'overlap':>9s}{'width':>7s}{'error':>7s} | unchanged: {'held':>5s}{'error':>7s}"
    )
    by_size = defaultdict(list)
    for text in sources:
        source, learner, draws = text.rsplit(":", 2)
        for share, words in FACTORS.items():
            found = [forecasts(source, learner, draw, share, cache) for draw in range(int(draws))]
            name = f"{Path(source).name} {learner}"
            classes = [each for by_class, _ in found for each in by_class]
            print(_line(f"{name}, by class", words, classes))
            print(_line(f"{name}, macro", words, [macro for _, macro in found]))
            for each in classes:
                by_size[share, int(np.searchsorted([3, 10, 40], each.photographs, side="right"))].append(each)
            by_size[share, 4] += [macro for _, macro in found]
    for (share, size), members in sorted(by_size.items()):
        name = ["1 or 2 taught", "3 to 9 taught", "10 to 39 taught", "40 and more taught", "macro F1"][size]
        print(_line(f"all, {name}", FACTORS[share], members))


def _line(name: str, words: str, found: list[Forecast]) -> str:
    held, overlap = (np.mean([getattr(each, what) for each in found]) for what in ("held", "overlap"))
    width = np.mean([each.forecast.high - each.forecast.low for each in found])
    error = np.mean([abs(each.forecast.value - each.measured.value) for each in found])
    same = np.mean([each.before.low <= each.measured.value <= each.before.high for each in found])
    lag = np.mean([abs(each.before.value - each.measured.value) for each in found])
    ours = f"{name:34s}{words:10s}{held:6.0%}{overlap:9.0%}{width:7.2f}{error:7.3f}"
    return f"{ours} | {'':11s}{same:5.0%}{lag:7.3f}  of {len(found)}"


def made_answers(
    laws: Array, sizes: NDArray[np.int64], shares: list[float], t: float, rng: np.random.Generator
) -> list[Predictions]:
    """Draw answers of nets whose F1 follows these laws, (K, 3), but for the variance between trainings.

    What is missed of a class is given to one more class, of `REST` photographs, of which as many are given to it, so
    that precision and recall are equal. Mostly it is the same photographs at all amounts: those that are hard.
    """
    rest = len(sizes)
    y_true = np.repeat(np.arange(rest + 1), [*sizes, REST])
    hardness, found = rng.random(len(y_true)), []
    for share in shares:
        taught = np.maximum(share * 0.8 * sizes, 1)
        f1 = np.array([law(each[None], np.array([n]))[0, 0] for each, n in zip(laws, taught, strict=True)])
        f1 = np.clip(f1 + t * 2 * np.sqrt(f1 * (1 - f1) / taught) * rng.normal(size=rest), 0, 1)
        place = np.where(rng.random(len(y_true)) < SAME, hardness, rng.random(len(y_true)))
        kept = place < np.append(f1, 0)[y_true]
        taken = np.searchsorted(np.cumsum((1 - f1) * sizes) / REST, place, side="right")
        y_pred = np.where(y_true == rest, taken, np.where(kept, y_true, rest))
        found.append(_predictions(y_true, y_pred, rest + 1))
    return found


def _predictions(y_true: NDArray[np.int64], y_pred: NDArray[np.int64], num_classes: int) -> Predictions:
    names, rows = tuple(map(str, range(num_classes))), np.arange(len(y_true))
    return Predictions(names, y_true, np.eye(num_classes)[y_pred], [str(row) for row in rows], rows)


def print_made(trials: int) -> None:
    """Print the coverage and the mean width by class size; for `needed`, how often its upper end is finite."""
    held: dict[str, list[list[bool]]] = defaultdict(list)
    width: dict[str, list[list[float]]] = defaultdict(list)
    never: list[list[tuple[bool, float]]] = []
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        now, lasting, c = rng.uniform(0.05, 0.7, 5), rng.beta(1, 2, 5), rng.uniform(0.3, 0.9) * rng.uniform(0.8, 1.2, 5)
        laws = np.stack([now * lasting, now * (1 - lasting) * (0.8 * SIZES) ** c, c], axis=1)
        shares = [0.125, 0.25, 0.5, 1.0]
        seen = made_answers(laws, SIZES, shares, 0.15, rng)
        everything = np.append(SIZES, REST)
        counts = np.maximum(np.outer(shares, 0.8 * everything), 1)
        found = curves_of(seen, counts, everything, 0.9, rng).classes[:-1]
        rows = [_checked(curve, truth) for curve, truth in zip(found, laws, strict=True)]
        for what in rows[0]:
            held[what].append([row[what][0] for row in rows])
            width[what].append([row[what][1] for row in rows])
        never.append([(bool(truth[0] < 0.1), curve.p_reach) for curve, truth in zip(found, laws, strict=True)])
    print(f"{'photographs':20s}" + "".join(f"{size:>14d}" for size in SIZES))
    for what, rows in held.items():
        cells = zip(np.mean(rows, axis=0), np.mean(width[what], axis=0), strict=True)
        print(f"{what:20s}" + "".join(f"{f'{share:.0%} ({wide:.2f})':>14s}" for share, wide in cells))
    chances = np.array(never)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (chances[..., 1] >= low) & (chances[..., 1] < high)
        if inside.any():
            came, of = chances[..., 0][inside].mean(), inside.sum()
            print(f"said to be reached with p {low} to {min(high, 1)}: {came:.0%} are, of {of}")


def _checked(curve: Curve, truth: Array) -> dict[str, tuple[bool, float]]:
    """Whether each interval holds the truth, and its width (for `needed`: 1 if its upper end is finite, else 0)."""
    a, b, c = truth
    needed = ((b / (0.1 - a)) ** (1 / c) if a < 0.1 else np.inf) / curve.teaching
    needed = max(1.0, np.ceil(needed)) if needed < 100_000 else np.inf
    held = {"needed": (curve.needed.low <= needed <= curve.needed.high, float(np.isfinite(curve.needed.high)))}
    for name, times in (("F1 now", 1.0), ("doubled", 2.0), ("4 times", 4.0)):
        at = law(truth[None], np.array([times * curve.counts[-1]]))[0, 0]
        low, high = np.quantile(law(curve.drawn, np.array([times * curve.counts[-1]])), [0.025, 0.975])
        held[name] = (bool(low <= at <= high), float(high - low))
    return held


def main() -> None:
    """Check against real sets, or made curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("real", "made"))
    parser.add_argument("sets", nargs="*", help="set:learner:draws; a set is a folder, or one of curve_answers.MADE")
    parser.add_argument("--cache", type=Path, default=Path("curve-cache"))
    parser.add_argument("--trials", type=int, default=100)
    arguments = parser.parse_intermixed_args()
    if arguments.what == "made":
        print_made(arguments.trials)
    else:
        print_real(arguments.sets, arguments.cache)


if __name__ == "__main__":
    main()
