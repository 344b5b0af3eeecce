"""From when on a picture is unlike all in training, and from when on too many of a batch are.

A picture is an outlier where its distance to the nearest of training (`detector`) exceeds a threshold from the n
photographs of val, from which the net has not learnt. k of them may exceed it, k + 1 the largest whole number that is
at most r (n + 1). Then a new photograph of the same kind is flagged with probability at most r, on average over such
val parts, whatever the net (V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", 2005); and
on val itself the rate is below r. Where n is less than 1 / r - 1 nothing can promise that: then none of val is flagged,
and the promise is 1 / (n + 1).

How many of a batch are flagged by chance follows from the same counts. A threshold that a finite n has chosen does not
flag exactly r of all photographs: the share is Beta(k + 1, n - k), and the number in a batch beta-binomial. So that is
what a batch is held against; a binomial with the rate r would too often call chance a change.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, logsumexp
from torch import Tensor

from pipeline.training.batches import Images, Rows, evenly, gather
from pipeline.training.detector import (
    Detector,
    Promise,
    distances,
    load_detector,
    picture_statistics,
    placed,
    save_detector,
)
from pipeline.training.features import net_features
from pipeline.training.weights import TrainedModel

MOST = 2000
"""Pictures of training that a detector keeps: more cost time with every answer."""

FEWEST_IN_BATCH = 10
CHANCE = 0.01
"""A batch is told of if so many outliers would come by chance in at most this share of batches."""

_ROUNDING = 1e-9  # 0.29 * 100 is a little less than 29
# Where all pictures are the same one. The features of one picture differ by some 1e-4 with what else is in the batch.
_LEAST_DISTANCE, _LEAST_FEATURE_SPREAD = 0.05, 0.01
_LEAST_SPREAD = 0.02  # of a statistic: 2% of contrast, or a few black pixels where training had none
_MARGIN = 1 + 1e-4  # the same distance, added up in another order


def fit_detector(
    trained: TrainedModel, images: Images | Tensor, train_rows: Rows, val_rows: Rows, rate: float
) -> Detector:
    """Return what tells outliers from pictures such as those of training.

    Parameters
    ----------
    images : uint8 (N, H, W)
    train_rows : what the net has learnt from
    val_rows : what it has not, and the threshold is chosen by; where there are none, see `take_over`
    rate : share of photographs such as those in val that may be flagged, above 0 and below 1
    """
    kept = train_rows[np.linspace(0, len(train_rows) - 1, min(len(train_rows), MOST)).astype(np.int64)]
    features, statistics = _observed(trained, images, kept)
    centre = statistics.mean(dim=0)
    # So that between two pictures at random features and statistics differ by as much.
    scale = 1 / (statistics.std(dim=0, correction=0).clamp_min(_LEAST_SPREAD) * math.sqrt(statistics.shape[1]))
    directions = torch.nn.functional.normalize(features, dim=1)
    feature_scale = directions.var(dim=0, correction=0).sum().sqrt().clamp_min(_LEAST_FEATURE_SPREAD).reciprocal()
    seen = placed(features, statistics, feature_scale, centre, scale)
    left_out = _quantile(_to_others(seen), rate)
    detector = Detector(
        seen=seen,
        feature_scale=feature_scale,
        centre=centre,
        scale=scale,
        threshold=torch.tensor(left_out),
        left_out=torch.tensor(left_out),
        promise=torch.tensor((rate, 0, 0), dtype=torch.float64),
    )
    if not len(val_rows):
        return detector
    far = detector(*_observed(trained, images, val_rows)) * detector.threshold
    return detector.with_threshold(*choose_threshold(far.numpy(), rate))


def _observed(trained: TrainedModel, images: Images | Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Return features (M, D) and statistics (M, P), on the CPU."""
    device = next(trained.net.parameters()).device
    features, _ = net_features(trained, images, rows)
    statistics = [picture_statistics(gather(images, piece, device)).cpu() for piece in evenly(rows, 64)]
    return torch.from_numpy(features), torch.cat(statistics)


def _to_others(points: Tensor) -> NDArray[np.float32]:
    """Return the distance of each point to the nearest of the others; of one alone, 0."""
    if len(points) < 2:
        return np.zeros(len(points), np.float32)
    found: NDArray[np.float32] = distances(points, points).fill_diagonal_(math.inf).amin(dim=1).numpy()
    return found


def _quantile(far: NDArray[np.float32], rate: float) -> float:
    return max(float(np.sort(far)[::-1][_allowed(len(far), rate)]), _LEAST_DISTANCE)


def choose_threshold(far: NDArray[np.float32], rate: float) -> tuple[float, Promise]:
    """Return the lowest threshold at which at most `rate` of photographs with these N >= 1 distances are flagged.

    A photograph is flagged if it exceeds the threshold.
    """
    over = _allowed(len(far), rate)
    return _quantile(far, rate) * _MARGIN, Promise(rate, over, len(far))


def _allowed(count: int, rate: float) -> int:
    return max(0, math.floor(rate * (count + 1) + _ROUNDING) - 1)


def take_over(detector: Detector, judged: Sequence[Detector]) -> Detector:
    """Return the detector of a net that was trained on everything, with a threshold, though nothing is left to fit on.

    The pictures of training, each measured to the others, are nearer than new ones: the net has learnt them, and some
    are of one part. By how much, as a factor, the detectors of the nets that are judged tell; it is taken over, the
    geometric mean of several.
    """
    nearer = geometric_mean([float(each.threshold / each.left_out) for each in judged])
    promise = min((each.promised for each in judged), key=lambda each: each.of)
    return detector.with_threshold(float(detector.left_out) * nearer, promise)


def inherit(final: Path, judged: Sequence[Path]) -> None:
    """Let the net in the folder `final` `take_over` the thresholds of those in the folders `judged`."""
    detectors = [load_detector(folder) for folder in (final, *judged)]
    fitted = [each for each in detectors[1:] if each]
    if detectors[0] and fitted:
        save_detector(final, take_over(detectors[0], fitted))


def chance(flagged: int, count: int, promise: Promise) -> float:
    """Return how probable `flagged` or more outliers are in `count` photographs that are such as those in val."""
    a, b = promise.over + 1, promise.of - promise.over
    if not flagged or b < 1:
        return 1.0
    cases = np.arange(flagged, count + 1)
    ways = gammaln(count + 1) - gammaln(cases + 1) - gammaln(count - cases + 1)
    return min(1.0, float(np.exp(logsumexp(ways + betaln(cases + a, count - cases + b) - betaln(a, b)))))


def batch_warning(flagged: int, count: int, promise: Promise) -> str | None:
    """Return a sentence for people if too many of a batch are outliers; None if not, or if it is too small to tell."""
    if count < FEWEST_IN_BATCH or chance(flagged, count, promise) >= CHANCE:
        return None
    expected = (promise.over + 1) / (promise.of + 1)
    return (
        f"{flagged} of {count} photographs are unlike anything the model has seen (by chance some {expected:.1%} would "
        "be): look at them, label them, and train again with them"
    )
