"""Decode a photograph, of whatever kind, to 8-bit grey: the one way in for the pipeline and for the served model."""

import io
import struct
import warnings
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from pipeline.errors import UnreadableImageError

MIN_SIDE = 8
"""Pixels; a smaller picture is an icon or a mistake, and nothing can be seen in it."""

MAX_PIXELS = 2**28
"""About 16,000 x 16,000; beyond it a small file can fill the memory (a decompression bomb)."""

_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_ORIENTATION_TAG = 0x0112
_PHOTOMETRIC_TAG, _WHITE_IS_ZERO = 262, 0
_EXTRA_SAMPLES_TAG, _NO_ALPHA_TO_APPLY = 338, (0, 1, (0,), (1,))  # unspecified; alpha that is applied already
_PLANAR_TAG, _IN_PLANES = 284, 2
_EXIF_IN_PNG = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
# What turns a stored picture upright, by its EXIF orientation (Exif 2.3).
_ORIENTATIONS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda grey: grey,
    2: lambda grey: grey[:, ::-1],
    3: lambda grey: grey[::-1, ::-1],
    4: lambda grey: grey[::-1, :],
    5: lambda grey: grey.T,
    6: lambda grey: grey.T[:, ::-1],
    7: lambda grey: grey.T[::-1, ::-1],
    8: lambda grey: grey.T[::-1, :],
}

# The size is checked here, with a clearer message, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
# It warns of odd metadata; what counts is whether the picture can be decoded.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Its complaints go to stderr unasked; what cannot be decoded is reported with the file's name by whoever asked.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Decoded(NamedTuple):
    """A decoded picture.

    Attributes
    ----------
    grey : uint8 (H, W), C order; at half the size where that was allowed
    height, width : of the photograph in pixels, upright
    kind : BMP, JPEG, PNG, TIFF or WEBP
    """

    grey: np.ndarray
    height: int
    width: int
    kind: str


def decode(data: bytes, may_halve: Callable[[int, int], bool] = lambda _height, _width: False) -> Decoded:
    """Decode the bytes of a BMP, JPEG, PNG, TIFF or WebP file to grey, upright.

    Colour becomes luma (ITU-R BT.601). 16-bit values are scaled by 255/65535, not cut. Palettes are resolved,
    transparent pixels are laid on black, and the EXIF orientation is applied. Of several pages the first is taken.

    Parameters
    ----------
    may_halve : asked with the height and width of a JPEG, both even, whether to decode it at half its size. That takes
        less time, and comes close to averaging 2 x 2 pixels.

    Raises
    ------
    UnreadableImageError
        If the bytes are not such a file, are cut short, hold less than `MIN_SIDE` pixels a side or more than
        `MAX_PIXELS` in all, or hold numbers other than 8 or 16-bit integers.
    """
    if not data:
        raise UnreadableImageError("empty file")
    header = _read_header(data)
    _check_size(header.size)
    # Luma is what a JPEG stores: asking for grey spares its decoder the colours.
    jpeg = header.format in {"JPEG", "MPO"}
    width, height = header.size
    half = jpeg and width % 2 == 0 and height % 2 == 0 and may_halve(height, width)
    grey_flag = cv2.IMREAD_REDUCED_GRAYSCALE_2 if half else cv2.IMREAD_GRAYSCALE
    flags = grey_flag | cv2.IMREAD_IGNORE_ORIENTATION if jpeg else cv2.IMREAD_UNCHANGED
    pixels = _decode(data, flags)
    if header.format == "TIFF":
        pixels = _as_other_formats(pixels, header)
    elif header.format == "BMP" and header.mode == "RGB":
        # The fourth byte of such a pixel is unused; OpenCV takes it for alpha.
        pixels = pixels[:, :, :3] if pixels.ndim == 3 else pixels
    grey = _to_eight_bits(_to_grey(pixels))
    upright = np.ascontiguousarray(_upright(grey, header) if _may_have_exif(data, header) else grey)
    scale = 2 if half else 1
    return Decoded(upright, scale * upright.shape[0], scale * upright.shape[1], "JPEG" if jpeg else str(header.format))


