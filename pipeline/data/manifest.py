"""The table that `resize` leaves beside its pictures: one row a photograph, also for those that were left out."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.files import read_csv, write_csv

MANIFEST_NAME = "manifest.csv"


@dataclass(frozen=True)
class ManifestRow:
    """One photograph.

    Attributes
    ----------
    path : below the data folder, forward slashes; its first folder is the class
    class_name : that first folder
    sha256 : of the source file's bytes, 64 hexadecimal digits; empty if it could not be read
    size_bytes : of the source file
    height, width : in pixels, upright, before scaling; 0 if it could not be decoded
    output : the grey square below the resized folder, forward slashes; empty if left out
    problem : why it was left out; empty if it was not
    """

    path: str
    class_name: str
    sha256: str
    size_bytes: int
    height: int
    width: int
    output: str
    problem: str


_COLUMNS = [field.name for field in fields(ManifestRow)]


def write_manifest(folder: Path, rows: Iterable[ManifestRow]) -> None:
    """Write `rows`, sorted by class, then path, to ``folder/manifest.csv``."""
    ordered = sorted(rows, key=lambda row: (row.class_name, row.path))
    write_csv(folder / MANIFEST_NAME, _COLUMNS, (astuple(row) for row in ordered))


def read_manifest(folder: Path) -> list[ManifestRow]:
    """Read ``folder/manifest.csv``.

    Raises
    ------
    DataError
        If it is missing or has other columns.
    """
    return [
        ManifestRow(
            path=row["path"],
            class_name=row["class_name"],
            sha256=row["sha256"],
            size_bytes=int(row["size_bytes"]),
            height=int(row["height"]),
            width=int(row["width"]),
            output=row["output"],
            problem=row["problem"],
        )
        for row in read_csv(folder / MANIFEST_NAME, _COLUMNS)
    ]
