"""What `resize` leaves beside its pictures: `manifest.csv`, a row a photograph, and `made.json`, how it was made."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DataError
from pipeline.files import new_files, read_columns, write_csv, write_text
from pipeline.text import shown

MANIFEST_NAME = "manifest.csv"
MADE_NAME = "made.json"


class ManifestRow(NamedTuple):
    """One photograph.

    Attributes
    ----------
    path : below the data folder, forward slashes; its first folder is the class
    class_name : that first folder
    sha256 : of the source file's bytes, 64 hexadecimal digits; empty if it could not be read
    format : BMP, JPEG, PNG, TIFF or WEBP; empty if it could not be decoded
    size_bytes : of the source file
    height, width : in pixels, upright, before scaling; 0 if it could not be decoded
    sheet : the contact sheet below the resized folder that shows it, forward slashes; empty if left out
    tile : its place on the sheet, from 0, line by line; -1 if left out
    pixels : SHA-256 of the square's bytes, row by row, 64 hexadecimal digits; empty if left out
    problem : why it was left out; empty if it was not
    """

    path: str
    class_name: str
    sha256: str
    format: str
    size_bytes: int
    height: int
    width: int
    sheet: str
    tile: int
    pixels: str
    problem: str


class Made(NamedTuple):
    """What the squares were made with: the version of the code, and their side in pixels."""

    code: str
    size: int


def write_manifest(folder: Path, rows: Iterable[ManifestRow], made: Made) -> None:
    """Write `rows`, sorted by class, then path, to ``folder/manifest.csv``, and with it ``folder/made.json``.

    The second file holds the checksum of the first, so a pair that does not belong together is known by it.
    """
    ordered = sorted(rows, key=lambda row: (row.class_name, row.path))
    with new_files(folder) as both:
        write_csv(both / MANIFEST_NAME, ManifestRow._fields, ordered)
        checksum = hashlib.sha256((both / MANIFEST_NAME).read_bytes()).hexdigest()
        write_text(both / MADE_NAME, json.dumps(made._asdict() | {"manifest": checksum}, indent=2) + "\n")


def read_made(folder: Path) -> Made | None:
    """Return what the squares in `folder` were made with; None if the manifest is not as `write_manifest` left it."""
    try:
        note = json.loads((folder / MADE_NAME).read_bytes())
        made = Made(note["code"], note["size"])
        checksum = hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return made if note == made._asdict() | {"manifest": checksum} else None


def read_manifest(folder: Path) -> list[ManifestRow]:
    """Read ``folder/manifest.csv``.

    Raises
    ------
    DataError
        If it is missing, or not as `write_manifest` left it.
    """
    path = folder / MANIFEST_NAME
    if path.exists() and read_made(folder) is None:
        raise DataError(f"{shown(path)}: wanted it as `resize` left it, found it changed; run resize again")
    return [
        ManifestRow(place, class_name, sha256, kind, int(size), int(height), int(width), sheet, int(tile), *rest)
        for place, class_name, sha256, kind, size, height, width, sheet, tile, *rest in read_columns(
            path, ManifestRow._fields
        )
    ]