def _read_header(data: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        raise UnreadableImageError("wanted a BMP, JPEG, PNG, TIFF or WebP image, found none of these") from None
    except (OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError) as error:
        # Pillow's parsers raise any of these on a broken header.
        raise UnreadableImageError(f"broken header ({error})") from None


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise UnreadableImageError(f"wanted at least {MIN_SIDE} pixels a side, found {width}x{height}")
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(f"wanted at most {MAX_PIXELS:,} pixels, found {width}x{height}")


def _decode(data: bytes, flags: int) -> np.ndarray:
    if data.startswith(b"\x89PNG") and b"IEND" not in data:
        # libpng would print its own line to stderr.
        raise UnreadableImageError("cut short")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UnreadableImageError(f"cannot be decoded ({error.err})") from None
    if pixels is None:
        raise UnreadableImageError("cut short, damaged, or of a kind that OpenCV cannot decode")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnreadableImageError(f"wanted 8 or 16-bit values, found {pixels.dtype}")
    return np.asarray(pixels)


def _as_other_formats(pixels: np.ndarray, header: ImageFile.ImageFile) -> np.ndarray:
    """Undo what OpenCV does to TIFF files alone.

    It lays the transparent pixels of 8-bit files that declare an alpha channel on black itself, takes any fourth sample
    of 16 bits for alpha that is still to be applied, and 16-bit files that store white as zero, as scanned radiographs
    often do, for their negatives. Of planes of 16 bits it makes what happens to stand in memory.
    """
    if pixels.dtype == np.uint16 and pixels.ndim == 3 and _tag(header, _PLANAR_TAG) == _IN_PLANES:
        raise UnreadableImageError("wanted 16-bit samples pixel by pixel, found them in planes")
    if pixels.dtype == np.uint16 and pixels.ndim == 3 and _tag(header, _EXTRA_SAMPLES_TAG) in _NO_ALPHA_TO_APPLY:
        return pixels[:, :, :3]
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and _tag(header, _EXTRA_SAMPLES_TAG):
        return pixels[:, :, :3]
    if pixels.dtype == np.uint16 and pixels.ndim == 2 and _tag(header, _PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        return np.iinfo(np.uint16).max - pixels
    return pixels


def _tag(header: ImageFile.ImageFile, tag: int) -> object:
    return getattr(header, "tag_v2", {}).get(tag)


def _to_grey(pixels: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA -> (H, W) of the same dtype."""
    if pixels.ndim == 2:
        return pixels
    channels = pixels.shape[2]
    if channels == 1:
        return pixels[:, :, 0]
    if channels == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    if channels == 4:
        alpha = pixels[:, :, 3].astype(np.float32) / np.iinfo(pixels.dtype).max
        grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2GRAY))
        return np.rint(grey * alpha).astype(pixels.dtype)
    raise UnreadableImageError(f"wanted 1, 3 or 4 channels, found {channels}")


def _to_eight_bits(grey: np.ndarray) -> np.ndarray:
    if grey.dtype == np.uint16:
        return ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return grey


def _may_have_exif(data: bytes, header: Image.Image) -> bool:
    """Whether it is worth asking: where a PNG has none in front, Pillow unpacks all of it to look behind the pixels."""
    return header.format != "PNG" or any(mark in data for mark in _EXIF_IN_PNG)


def _upright(grey: np.ndarray, header: Image.Image) -> np.ndarray:
    """Apply the EXIF orientation of the file that `grey` was decoded from."""
    if header.format == "TIFF":
        # There the orientation belongs to the format, and OpenCV has applied it.
        return grey
    try:
        orientation = header.getexif().get(_ORIENTATION_TAG, 1)
    except (OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError, struct.error):
        # A broken EXIF block says nothing about the picture.
        return grey
    return _ORIENTATIONS.get(orientation, _ORIENTATIONS[1])(grey)
