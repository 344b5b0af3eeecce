"""Photographs of any kind and size -> grey squares of one size on contact sheets, with a manifest.

Only what is new is decoded. A square is taken from the sheets that stand there where the photograph's content, the
size, and the code that makes squares (`MAKERS`) are those that it was made from. What comes out is the same, byte for
byte, as if everything were made anew, whatever stood there before.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.data import read, sheets, squares
from pipeline.data.at_rest import changed
from pipeline.data.code import code_version
from pipeline.data.find import Listing, Photograph, find_photographs
from pipeline.data.fingerprints import Fingerprints
from pipeline.data.manifest import MADE_NAME, MANIFEST_NAME, Made, ManifestRow, read_made, read_manifest, write_manifest
from pipeline.data.parallel import map_threads
from pipeline.errors import DataError, UnreadableImageError
from pipeline.files import remove_others, write_bytes
from pipeline.text import shown

MAKERS = (read, sheets, squares)
"""The modules that have a say in the pixels of a square or the bytes of a sheet."""

_PACKAGES = ("opencv-python-headless", "pillow", "numpy")
_OWN_NAMES = (MADE_NAME, MANIFEST_NAME)
_DECODED_SHEETS = (
    32  # of 4 MB each at 224 pixels: what is copied from one sheet comes in one go, but on several threads
)


class ResizeParams(BaseModel):
    """The `resize` section of params.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    size: int = Field(ge=16, le=4096)
    on_error: Literal["fail", "skip"]


class Resized(NamedTuple):
    """What `resize_photographs` did: the manifest's rows, and how many photographs had not been there before."""

    rows: list[ManifestRow]
    new: int


def resize_photographs(
    source: Path, listing: Listing, target: Path, params: ResizeParams, verify: bool = False
) -> Resized:
    """Bring the sheets and the manifest in `target` up to the photographs of `listing`.

    What stands in `target` already is used where it is good, and removed where it is not wanted. If anything fails, it
    is as it was before.

    Parameters
    ----------
    listing : what `find_photographs` found in `source`
    verify : read every photograph and every sheet again, also those that look untouched

    Raises
    ------
    DataError
        If no photograph can be read, or (with ``on_error="fail"``) any cannot: all such are named. If a photograph
        comes, goes or changes meanwhile. If `source` and `target` are not apart: what is not wanted there is removed.
    """
    places = source.resolve(), target.resolve()
    if places[0].is_relative_to(places[1]) or places[1].is_relative_to(places[0]):
        raise DataError(
            f"{shown(target)}: wanted a folder apart from the photographs in {shown(source)}, found one in the other"
        )
    taken = {photograph.class_name for photograph in listing.photographs} & set(_OWN_NAMES)
    if taken:
        raise DataError(f"{shown(source)}: wanted another name for the class {min(taken)}: it is taken by a file")
    fingerprints = Fingerprints("resize", verify)
    made = Made(code_version(MAKERS, _PACKAGES), params.size)
    former = _Former(target, read_manifest(target) if read_made(target) == made else [], params.size, fingerprints)
    maker = _Maker(source, target, params.size, former, fingerprints)
    existed = target.exists()
    try:
        pieces = list(sheets.plan_sheets(listing.photographs, params.size))
        # Closed, so that no thread still writes where what was written is removed.
        with closing(map_threads(maker.make, pieces, "resize", images=len)) as sheets_rows:
            rows = [row for sheet_rows in sheets_rows for row in sheet_rows]
        _check_problems(source, rows, params)
        _check_at_rest(source, listing, (row.path for row in rows if row.sha256), fingerprints)
        write_manifest(target, rows, made)
    except BaseException:
        remove_others(target, former.files if existed else ())
        raise
    remove_others(target, {*_OWN_NAMES, *(row.sheet for row in rows)})
    fingerprints.save()
    return Resized(rows, new=sum(not row.problem and former.row(row.sha256) is None for row in rows))


class _Former:
    """The squares that stand on sheets already, by the content of their photographs."""

    def __init__(self, folder: Path, rows: Sequence[ManifestRow], size: int, fingerprints: Fingerprints) -> None:
        self._folder, self._size, self._fingerprints = folder, size, fingerprints
        self.files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        self._rows = {row.sha256: row for row in rows if not row.problem}
        contents: dict[str, list[str]] = {}
        for row in rows:
            if not row.problem:
                contents.setdefault(row.sheet, []).append(row.sha256)
        self._sheets = {tuple(hashes): sheet for sheet, hashes in contents.items()}
        self._decoded = lru_cache(maxsize=_DECODED_SHEETS)(self._decode)

    def row(self, content: str) -> ManifestRow | None:
        """Return what is known of the photograph with this SHA-256; its path is that of any with this content."""
        return self._rows.get(content)

    def sheet(self, contents: Sequence[str]) -> str | None:
        """Return the sheet that holds just these photographs, in this order, if there is one and it is intact."""
        name = self._sheets.get(tuple(contents))
        return name if name and self._is_intact(name) else None

    def square(self, content: str) -> np.ndarray | None:
        """Return the square of the photograph with this SHA-256: uint8 (S, S); None if it is not there, or damaged."""
        row = self._rows.get(content)
        sheet = self._decoded(row.sheet) if row else None
        return None if row is None or sheet is None else sheets.cut(sheet, self._size, row.tile)

    def _decode(self, name: str) -> np.ndarray | None:
        return sheets.decode((self._folder / name).read_bytes()) if self._is_intact(name) else None

    def _is_intact(self, name: str) -> bool:
        try:
            return sheets.is_intact(name, self._fingerprints.sha256(f"{self._folder}/{name}"))
        except OSError:
            return False


