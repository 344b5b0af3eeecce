"""Do the probabilities mean what they say? Of the photographs that a net is 90% sure of, are 90% right?

Three measures, all losses, each before and after the temperature (`pipeline.training.temperature`):

- `log_loss`: the mean of -log of the true class's probability. It is what the temperature was fitted to (on val).
- `brier`: the mean of the squared distance between the probabilities and the truth, over all classes, 0 to 2 (G. Brier,
  "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78:1, 1950).
- `ece`, the expected calibration error: the distance between how sure a net is of its answer and how often it is right,
  in bins of like confidence, averaged. The bins hold equally many photographs (K. Nguyen and B. O'Connor, "Posterior
  calibration and exploratory analysis for natural language processing models", EMNLP 2015): a good net is nearly always
  more than 90% sure, so of ten bins of equal width nine would hold a photograph or two each and be noise.

The ECE of a few photographs is too high, as chance alone moves every bin off the diagonal, and that of a bootstrap
sample is too high once more: the percentiles of a bootstrap, the usual interval, never hold the truth of a net that is
well calibrated. So it reaches as far as the percentiles and as those mirrored at the value (the basic interval of A.
Davison and D. Hinkley, "Bootstrap Methods and their Application", 1997, section 5.2), and down to 0 where a net that is
exactly as often right as it is sure would have an ECE like this one (J. Bröcker and L. Smith, "Increasing the
reliability of reliability diagrams", Weather and Forecasting 22:3, 2007). The other two are means: see
`estimates.mean_of`; the log loss has no highest value, so the one more photograph is reckoned with what a mistake would
cost that net on average. `benchmarks/calibration_coverage.py` measures how often all of these hold the truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline.evaluation.estimates import Measured, Rate, mean_of, rate_of
from pipeline.evaluation.intervals import CONFIDENCE
from pipeline.evaluation.predictions import Answers, FloatArray, IntArray, Predictions, pooled

MEASURES = {"ece": "Calibration error", "brier": "Brier score", "log_loss": "Log loss"}
DRAWS = 2000
FEWEST = 30
"""Photographs below which a bootstrap cannot be trusted."""

_MOST_BINS, _FEWEST_IN_BIN = 10, 20
_BATCH = 1 << 20  # photographs drawn at once, for memory's sake
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Bin:
    """Photographs of like confidence: how sure the net is of them on average, 0 to 1, and how many are right."""

    confidence: float
    right: Rate


@dataclass(frozen=True, eq=False)
class Calibration:
    """How true the probabilities are on one part.

    Attributes
    ----------
    temperatures : one a net
    before, after : the measures by name, without and with the temperature
    bins_before, bins_after : the reliability diagram, from unsure to sure
    """

    temperatures: tuple[float, ...]
    before: Mapping[str, Measured]
    after: Mapping[str, Measured]
    bins_before: Sequence[Bin]
    bins_after: Sequence[Bin]

    @property
    def images(self) -> int:
        return sum(each.right.of for each in self.bins_after)

    def figures(self) -> dict[str, float]:
        """Return the entry in `metrics.json`: `ece`, `ece_low`, `ece_high`, `ece_before` and so on."""
        return {
            f"{name}{when}{end}": getattr(measured[name], attribute)
            for name in MEASURES
            for when, measured in (("", self.after), ("_before", self.before))
            for end, attribute in (("", "value"), ("_low", "low"), ("_high", "high"))
        }


def calibration(nets: Sequence[Answers], seed: int) -> Calibration:
    """Measure the probabilities of the nets on their test parts, pooled.

    Parameters
    ----------
    seed : of the draws behind the intervals
    """
    after = pooled([net.test for net in nets])
    before = pooled([_without(net.test, net.temperature) for net in nets])
    return Calibration(
        temperatures=tuple(net.temperature for net in nets),
        before=measures(before, np.random.default_rng(seed)),
        after=measures(after, np.random.default_rng(seed)),
        bins_before=reliability(before),
        bins_after=reliability(after),
    )


def _without(predictions: Predictions, temperature: float) -> Predictions:
    """Take a temperature back out of probabilities."""
    probabilities: FloatArray = softmax(temperature * _logs(predictions.probabilities), axis=1)
    return replace(predictions, probabilities=probabilities)


def measures(predictions: Predictions, rng: np.random.Generator, draws: int = DRAWS) -> dict[str, Measured]:
    """Return the measures of one part by name, each interval with its value inside.

    Parameters
    ----------
    predictions : of one photograph at least.
    rng : makes the draws behind the intervals.
    """
    truth = np.eye(len(predictions.class_names))[predictions.y_true]
    losses = -_logs(predictions.probabilities)
    if_mistaken = float(np.partition(losses, 1, axis=1)[:, 1].mean())
    brier = ((predictions.probabilities - truth) ** 2).sum(axis=1)
    return {
        "ece": _measured_ece(predictions, rng, draws),
        "brier": mean_of(brier, (0.0, 2.0), rng, draws, predictions.groups),
        "log_loss": mean_of((losses * truth).sum(axis=1), (0.0, if_mistaken), rng, draws, predictions.groups),
    }


def _measured_ece(predictions: Predictions, rng: np.random.Generator, draws: int) -> Measured:
    """Return the calibration error of N photographs."""
    sure, right = predictions.confidence, predictions.y_pred == predictions.y_true
    batch, drawn, perfect = max(1, _BATCH // len(sure)), [], []
    for done in range(0, draws, batch):
        rows, pick = draw_groups(predictions.groups, rng, min(batch, draws - done))
        drawn.append(ece(sure[rows], right[rows]))
        # One group is right or wrong together, as far as its confidences are the same.
        chances = np.take_along_axis(rng.random(rows.shape), pick, axis=1)
        perfect.append(ece(sure[rows], chances < sure[rows]))
    value = float(ece(sure[None], right[None])[0])
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    low, high = np.quantile(np.concatenate(drawn), tails).tolist()
    if value <= np.quantile(np.concatenate(perfect), tails[1]):
        return Measured(value, 0.0, min(max(high, 2 * value - low, value), 1.0))
    return Measured(value, max(min(low, 2 * value - high, value), 0.0), min(max(high, 2 * value - low, value), 1.0))


def draw_groups(groups: IntArray, rng: np.random.Generator, draws: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw groups with replacement until there are as many photographs as there are; what is too much is left out.

    Parameters
    ----------
    groups : int64 (N,), any numbers: photographs with the same one belong together.

    Returns
    -------
    rows, pick : (draws, N), the places of the photographs, and which of the drawn groups, from 0, each came with.
    """
    _, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    members, starts = np.argsort(of, kind="stable"), np.cumsum(sizes) - sizes
    picks = rng.integers(len(sizes), size=(draws, len(groups)))
    ends = np.cumsum(sizes[picks], axis=1)
    begins = np.zeros(picks.shape, np.intp)
    line, place = np.nonzero(ends < len(groups))
    begins[line, ends[line, place]] = 1
    pick = np.cumsum(begins, axis=1)
    offset = np.arange(len(groups)) - np.take_along_axis(ends - sizes[picks], pick, axis=1)
    return members[starts[np.take_along_axis(picks, pick, axis=1)] + offset], pick


