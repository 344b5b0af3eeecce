"""A photograph's bytes -> its grey square: the one way in for the pipeline and for the served model."""

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.data.read import decode

_HALVED_FROM = 4  # times the square's side
_SOFT_BITS = 0.7  # a pixel
_SMOOTH = 2.0  # grey levels
_SAMPLED = 3  # times the square's side: two points a pixel are then one and a half apart, each of two pixels
_MANY_PIXELS = 2**19
_STRIP_PIXELS = 2**21


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


class _Edges(NamedTuple):
    """Where cells end along an axis: pixel int64 (n + 1,) in which, and after which share of it, float32 (n + 1,)."""

    pixel: np.ndarray
    share: np.ndarray


def read_photograph(data: bytes, size: int) -> Seen:
    """Decode a photograph's bytes to grey and scale it to `size` x `size`. Raises UnreadableImageError.

    A large and soft JPEG is decoded at half its size, which changes the square by less than 1 grey level on average
    (docs/resize.md).
    """
    seen = decode(data, lambda height, width: _seems_soft(height, width, size, data))
    if seen.grey.shape[0] == seen.height:
        square = resize_square(seen.grey, size)
    elif _is_smooth(seen.grey, size):
        square = _resize_smooth(seen.grey, size)
    else:
        square = resize_square(decode(data).grey, size)
    return Seen(square, seen.height, seen.width, seen.kind)


def read_square(data: bytes, size: int) -> np.ndarray:
    """Return the square alone, uint8 (size, size). Raises UnreadableImageError."""
    return read_photograph(data, size).square


def resize_square(grey: np.ndarray, size: int) -> np.ndarray:
    """Scale a grey picture to `size` x `size`, each axis for itself.

    An axis that shrinks is averaged over areas (no aliasing); one that grows is interpolated linearly, which unlike
    cubic interpolation invents no dark or bright rims at an edge.

    Parameters
    ----------
    grey : numpy.ndarray
        uint8 (H, W).

    Returns
    -------
    numpy.ndarray
        uint8 (size, size).
    """
    height, width = grey.shape
    if height > size or width > size:
        grey = _average(grey, min(height, size), min(width, size))
    if grey.shape != (size, size):
        grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grey)


def _seems_soft(height: int, width: int, size: int, data: bytes) -> bool:
    """Say whether a JPEG may be decoded at half its size, if it turns out smooth.

    What is finer than the pixels of the half cannot be seen there, but it costs bits; and the more of those pixels
    each one of the square averages, the less of it would remain.
    """
    return min(height, width) >= _HALVED_FROM * size and 8 * len(data) < _SOFT_BITS * height * width


def _is_smooth(half: np.ndarray, size: int) -> bool:
    """Say whether neighbours differ so little that it matters little where in a pixel a cell of the square ends.

    The squares of real photographs then change by less than a quarter of `_SMOOTH`, on average.
    """
    height, width = half.shape
    across = cv2.norm(half[:, 1:], half[:, :-1], cv2.NORM_L1) * size / width
    down = cv2.norm(half[1:], half[:-1], cv2.NORM_L1) * size / height
    return bool((across + down) / 2 < _SMOOTH * half.size)


def _resize_smooth(half: np.ndarray, size: int) -> np.ndarray:
    """Scale down as `resize_square` does; where it is not far, by the mean of 2 x 2 points a pixel, which is faster."""
    if max(half.shape) > _SAMPLED * size:
        return resize_square(half, size)
    points = cv2.resize(half, (2 * size, 2 * size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(points, (size, size), interpolation=cv2.INTER_AREA))


def _average(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    """Average over areas that may end within pixels: uint8 (H, W), H >= height, W >= width -> uint8 (height, width).

    Of many pixels a summed-area table takes a third of the time that OpenCV does, and the same values come out but for
    the rounding of halves. Few pixels, and areas of whole ones, OpenCV does faster.
    """
    whole = grey.shape[0] % height == 0 and grey.shape[1] % width == 0
    if grey.size < _MANY_PIXELS or whole:
        return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))
    rows, columns = _edges(grey.shape[0], height), _edges(grey.shape[1], width)
    # In strips, so that a table stays in the processor's cache.
    step = max(1, _STRIP_PIXELS * height // grey.size)
    sums = [
        _sums(grey, _Edges(*(edges[start : start + step + 1] for edges in rows)), columns)
        for start in range(0, height, step)
    ]
    return np.concatenate([cv2.convertScaleAbs(strip, alpha=height * width / grey.size) for strip in sums])


def _edges(pixels: int, cells: int) -> _Edges:
    whole, rest = np.divmod(np.arange(cells + 1) * pixels, cells)
    pixel = np.minimum(whole, pixels - 1)
    # The last edge is the end of the last pixel.
    return _Edges(pixel, (whole - pixel + rest / cells).astype(np.float32))


def _sums(grey: np.ndarray, rows: _Edges, columns: _Edges) -> np.ndarray:
    """Add up the pixels of each cell between these edges: uint8 (H, W) -> float32 (rows - 1, columns - 1)."""
    first, last = rows.pixel[0], rows.pixel[-1]
    # Sums of all pixels above and to the left: int32 (h + 1, w + 1), read at each corner of a cell and one further.
    table = cv2.integral(grey[first : last + 1])
    line, flat = table.shape[1], table.ravel()
    corners = ((rows.pixel - first) * line)[:, None] + columns.pixel
    here, right, below, diagonal = (flat[shift:].take(corners) for shift in (0, 1, line, line + 1))
    # The table is linear between its points in both directions. Large numbers are subtracted while they are whole.
    inside = (below - here).astype(np.float32)
    inside += columns.share * (diagonal - right - below + here).astype(np.float32)
    inside *= rows.share[:, None]
    inside += columns.share * (right - here).astype(np.float32)
    return np.asarray(_between(here).astype(np.float32) + _between(inside))


def _between(corners: np.ndarray) -> np.ndarray:
    down = corners[1:] - corners[:-1]
    return np.asarray(down[:, 1:] - down[:, :-1])
