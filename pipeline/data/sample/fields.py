"""Building blocks of the sample photographs: random streams, smooth random fields and small stamps.

Coordinates: an image array is indexed (row, column); lengths are in pixels of the 640x480 reference frame.
"""

import hashlib
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def random_stream(seed: int, *labels: str | int) -> np.random.Generator:
    """A generator that depends on the seed and the labels alone.

    No stream is ever shared, so a photograph stays the same whatever else is drawn, in whatever order and
    by however many threads. Text labels enter by a fixed digest because `hash` changes between processes.
    """
    digest = hashlib.sha256("/".join(str(label) for label in labels).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest[:16], "little")]))


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float]) -> FloatArray:
    """Smooth noise, float32 of `shape`, mean near 0 and deviation below 1, with features of `cell` (rows, columns).

    A coarse grid is drawn and enlarged: a small part of the cost of filtering noise at full size. Large
    features are enlarged in two steps, because linear interpolation costs a quarter of cubic and does not
    show once the grid is fine.
    """
    grid = (int(np.ceil(shape[0] / cell[0])) + 2, int(np.ceil(shape[1] / cell[1])) + 2)
    field = rng.standard_normal(grid, dtype=np.float32)
    if min(cell) >= 9:
        field = _enlarge(field, (shape[0] // 4, shape[1] // 4), cv2.INTER_CUBIC)
    return _enlarge(field, shape, cv2.INTER_LINEAR if min(cell) >= 9 or max(cell) <= 4 else cv2.INTER_CUBIC)


def _enlarge(image: FloatArray, shape: tuple[int, int], method: int) -> FloatArray:
    """`image` at (rows, columns) `shape`, by an interpolation method of OpenCV."""
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=method), dtype=np.float32)


def smooth_line(rng: np.random.Generator, length: int, cell: float) -> FloatArray:
    """Smooth noise along a line, float32 (length,), with features of `cell` pixels."""
    return smooth_field(rng, (1, length), (1.0, cell)).reshape(length)


class Window(NamedTuple):
    """The part of an image around a point: `area` indexes it, `dx` and `dy` are offsets from the point."""

    area: tuple[slice, slice]
    dx: FloatArray
    dy: FloatArray

    @property
    def distance(self) -> FloatArray:
        """Distance from the point, float32 (rows, columns)."""
        return np.hypot(self.dx, self.dy)


def window_around(shape: tuple[int, ...], row: float, column: float, reach: float) -> Window:
    """The window of `reach` pixels to each side of a point, cut at the image border (it may be empty)."""
    top, bottom = np.clip([int(row - reach), int(row + reach) + 2], 0, shape[0])
    left, right = np.clip([int(column - reach), int(column + reach) + 2], 0, shape[1])
    dx = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(column)
    dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(row)
    return Window((slice(int(top), int(bottom)), slice(int(left), int(right))), dx, dy)


def edge(distance: FloatArray, softness: float) -> FloatArray:
    """1 where `distance` is well below zero, 0 well above it, a straight ramp `softness` pixels wide between."""
    return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(softness), 0.0, 1.0), dtype=np.float32)


def line_mask(shape: tuple[int, ...], points: npt.NDArray[np.float64], widths: FloatArray) -> FloatArray:
    """Anti-aliased line through `points` (n, 2 as column, row) with a width for each of its n-1 pieces, 0..1.

    Widths below one pixel are drawn one pixel wide and fainter, so that a line can taper off to nothing.
    """
    mask = np.zeros(shape, dtype=np.uint8)
    fixed = np.round(points * 16).astype(int)  # four fractional bits, as `shift=4` below says
    for start, stop, width in zip(fixed[:-1], fixed[1:], widths, strict=True):
        level = int(255 * min(1.0, float(width)))
        cv2.line(mask, tuple(start), tuple(stop), level, max(1, round(float(width))), cv2.LINE_AA, 4)
    return mask.astype(np.float32) / np.float32(255)
