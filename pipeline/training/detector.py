"""Is this picture like those that the net was trained on? The distance to the nearest of them, two measures in one.

What a net sees in a picture (`models.WithFeatures`), scaled to length 1, is the usual place to look for pictures that
are unlike all in training: Y. Sun, Y. Ming, X. Zhu and Y. Li, "Out-of-Distribution Detection with Deep Nearest
Neighbors" (ICML 2022). But a net that has learnt from a few hundred pictures has learnt to look away from all that
does not tell its classes apart, and takes a black picture, a blurred one or one of another camera for the class that
looks alike to it. So plain statistics of the picture stand beside its features: how bright it is, of how much contrast,
and how much there is to see at each scale, across, along and in corners, in a Haar transform (S. Mallat, "A theory for
multiresolution signal decomposition: the wavelet representation", IEEE PAMI 11:7, 1989). Both together are one point,
and its distance to the nearest one of training is the score. `benchmarks/outliers.py` measures it beside others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.files import write_bytes
from pipeline.training.models import read_state

DETECTOR_FILE = "outliers.safetensors"

_LEAST_SIDE = 12  # of a picture that is divided further; below, a scale has too few places to be the mean over
_FLOOR = 0.25  # grey levels: differences far below what 8 bits can show are all the same
_DARK, _BRIGHT = 8, 247

_TENSORS = ("seen", "feature_scale", "centre", "scale", "threshold", "left_out", "promise")


class Promise(NamedTuple):
    """What a threshold is worth: of `of` photographs that the net had not learnt from, `over` were farther.

    `rate` is the share that was asked for.
    """

    rate: float
    over: int
    of: int


class Detector(nn.Module):
    """Says how unlike all pictures of training a picture is: 0 for one of them, above 1 for an outlier.

    Parameters
    ----------
    seen : float32 (M, D + P), the points of pictures of training, 1 to `outliers.MOST` of them
    feature_scale : float32 (), what features of length 1 are multiplied by
    centre, scale : float32 (P,), what is taken off the statistics, and what they are then multiplied by
    threshold : float32 (), the distance from which on a picture is an outlier
    left_out : float32 (), the distance that as many of the pictures in `seen` exceed, each measured to the others
    promise : float64 (3,): see `Promise`; `of` is 0 where no photographs were left to choose a threshold by
    """

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name in _TENSORS:
            self.register_buffer(name, tensors[name])

    seen: Tensor
    feature_scale: Tensor
    centre: Tensor
    scale: Tensor
    threshold: Tensor
    left_out: Tensor
    promise: Tensor

    @property
    def promised(self) -> Promise:
        """What the threshold is worth."""
        rate, over, of = self.promise.tolist()
        return Promise(rate, int(over), int(of))

    def forward(self, features: Tensor, statistics: Tensor) -> Tensor:
        """Return float32 (B,), the score, for features (B, D) and statistics (B, P) of pictures."""
        points = placed(features, statistics, self.feature_scale, self.centre, self.scale)
        return distances(points, self.seen).amin(dim=1) / self.threshold

    def with_threshold(self, threshold: float, promise: Promise) -> Self:
        """Return the detector with another threshold."""
        changed = {"threshold": torch.tensor(threshold), "promise": torch.tensor(promise, dtype=torch.float64)}
        return type(self)(**(dict(self.named_buffers()) | changed))


def placed(features: Tensor, statistics: Tensor, feature_scale: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Return the points, float32 (B, D + P), of pictures with features (B, D) and statistics (B, P)."""
    directions = nn.functional.normalize(features, dim=1)
    return torch.cat([directions * feature_scale, (statistics - centre) * scale], dim=1)


def distances(points: Tensor, others: Tensor) -> Tensor:
    """Return float32 (B, M): between points (B, E) and others (M, E)."""
    squares = (points**2).sum(dim=1, keepdim=True) + (others**2).sum(dim=1) - 2 * points @ others.T
    return squares.clamp_min(0).sqrt()


def picture_statistics(squares: Tensor) -> Tensor:
    """Return float32 (B, P) for grey squares, uint8 (B, S, S) with S >= 2: what can be seen without a net.

    The first five: mean, logarithm of the standard deviation, skewness, and roots of the shares of black and of white.
    Then, scale by scale from the finest on, logarithms of the mean differences across, along and in corners.
    """
    low, bands = _halved(squares.float())
    columns = [*_levels(low.flatten(1)), *bands]
    while min(low.shape[1:]) >= _LEAST_SIDE:
        low, bands = _halved(low)
        columns += bands
    return torch.stack(columns, dim=1)


def _levels(low: Tensor) -> Iterator[Tensor]:
    mean = low.mean(dim=1, keepdim=True)
    apart = low - mean
    spread = (apart**2).mean(dim=1).sqrt()
    yield mean.squeeze(1)
    yield torch.log(spread + 1)
    yield (apart**3).mean(dim=1) / (spread**3 + 50)  # of almost nothing, no skewness
    yield (low < _DARK).float().mean(dim=1).sqrt()
    yield (low > _BRIGHT).float().mean(dim=1).sqrt()


def _halved(grey: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return (B, h, w) at half the size, and how much was lost in each of three directions, (B,) each."""
    height, width = grey.shape[1] // 2 * 2, grey.shape[2] // 2 * 2
    upper, lower = grey[:, 0:height:2, :width], grey[:, 1:height:2, :width]
    sums, differences = upper + lower, upper - lower
    left, right = sums[:, :, 0::2], sums[:, :, 1::2]
    left_difference, right_difference = differences[:, :, 0::2], differences[:, :, 1::2]
    details = (left - right, left_difference + right_difference, left_difference - right_difference)
    return (left + right) / 4, [torch.log(each.abs().mean(dim=(1, 2)) / 4 + _FLOOR) for each in details]


def save_detector(folder: Path, detector: Detector) -> None:
    """Write the detector into `folder`; the same one gives the same bytes."""
    write_bytes(folder / DETECTOR_FILE, to_bytes({name: getattr(detector, name).cpu() for name in _TENSORS}))


def load_detector(folder: Path) -> Detector | None:
    """Return the detector in `folder`; None where there is none, as beside nets of earlier versions.

    Raises
    ------
    ModelError
        If the file is none of a detector.
    """
    path = folder / DETECTOR_FILE
    if not path.exists():
        return None
    tensors = read_state(path)
    if sorted(tensors) != sorted(_TENSORS) or not _fits(tensors):
        raise ModelError(f"{path}: wanted the tensors of a detector of outliers, found {', '.join(sorted(tensors))}")
    return Detector(**tensors)


def _fits(tensors: dict[str, Tensor]) -> bool:
    seen, centre = tensors["seen"], tensors["centre"]
    sizes = seen.ndim == 2 and centre.ndim == 1 and seen.shape[1] > len(centre) and len(seen) > 0
    return sizes and tensors["scale"].shape == centre.shape and tensors["promise"].shape == (3,)
