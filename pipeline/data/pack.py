"""Grey squares on contact sheets -> one array.

Rows that the former array has already are copied from it, the others are cut from their sheets. What comes out is the
same, byte for byte, as if all were cut: every row is checked by the hash of its pixels, which the manifest gives.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from pipeline.data import sheets
from pipeline.data.at_rest import check_at_rest
from pipeline.data.fingerprints import Fingerprints
from pipeline.data.manifest import ManifestRow, read_made, read_manifest
from pipeline.data.packed import INDEX_COLUMNS, IndexRow, PackedSet, open_packed, read_index
from pipeline.data.parallel import map_threads
from pipeline.errors import DataError
from pipeline.files import append_range, new_files, write_csv, write_text
from pipeline.text import shown

_IMAGES, _INDEX = "images.npy", "index.csv"
_index_row = attrgetter(*IndexRow._fields)


def pack(resized: Path, target: Path, verify: bool = False, source: Path | None = None) -> PackedSet:
    """Pack the squares that the manifest in `resized` lists into `target`; memory stays flat in their number.

    Parameters
    ----------
    source : the folder of the photographs, if they are to be checked to be those that `resize` saw
    verify : hash every row that is copied from the former array, also where that looks untouched

    Raises
    ------
    DataError
        If the manifest is missing, lists fewer than two classes, or a sheet is missing or not what it was; or if a
        photograph is not what it was.
    """
    rows = read_manifest(resized)
    if source:
        check_at_rest(source, resized, rows)
    rows = [row for row in rows if not row.problem]
    made = read_made(resized)
    assert made is not None
    class_names = sorted({row.class_name for row in rows})
    if len(class_names) < 2:
        raise DataError(
            f"{shown(resized)}: wanted readable photographs of two classes or more, found {len(class_names)}"
        )
    fingerprints = Fingerprints("pack_npy", verify)
    with new_files(target) as folder, _Former(target, made.size, fingerprints) as former:
        _write_images(folder / _IMAGES, resized, rows, made.size, former)
        _write_tables(folder, rows, class_names)
        # Before it is replaced: ext4 else writes all of the new one to the disk in that moment, half a second a
        # gigabyte. Who is killed in between, or loses power, lacks an array that the sheets can give again.
        (target / _IMAGES).unlink(missing_ok=True)
    fingerprints.note_written(str(target / _IMAGES), _checksum(target / _INDEX))
    fingerprints.save()
    del rows  # `open_packed` reads as much
    return open_packed(target)


class _Former:
    """The rows of the array that stands there already, by the hash of their pixels.

    Attributes
    ----------
    untouched : whether it is as `pack` left it, so that its rows need not be hashed
    """

    def __init__(self, folder: Path, size: int, fingerprints: Fingerprints) -> None:
        self.untouched = False
        self._path, self._length = folder / _IMAGES, size**2
        self._file: int | None = None
        self._places: dict[str, int] = {}
        self._closing = ExitStack()
        try:
            array = np.load(self._path, mmap_mode="r", allow_pickle=False)
            index = read_index(folder / _INDEX)
            if array.dtype != np.uint8 or array.shape[1:] != (size, size):
                return
            self._start = array.offset
            # Read, not mapped: a file that is cut short meanwhile would kill the reader of a map.
            self._file = os.open(self._path, os.O_RDONLY)
            self._closing.callback(os.close, self._file)
            self.untouched = fingerprints.known(str(self._path)) == _checksum(folder / _INDEX)
        except (OSError, ValueError, EOFError, DataError):
            return
        self._places = {row.pixels: place for place, row in enumerate(index)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def places(self, pixels: Sequence[str]) -> range | None:
        """Return the rows with these SHA-256, one or more, or None unless they stand together, in this order."""
        first = self._places.get(pixels[0])
        if first is None or any(self._places.get(each) != place for place, each in enumerate(pixels, first)):
            return None
        return range(first, first + len(pixels))

    def read(self, pixels: Sequence[str]) -> bytes | None:
        """Return the rows with these SHA-256 in one piece, or None unless they stand together, all of them intact."""
        places = self.places(pixels)
        if places is None or self._file is None:
            return None
        data = os.pread(self._file, len(places) * self._length, self._start + places.start * self._length)
        rows = (memoryview(data)[start : start + self._length] for start in range(0, len(data), self._length))
        return data if [hashlib.sha256(row).hexdigest() for row in rows] == list(pixels) else None

    def copy(self, places: range, target: BinaryIO) -> None:
        """Append rows to `target`, unread."""
        assert self._file is not None
        start = self._start + places.start * self._length
        if not append_range(self._file, start, len(places) * self._length, target):
            raise DataError(f"{shown(self._path)}: wanted an array at rest, found it cut short meanwhile; run again")


def _write_images(path: Path, resized: Path, rows: Sequence[ManifestRow], size: int, former: _Former) -> None:
    """Write the array as a header and then row after row.

    A memory map would be as flat, but a full disk kills its writer (SIGBUS) where a plain write raises OSError.
    """
    pieces = [tuple(piece) for _, piece in groupby(rows, key=lambda row: row.sheet)]
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), size, size)}
        np.lib.format.write_array_header_1_0(file, header)
        read = partial(_read_piece, resized=resized, size=size, former=former)
        with closing(map_threads(read, pieces, "pack_npy", images=len)) as squares:
            for piece in squares:
                if isinstance(piece, range):
                    former.copy(piece, file)
                else:
                    file.write(piece)


def _write_tables(folder: Path, rows: Sequence[ManifestRow], class_names: Sequence[str]) -> None:
    places = {name: place for place, name in enumerate(class_names)}
    np.save(folder / "labels.npy", np.array([places[row.class_name] for row in rows], np.int64))
    write_csv(folder / _INDEX, INDEX_COLUMNS, ((number, *_index_row(row)) for number, row in enumerate(rows)))
    write_text(folder / "classes.json", json.dumps(class_names, ensure_ascii=False, indent=2) + "\n")


def _read_piece(rows: Sequence[ManifestRow], resized: Path, size: int, former: _Former) -> bytes | range:
    """Return the squares of consecutive photographs of one sheet, one after the other, or where `former` has them."""
    pixels = [row.pixels for row in rows]
    together = former.places(pixels) if former.untouched else former.read(pixels)
    if together:
        return together
    squares = [former.read([each]) for each in pixels]
    if None in squares:
        sheet = _read_sheet(resized / rows[0].sheet)
        squares = [square or _cut(resized, sheet, row, size) for row, square in zip(rows, squares, strict=True)]
    return b"".join(square for square in squares if square)


def _read_sheet(path: Path) -> np.ndarray:
    try:
        sheet = sheets.decode(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{shown(path)}: wanted the sheet that the manifest lists, found nothing") from None
    if sheet is None:
        raise DataError(f"{shown(path)}: wanted a sheet made by `resize`, found something else; run resize again")
    return sheet


def _cut(resized: Path, sheet: np.ndarray, row: ManifestRow, size: int) -> bytes:
    data = sheets.cut(sheet, size, row.tile).tobytes()
    if hashlib.sha256(data).hexdigest() != row.pixels:
        raise DataError(
            f"{shown(resized / row.sheet)}: wanted the picture of {shown(row.path)} as square {row.tile}, "
            "found another; run resize again"
        )
    return data


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
