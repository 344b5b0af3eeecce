"""Writing that leaves nothing half-written: everything is made beside its place and moved there whole."""

import csv
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from pipeline.errors import DataError

STATE_FOLDER = Path(".weldproof")
"""In the project's folder: what stages keep for themselves between runs. No output; may be deleted at any time."""

_CHUNK = 1 << 20


def project_root() -> Path:
    """Return the main checkout.

    In `dvc exp run --temp` and in the queue the current folder is a copy that is thrown away; DVC names the checkout.
    """
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def _beside(path: Path) -> Path:
    # The hidden name stands in .gitignore, and a killed process leaves at most this one, which the next one clears.
    return path.with_name(f".{path.name}.partial")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error of the system that names no file name this one: a full disk says only that it is full."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `path` when the block ends well.

    If the block raises (an error, a full disk, Ctrl-C), what was written is removed and `path` is as it was before.
    """
    partial = _beside(path)
    _remove(partial)
    partial.mkdir(parents=True)
    try:
        with _named(path):
            yield partial
        _remove(path)
        partial.rename(path)
    finally:
        _remove(partial)


@contextmanager
def new_files(folder: Path) -> Iterator[Path]:
    """Yield an empty folder whose files and folders are moved into `folder` when the block ends well.

    What stands there under the same names is replaced; the rest, which others may have put there, stays. If the block
    raises, `folder` is as it was before.
    """
    partial = _beside(folder)
    _remove(partial)
    partial.mkdir(parents=True)
    try:
        with _named(folder):
            yield partial
        folder.mkdir(exist_ok=True)
        for made in sorted(partial.iterdir()):
            place = folder / made.name
            if made.is_dir() or place.is_dir():
                _remove(place)
            made.replace(place)
    finally:
        _remove(partial)


def remove_others(folder: Path, wanted: Collection[str]) -> None:
    """Remove what is below `folder` but for the `wanted` files (paths with forward slashes), and empty folders."""
    for current, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = Path(current, name)
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(folder).as_posix() not in wanted:
                path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a place for a file that takes the place of `path` when the block ends well; parents are made."""
    partial = _beside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _named(path):
            yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all; parents are made."""
    with replaced(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def lasting(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of `path` when the block ends well, and outlives a loss of power then."""
    with replaced(path) as partial, partial.open("wb") as file:
        yield file
        file.flush()
        # The name must not point to what a loss of power can still take.
        os.fsync(file.fileno())


def append_range(source: int, start: int, length: int, target: BinaryIO) -> bool:
    """Append `length` bytes of an open file, from `start`, to another; False if it ends before."""
    target.flush()
    end = start + length
    while start < end:
        copied = _copy_some(source, start, end - start, target.fileno())
        if not copied:
            return False
        start += copied
    return True


def _copy_some(source: int, start: int, length: int, target: int) -> int:
    if hasattr(os, "copy_file_range"):
        # Inside the system: no byte comes into this process. What fails for want of support works below; what fails
        # for another reason, such as a full disk, fails there again.
        with suppress(OSError):
            return os.copy_file_range(source, target, length, offset_src=start)
    return os.write(target, os.pread(source, min(length, _CHUNK), start))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a comma-separated table with a header line, Unix line ends and UTF-8, whole or not at all."""
    with replaced(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a comma-separated table that must have `columns`; further ones are kept.

    Raises
    ------
    DataError
        If the file is missing or a column is.
    """
    with _opened(path) as file:
        return parse_csv(path, file, columns)


def parse_csv(path: Path, lines: Iterable[str], columns: Sequence[str]) -> list[dict[str, str]]:
    """As `read_csv`, from the lines of the file at `path`, line ends included."""
    rows = _parse(path, lines, columns)
    header = next(rows)
    return [dict(zip(header, row, strict=False)) for row in rows]


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield `columns`, two or more, in this order, of row after row: for large tables. Raises as `read_csv` does."""
    with _opened(path) as file:
        rows = _parse(path, file, columns)
        places = {name: place for place, name in enumerate(next(rows))}
        yield from map(itemgetter(*(places[name] for name in columns)), rows)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        file = path.open(newline="", encoding="utf-8-sig")  # spreadsheets begin UTF-8 with a mark
    except FileNotFoundError:
        raise DataError(f"{path}: wanted a CSV table, found nothing") from None
    with file:
        yield file


def _parse(path: Path, lines: Iterable[str], columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield the header, and then each row."""
    # Not csv.DictReader: with many thousands of rows it would be most of the time.
    reader = csv.reader(lines)
    try:
        header = next(reader, [])
        missing = [name for name in columns if name not in header]
        if missing:
            raise DataError(f"{path}: wanted the columns {', '.join(columns)}; missing {', '.join(missing)}")
        yield header
        for row in filter(None, reader):
            if len(row) < len(header):
                raise DataError(f"{path}: wanted a value in every column, found a row that is cut short")
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: wanted a CSV table, found {error}") from None
