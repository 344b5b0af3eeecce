"""The packed set: every picture in one array, in the order of the classes and paths; opened by memory-mapping.

========================  =======================================================================================
``images.npy``            uint8 (N, H, W), C order, grey levels 0 to 255
``labels.npy``            int64 (N,), the number of the row's class, 0 to K - 1
``index.csv``             row -> source file (see `IndexRow`); sorted by class, then path
``classes.json``          the K class names, sorted
========================  =======================================================================================
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.errors import DataError
from pipeline.files import read_columns
from pipeline.text import shown


class IndexRow(NamedTuple):
    """One row of ``index.csv``: the source file of a row of the array.

    Attributes
    ----------
    path : below the data folder, forward slashes; its first folder is the class
    class_name : that first folder
    sha256 : of the source file's bytes, 64 hexadecimal digits
    pixels : SHA-256 of the row's bytes in the array, 64 hexadecimal digits: equal where the stored pictures are
    format : of the source file: BMP, JPEG, PNG, TIFF or WEBP
    size_bytes : of the source file
    height, width : of the photograph in pixels, upright, before scaling
    """

    path: str
    class_name: str
    sha256: str
    pixels: str
    format: str
    size_bytes: int
    height: int
    width: int


INDEX_COLUMNS = ("row", *IndexRow._fields)


@dataclass(frozen=True)
class PackedSet:
    """A packed set, opened.

    Attributes
    ----------
    images : uint8 (N, H, W), memory-mapped, read-only
    labels : int64 (N,)
    class_names : the K class names; a label is a place in it
    index : N rows
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    index: tuple[IndexRow, ...]


def read_index(path: Path) -> tuple[IndexRow, ...]:
    """Read ``index.csv``. Raises DataError if it is missing or not sorted by class, then path."""
    rows = tuple(
        IndexRow(place, class_name, sha256, pixels, kind, int(size), int(height), int(width))
        for _, place, class_name, sha256, pixels, kind, size, height, width in read_columns(path, INDEX_COLUMNS)
    )
    if any((a.class_name, a.path) >= (b.class_name, b.path) for a, b in pairwise(rows)):
        raise DataError(f"{shown(path)}: wanted rows sorted by class, then path, each path once; found another order")
    return rows


def open_packed(folder: Path) -> PackedSet:
    """Open a packed set; the pictures are memory-mapped, not read.

    Raises
    ------
    DataError
        If a file is missing, holds another dtype or shape, or the four do not belong together.
    """
    images = _open_array(folder / "images.npy", np.uint8, dimensions=3)
    labels = np.array(_open_array(folder / "labels.npy", np.int64, dimensions=1))
    index = read_index(folder / "index.csv")
    class_names = _read_classes(folder / "classes.json")
    if not len(images) == len(labels) == len(index):
        raise DataError(
            f"{shown(folder)}: wanted as many images as labels and index rows, "
            f"found {len(images)}, {len(labels)} and {len(index)}"
        )
    if [class_names[label] for label in labels if 0 <= label < len(class_names)] != [row.class_name for row in index]:
        raise DataError(f"{shown(folder)}: labels.npy and index.csv do not name the same classes; run pack_npy again")
    return PackedSet(images, labels, class_names, index)


def _open_array(path: Path, dtype: type, dimensions: int) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{shown(path)}: wanted an array made by `pack_npy`, found nothing") from None
    except (ValueError, EOFError) as error:
        raise DataError(f"{shown(path)}: wanted an array made by `pack_npy`, found {error}") from None
    if array.dtype != dtype or array.ndim != dimensions:
        raise DataError(
            f"{shown(path)}: wanted {np.dtype(dtype)} with {dimensions} dimensions, found {array.dtype} {array.shape}"
        )
    return np.asarray(array) if dimensions == 1 else array


def _read_classes(path: Path) -> tuple[str, ...]:
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{shown(path)}: wanted the class names, found nothing") from None
    except ValueError as error:
        raise DataError(f"{shown(path)}: wanted a JSON list of class names, found {error}") from None
    return tuple(names)