def ece(sure: FloatArray, right: NDArray[np.bool_]) -> FloatArray:
    """Return the calibration errors, float64 (B,), 0 to 1, of B samples: confidences and hits, (B, N)."""
    order = np.argsort(sure, axis=1, kind="stable")
    gaps = np.take_along_axis(sure - right, order, axis=1)
    starts = [piece[0] for piece in _bins(sure.shape[1])]
    errors: FloatArray = np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1) / sure.shape[1]
    return errors


def reliability(predictions: Predictions) -> list[Bin]:
    """Return the bins behind the calibration error, from unsure to sure."""
    order = np.argsort(predictions.confidence, kind="stable")
    right = predictions.y_pred == predictions.y_true
    pieces = [order[piece] for piece in _bins(len(order))]
    return [Bin(float(predictions.confidence[p].mean()), rate_of(right[p], predictions.groups[p])) for p in pieces]


def _bins(count: int) -> list[NDArray[np.intp]]:
    """Divide N >= 1 places into bins that differ by one at most: 10, or so few that each has 20, but one at least."""
    return np.array_split(np.arange(count), int(np.clip(count // _FEWEST_IN_BIN, 1, _MOST_BINS)))


def _logs(probabilities: FloatArray) -> FloatArray:
    # What float32 rounds to 0 was not impossible.
    logs: FloatArray = np.log(np.maximum(probabilities, _SMALLEST))
    return logs
