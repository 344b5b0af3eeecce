"""A photograph's bytes -> its grey square: the one way in for the pipeline and for the served model."""

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.data.read import decode

_HALVED_FROM = 4  # times the side wanted
_SMOOTH = 3.0  # grey levels
_SOFT_BITS = 1.0  # a pixel


class Seen(NamedTuple):
    """A photograph as the pipeline sees it.

    Attributes
    ----------
    square : uint8 (S, S), grey
    height, width : of the photograph in pixels, upright, before scaling
    format : BMP, JPEG, PNG, TIFF or WEBP
    """

    square: np.ndarray
    height: int
    width: int
    format: str


def read_photograph(data: bytes, size: int) -> Seen:
    """Decode a photograph's bytes to grey and scale it to `size` x `size`. Raises UnreadableImageError."""
    seen = decode(data, lambda height, width: _is_large(height, width, size) and _seems_soft(data, height * width))
    if seen.grey.shape[0] != seen.height and not _is_smooth(seen.grey):
        seen = decode(data)
    return Seen(resize_square(seen.grey, size), seen.height, seen.width, seen.kind)


def read_square(data: bytes, size: int) -> np.ndarray:
    """Return the square alone, uint8 (size, size). Raises UnreadableImageError."""
    return read_photograph(data, size).square


def resize_square(grey: np.ndarray, size: int) -> np.ndarray:
    """Scale a grey picture to `size` x `size`, each axis for itself.

    An axis that shrinks is averaged over areas (INTER_AREA: no aliasing); one that grows is interpolated linearly,
    which unlike cubic interpolation invents no dark or bright rims at an edge.

    Parameters
    ----------
    grey : numpy.ndarray
        uint8 (H, W).

    Returns
    -------
    numpy.ndarray
        uint8 (size, size).
    """
    grey = _halved(grey, size)
    height, width = grey.shape
    if height > size or width > size:
        grey = cv2.resize(grey, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    if grey.shape != (size, size):
        grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grey)


def _halved(grey: np.ndarray, size: int) -> np.ndarray:
    """Return a large, smooth picture at half its size, and any other as it is.

    Averaging 2 x 2 pixels first takes a fifth of the time of averaging over areas that end within pixels, and what is
    left to do a quarter of it. The result differs by less than a third of the mean step between neighbours in the
    half picture (docs/resize.md), so by less than 1 grey level where that is less than `_SMOOTH`.
    """
    height, width = grey.shape
    if height % 2 or width % 2 or not _is_large(height, width, size):
        return grey
    half = np.asarray(cv2.resize(grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return half if _is_smooth(half) else grey


def _is_large(height: int, width: int, size: int) -> bool:
    return min(height, width) >= _HALVED_FROM * size


def _is_smooth(half: np.ndarray) -> bool:
    steps = cv2.norm(half[:, 1:], half[:, :-1], cv2.NORM_L1) + cv2.norm(half[1:], half[:-1], cv2.NORM_L1)
    return bool(steps / 2 < _SMOOTH * half.size)


def _seems_soft(data: bytes, pixels: int) -> bool:
    """Guess from a JPEG's bytes a pixel whether `_is_smooth` will hold: a wrong guess costs time alone."""
    return 8 * len(data) < _SOFT_BITS * pixels