@dataclass(frozen=True)
class _Maker:
    source: Path
    target: Path
    size: int
    former: _Former
    fingerprints: Fingerprints

    def make(self, photographs: Sequence[Photograph]) -> list[ManifestRow]:
        """Put the sheet of these photographs into its place; return their rows, also of those that cannot be read."""
        found = [self._look(photograph) for photograph in photographs]
        shown_rows = [row for row, _ in found if not row.problem]
        if not shown_rows:
            return [row for row, _ in found]
        name = self._place(photographs[0], [row.sha256 for row in shown_rows], found)
        tiles = iter(range(len(shown_rows)))
        return [row if row.problem else row._replace(sheet=name, tile=next(tiles)) for row, _ in found]

    def _look(self, photograph: Photograph) -> tuple[ManifestRow, np.ndarray | None]:
        """Return a photograph's row, not yet on a sheet, and its square where it had to be decoded."""
        path = f"{self.source}/{photograph.path}"
        data = None
        content = ""
        try:
            known = self.fingerprints.known(path)
            if known is None or self.former.row(known) is None:
                data, content = self.fingerprints.read(path)
            former = self.former.row(known or content)
            if former:
                return former._replace(path=photograph.path, class_name=photograph.class_name), None
            assert data is not None
            return self._decode(photograph, data, content)
        except UnreadableImageError as error:
            problem = str(error)
        except FileNotFoundError:
            raise changed(self.source, [photograph.path]) from None
        except OSError as error:
            problem = error.strerror or str(error)
        return _row(photograph, content, data or b"", problem=problem), None

    def _decode(self, photograph: Photograph, data: bytes, content: str) -> tuple[ManifestRow, np.ndarray]:
        seen = squares.read_photograph(data, self.size)
        return _row(photograph, content, data, seen), seen.square

    def _place(
        self, first: Photograph, contents: list[str], found: Iterable[tuple[ManifestRow, np.ndarray | None]]
    ) -> str:
        """Write the sheet, unless it stands there already, and return its path below the target."""
        former = self.former.sheet(contents)
        if former:
            digest = self.fingerprints.sha256(f"{self.target}/{former}")
            name = sheets.sheet_name(first, digest)
            if name != former:
                self._write(name, (self.target / former).read_bytes(), digest)
            return name
        png = sheets.encode(sheets.compose([self._square(row, new) for row, new in found if not row.problem]))
        digest = hashlib.sha256(png).hexdigest()
        name = sheets.sheet_name(first, digest)
        self._write(name, png, digest)
        return name

    def _square(self, row: ManifestRow, new: np.ndarray | None) -> np.ndarray:
        square = new if new is not None else self.former.square(row.sha256)
        if square is None:
            # Its sheet is gone or damaged.
            data, content = self.fingerprints.read(f"{self.source}/{row.path}")
            if content != row.sha256:
                raise changed(self.source, [row.path])
            square = squares.read_photograph(data, self.size).square
        return square

    def _write(self, name: str, png: bytes, digest: str) -> None:
        write_bytes(self.target / name, png)
        self.fingerprints.note_written(f"{self.target}/{name}", digest)


def _row(
    photograph: Photograph, content: str, data: bytes, seen: squares.Seen | None = None, problem: str = ""
) -> ManifestRow:
    return ManifestRow(
        path=photograph.path,
        class_name=photograph.class_name,
        sha256=content,
        format=seen.format if seen else "",
        size_bytes=len(data),
        height=seen.height if seen else 0,
        width=seen.width if seen else 0,
        sheet="",
        tile=-1,
        pixels=hashlib.sha256(seen.square.tobytes()).hexdigest() if seen else "",
        problem=problem,
    )


def _check_problems(source: Path, rows: list[ManifestRow], params: ResizeParams) -> None:
    problems = [f"{shown(row.path)}: {row.problem}" for row in rows if row.problem]
    if not problems:
        return
    lost = sorted({row.class_name for row in rows} - {row.class_name for row in rows if not row.problem})
    if lost:
        # Also with `skip`: a class that silently disappears would make another problem of this one.
        head = f"{shown(source)}: no photograph can be read of {', '.join(map(shown, lost))}:"
        raise DataError("\n  ".join([head, *problems]))
    if params.on_error == "fail":
        head = f"{shown(source)}: {len(problems)} of {len(rows)} photographs cannot be read (resize.on_error: fail):"
        raise DataError("\n  ".join([head, *problems]))


def _check_at_rest(source: Path, listing: Listing, read: Iterable[str], fingerprints: Fingerprints) -> None:
    """Refuse what changed since it was read: DVC would take the outputs for those of the photographs as they are."""
    now = find_photographs(source).photographs
    touched = fingerprints.changed(f"{source}/{path}" for path in read)
    if touched or now != listing.photographs:
        other = {photograph.path for photograph in set(now) ^ set(listing.photographs)}
        raise changed(source, sorted(other | {path.removeprefix(f"{source}/") for path in touched}))
