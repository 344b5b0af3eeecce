"""Pixels that are in memory already, on the way that photographs take."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UnreadableImageError


def as_file(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels as the bytes of a file, without loss: then there is one way to a square, with one set of checks.

    Parameters
    ----------
    pixels : uint8 (H, W) grey, or (H, W, 3) RGB

    Raises
    ------
    UnreadableImageError
        If they are of another type or shape.
    """
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise UnreadableImageError(
            f"wanted uint8 of shape (H, W) or (H, W, 3), found {pixels.dtype} of shape {pixels.shape}"
        )
    if not pixels.size:
        raise UnreadableImageError("empty array")
    # OpenCV's order is blue, green, red.
    ordered = np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[:, :, ::-1])
    return cv2.imencode(".bmp", ordered)[1].tobytes()
