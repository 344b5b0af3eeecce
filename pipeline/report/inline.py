"""Pictures as addresses that hold their bytes, photographs small enough to stand on the page by the hundred."""

import base64
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 112
"""Pixels of the longer side at the most."""
_QUALITY = 70


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """Return a picture, at most `SIDE` pixels a side, as an address that holds its bytes: WebP, some 2 KB.

    Parameters
    ----------
    image : uint8 (H, W), or (H, W, 3) in RGB
    """
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    buffer = BytesIO()
    small.save(buffer, format="WEBP", quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def png_uri(png: bytes) -> str:
    """Return the bytes of a PNG as an address that holds them."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
