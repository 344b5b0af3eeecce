"""The table that `split` leaves: which photographs are learnt from, as what class, in which part and which fold."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.packed import PackedSet
from pipeline.errors import DataError
from pipeline.files import parse_csv, read_csv, write_csv
from pipeline.text import shown

PARTS = ("train", "val", "test")

NOT_LEARNT = "class not learnt"
"""The note of a photograph whose class the parameters leave out."""

Rows = NDArray[np.int64]

NO_ROWS: Rows = np.empty(0, np.int64)


class AssignmentRow(NamedTuple):
    """One photograph of the packed set.

    Attributes
    ----------
    path : below the data folder; rows are sorted by the first folder, then path, as the packed set's are
    class_name : what the net learns it as; empty if it is not used
    sha256 : of the source file's bytes, 64 hexadecimal digits: what it is known by, whatever it is called
    group : photographs of one group are never divided
    part : ``train``, ``val`` or ``test``; empty if it has none, for the reason in `note`. A photograph of a class that
        is not learnt keeps its part.
    fold : 0 to K - 1; -1 (an empty field in the table) where there are no folds, or it has no part
    note : why it is not used, or has no part; else empty
    """

    path: str
    class_name: str
    sha256: str
    group: str
    part: str
    fold: int
    note: str


COLUMNS = AssignmentRow._fields


@dataclass(frozen=True)
class Parts:
    """Row numbers of each part, int64, ascending; no row twice, and only rows that are used."""

    train: Rows
    val: Rows
    test: Rows


@dataclass(frozen=True)
class Assignment:
    """The table, as arrays over the N rows of the packed set.

    Attributes
    ----------
    class_names : the classes that are learnt, sorted
    labels : int64 (N,), place in `class_names`; -1 where the row is not used
    part : str (N,), "train", "val", "test" or ""
    fold : int64 (N,), 0 to `num_folds` - 1, or -1
    num_folds : 0 where the table has no folds
    group : int64 (N,), the same number where photographs are of one group
    """

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    part: NDArray[np.str_]
    fold: NDArray[np.int64]
    num_folds: int
    group: NDArray[np.int64]

    def parts(self) -> Parts:
        """Return the rows that are used, by part."""
        return Parts(*(np.flatnonzero((self.labels >= 0) & (self.part == name)) for name in PARTS))

    def fold_parts(self, fold: int) -> Parts:
        """Return the rows that are used, for the training of one fold.

        `test` is the fold itself, `val`, which chooses the epoch, the one after it, and `train` all the others: what a
        net is judged on has chosen nothing about it.
        """
        used = (self.labels >= 0) & (self.fold >= 0)
        test = used & (self.fold == fold)
        val = used & (self.fold == (fold + 1) % self.num_folds)
        return Parts(*(np.flatnonzero(chosen) for chosen in (used & ~val & ~test, val, test)))

    def everything(self) -> Rows:
        """Return all rows that are used and have a part."""
        return np.flatnonzero((self.labels >= 0) & (self.part != ""))

    def apply(self, packed: PackedSet) -> PackedSet:
        """Return the packed set with the labels and classes that are learnt; labels of rows not used are -1."""
        return replace(packed, labels=self.labels, class_names=self.class_names)


def write_assignment(path: Path, rows: Sequence[AssignmentRow]) -> None:
    """Write the table, one line a photograph, so that growth is a few new lines in a diff."""
    write_csv(path, COLUMNS, ([*row[:5], "" if row.fold < 0 else row.fold, row.note] for row in rows))


def read_rows(path: Path, text: str | None = None) -> list[AssignmentRow]:
    """Read the table as it stands, or `text`, which stood there at another time.

    Raises
    ------
    DataError
        If it is missing or cut short, has other columns, or names an unknown part or a fold that is no number.
    """
    rows = [
        AssignmentRow(
            path=row["path"],
            class_name=row["class_name"],
            sha256=row["sha256"],
            group=row["group"],
            part=row["part"],
            fold=_fold(path, row["fold"]),
            note=row["note"],
        )
        for row in (
            # Not `splitlines`: a name may hold what that takes for the end of a line.
            read_csv(path, COLUMNS) if text is None else parse_csv(path, io.StringIO(text, newline=""), COLUMNS)
        )
    ]
    unknown = sorted({row.part for row in rows} - {*PARTS, ""})
    if unknown:
        raise DataError(f"{shown(path)}: wanted the parts {', '.join(PARTS)}, found {', '.join(unknown)}")
    return rows


def read_assignment(path: Path, packed: PackedSet) -> Assignment:
    """Read the table that `split` made of this packed set.

    Raises
    ------
    DataError
        As `read_rows`, or if it belongs to another packed set.
    """
    rows = read_rows(path)
    if [(row.path, row.sha256) for row in rows] != [(entry.path, entry.sha256) for entry in packed.index]:
        raise DataError(f"{shown(path)}: wanted the photographs of the packed set, found others; run split again")
    class_names = tuple(sorted({row.class_name for row in rows} - {""}))
    places = {name: place for place, name in enumerate(class_names)} | {"": -1}
    fold = np.array([row.fold for row in rows], np.int64)
    return Assignment(
        class_names=class_names,
        labels=np.array([places[row.class_name] for row in rows], np.int64),
        part=np.array([row.part for row in rows]),
        fold=fold,
        num_folds=int(fold.max(initial=-1)) + 1,
        group=_numbers([row.group or row.path for row in rows]),
    )


def _numbers(names: Sequence[str]) -> Rows:
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], np.int64)


def _fold(path: Path, text: str) -> int:
    if text and not text.isdecimal():
        raise DataError(f"{shown(path)}: wanted the number of a fold, found {text!r}")
    return int(text) if text else -1
