"""Photographs as they are shown: small, and with what a net saw drawn over them."""

import numpy as np
import numpy.typing as npt

from pipeline.data.packed import PackedSet
from pipeline.data.squares import resize_square
from pipeline.report.sections import Photo
from pipeline.text import shown

THUMB = 112
"""Most pixels of a side."""

_ORANGE = np.array([255, 120, 0])
_STRENGTH = 0.65  # so much of the colour where the heat is highest: what lies below can still be seen


def plain(packed: PackedSet, row: int, *caption: str) -> Photo:
    """Return a row of the packed set, with what is said of it and its path."""
    path = shown(packed.index[row].path)
    return Photo(thumb(packed.images[row]), (*caption, path), f"{', '.join(caption)}: {path}")


def heated(packed: PackedSet, row: int, heat: npt.NDArray[np.float32], caption: str) -> Photo:
    """Return a row of the packed set under a saliency map, (h, w), 0 to 1."""
    words = caption if heat.any() else f"{caption}: nothing"
    return Photo(overlay(thumb(packed.images[row]), heat), (words,), f"{words}, in {shown(packed.index[row].path)}")


def thumb(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a stored picture, uint8 (S, S), at `THUMB` pixels a side if it is larger."""
    side = min(THUMB, *image.shape)
    small: npt.NDArray[np.uint8] = resize_square(np.asarray(image), side)
    return small


def overlay(image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return uint8 (S, S, 3): a grey picture, the more orange the higher `heat`, (h, w), 0 to 1."""
    grown = resize_square(np.round(heat * 255).astype(np.uint8), len(image))
    share = _STRENGTH * grown[:, :, None] / 255.0
    mixed: npt.NDArray[np.uint8] = np.round(image[:, :, None] * (1 - share) + _ORANGE * share).astype(np.uint8)
    return mixed
