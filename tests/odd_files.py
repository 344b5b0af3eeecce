"""Files as cameras, scanners and drawing programs leave them."""

import io

import cv2
import numpy as np
from conftest import encode, texture
from PIL import Image

HEIGHT, WIDTH = 60, 80


def colours(seed):
    """A colour picture that is no symmetry's: uint8 (HEIGHT, WIDTH, 3), RGB."""
    return np.dstack([texture(3 * seed + channel, HEIGHT, WIDTH) for channel in range(3)])


def _pil(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sixteen_bits(seed):
    return encode(colours(seed)[:, :, 0].astype(np.uint16) * 257 + 3)


def stored_turned(seed):
    exif = Image.Exif()
    exif[0x0112] = 6
    return _pil(Image.fromarray(colours(seed)), "JPEG", quality=95, exif=exif)


def with_alpha(seed):
    alpha = np.linspace(0, 255, WIDTH).astype(np.uint8)
    return _pil(Image.fromarray(np.dstack([colours(seed), np.tile(alpha, (HEIGHT, 1))])), "PNG")


def palette(seed):
    return _pil(Image.fromarray(colours(seed)).quantize(16), "PNG", bits=4)


def grey_and_alpha(seed):
    return _pil(Image.fromarray(colours(seed)).convert("LA"), "PNG")


def colour(seed):
    return encode(cv2.cvtColor(colours(seed), cv2.COLOR_RGB2BGR))


ODD = {
    "sixteen bits.png": sixteen_bits,
    "turned.jpg": stored_turned,
    "alpha.png": with_alpha,
    "palette.png": palette,
    "grey and alpha.png": grey_and_alpha,
    "colour.png": colour,
}
"""Name -> seed -> the bytes of a file."""

TINY = encode(np.full((3, 3), 128, np.uint8))
"""Of 3 x 3 pixels: no photograph."""
