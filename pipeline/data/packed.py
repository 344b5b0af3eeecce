"""The packed set: every picture in one array, in the order of the classes and paths. Written once, memory-mapped after.

========================  =======================================================================================
``images.npy``            uint8 (N, H, W), C order, grey levels 0 to 255
``labels.npy``            int64 (N,), the number of the row's class, 0 to K - 1
``index.csv``             row, path, class_name, sha256: row -> source file; sorted by class, then path
``classes.json``          the K class names, sorted
========================  =======================================================================================
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from pipeline.data.manifest import ManifestRow, read_manifest
from pipeline.data.parallel import map_threads
from pipeline.errors import DataError
from pipeline.files import new_folder, read_csv, write_csv, write_text
from pipeline.text import shown

INDEX_COLUMNS = ("row", "path", "class_name", "sha256")


@dataclass(frozen=True)
class IndexRow:
    """One row of ``index.csv``: the source file of a row of the array."""

    path: str
    class_name: str
    sha256: str


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

    @property
    def paths(self) -> tuple[str, ...]:
        """Source path of each row."""
        return tuple(row.path for row in self.index)


def pack(resized: Path, target: Path) -> PackedSet:
    """Pack the pictures that a manifest in `resized` lists into `target`; memory stays flat in their number.

    Raises
    ------
    DataError
        If the manifest is missing, lists fewer than two classes, or a picture is missing or of another size.
    """
    rows = [row for row in read_manifest(resized) if not row.problem]
    class_names = sorted({row.class_name for row in rows})
    if len(class_names) < 2:
        raise DataError(
            f"{shown(resized)}: wanted readable photographs of two classes or more, found {len(class_names)}"
        )
    with new_folder(target) as folder:
        _write_images(folder / "images.npy", resized, rows)
        np.save(folder / "labels.npy", np.array([class_names.index(row.class_name) for row in rows], np.int64))
        lines = ((number, row.path, row.class_name, row.sha256) for number, row in enumerate(rows))
        write_csv(folder / "index.csv", INDEX_COLUMNS, lines)
        write_text(folder / "classes.json", json.dumps(class_names, ensure_ascii=False, indent=2) + "\n")
    return open_packed(target)


def _write_images(path: Path, resized: Path, rows: Sequence[ManifestRow]) -> None:
    """Write the array as a header and then row after row.

    A memory map would be as flat, but a full disk kills its writer (SIGBUS) where a plain write raises OSError.
    """
    height, width = _read_grey_png(resized / rows[0].output).shape

    def read(row: ManifestRow) -> bytes:
        image = _read_grey_png(resized / row.output)
        if image.shape != (height, width):
            raise DataError(
                f"{shown(resized / row.output)}: wanted {width}x{height} like the first picture, "
                f"found {image.shape[1]}x{image.shape[0]}"
            )
        return image.tobytes()

    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), height, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for image in map_threads(read, rows, progress="pack_npy"):
            file.write(image)


def _read_grey_png(path: Path) -> np.ndarray:
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except FileNotFoundError:
        raise DataError(f"{shown(path)}: wanted the picture that the manifest lists, found nothing") from None
    except cv2.error:
        image = None
    if image is None or image.ndim != 2 or image.dtype != np.uint8:
        raise DataError(f"{shown(path)}: wanted an 8-bit grey PNG made by `resize`, found something else")
    return np.asarray(image)


def read_index(path: Path) -> tuple[IndexRow, ...]:
    """Read ``index.csv``. Raises DataError if it is missing or not sorted by class, then path."""
    rows = tuple(IndexRow(row["path"], row["class_name"], row["sha256"]) for row in read_csv(path, INDEX_COLUMNS))
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
