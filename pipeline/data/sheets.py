"""Contact sheets: how the grey squares are stored, so that they are few files and still easy to look at.

A sheet is an 8-bit grey PNG with up to `capacity` squares of one class, line by line, in the order of the paths, with
white lines between them. Which photographs share a sheet is decided by their paths alone: a sheet ends where the hash
of a path says so. So a photograph that comes or goes changes one sheet or two and leaves all others as they are
(content-defined chunking, as in A. Muthitacharoen et al., "A Low-bandwidth Network File System", SOSP 2001). The
name of a sheet ends with the hash of its bytes: whether it is intact can be told from the file alone.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import cv2
import numpy as np

from pipeline.data.find import Photograph

SHEET_SIDE = 2048
"""Pixels, about: a sheet fits onto a screen, and is decoded in the time of a few photographs."""

GAP = 2
"""Pixels between two squares."""

_WHITE = 255
_HASH_DIGITS = 16


def columns(size: int) -> int:
    """Return how many squares of `size` pixels a side stand side by side."""
    return max(1, SHEET_SIDE // size)


def capacity(size: int) -> int:
    """Return how many squares a sheet has at the most."""
    return columns(size) ** 2


def plan_sheets(photographs: Sequence[Photograph], size: int) -> Iterator[tuple[Photograph, ...]]:
    """Yield the photographs of each sheet: `photographs`, sorted by class, then path, cut into pieces.

    A piece is of one class, has at most `capacity` photographs, and less than half of that on average.
    """
    most = capacity(size)
    piece: list[Photograph] = []
    for photograph in photographs:
        if piece and photograph.class_name != piece[0].class_name:
            yield tuple(piece)
            piece = []
        piece.append(photograph)
        if len(piece) == most or _ends_sheet(photograph, most):
            yield tuple(piece)
            piece = []
    if piece:
        yield tuple(piece)


def _ends_sheet(photograph: Photograph, most: int) -> bool:
    below_class = photograph.path.partition("/")[2]  # a class that gets another name keeps its sheets
    return int.from_bytes(hashlib.sha256(below_class.encode()).digest()[:8], "big") % most < 2


def compose(squares: Sequence[np.ndarray]) -> np.ndarray:
    """Lay out one or more squares, uint8 (S, S), as a sheet: uint8 (height, width)."""
    size = len(squares[0])
    across = min(len(squares), columns(size))
    down = -(-len(squares) // columns(size))
    sheet = np.full((down * (size + GAP) - GAP, across * (size + GAP) - GAP), _WHITE, np.uint8)
    for tile, square in enumerate(squares):
        cut(sheet, size, tile)[...] = square
    return sheet


def cut(sheet: np.ndarray, size: int, tile: int) -> np.ndarray:
    """Return square number `tile` of a sheet as a view; one that reaches beyond it is cut short, or empty."""
    row, column = divmod(tile, columns(size))
    top, left = row * (size + GAP), column * (size + GAP)
    return sheet[top : top + size, left : left + size]


def encode(sheet: np.ndarray) -> bytes:
    """Return a sheet as the bytes of a PNG file."""
    # Not cv2.imwrite: on a full disk it answers nothing.
    _, png = cv2.imencode(".png", sheet)
    return png.tobytes()


def decode(png: bytes) -> np.ndarray | None:
    """Return the sheet, uint8 (height, width), or None if these are not the bytes of one."""
    try:
        sheet = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return sheet if sheet is not None and sheet.ndim == 2 and sheet.dtype == np.uint8 else None


def sheet_name(first: Photograph, digest: str) -> str:
    """Return the path of a sheet below the resized folder.

    Parameters
    ----------
    first : the first photograph on it, whose name says to people where in the set they are
    digest : SHA-256 of the sheet's bytes, hexadecimal
    """
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", PurePosixPath(first.path).stem)[:60].lstrip(".-")
    return f"{first.class_name}/{stem}-{digest[:_HASH_DIGITS]}.png"


def is_intact(name: str, digest: str) -> bool:
    """Return whether a sheet of this name should have bytes with this SHA-256."""
    return PurePosixPath(name).stem.endswith(f"-{digest[:_HASH_DIGITS]}")
