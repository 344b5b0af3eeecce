"""Divide a packed set into train, val and test: stratified, and byte-identical files always on one side."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.data.packed import IndexRow
from pipeline.errors import DataError
from pipeline.files import read_csv, write_csv
from pipeline.text import shown

PARTS = ("train", "val", "test")
COLUMNS = ("row", "path", "class_name", "group", "part")


class SplitParams(BaseModel):
    """The `split` section of params.yaml: shares of val and test; train is the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seed: int = Field(ge=0)
    val: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Self:
        if self.val + self.test >= 1:
            raise ValueError(f"wanted val + test < 1, found {self.val:g} + {self.test:g}")
        return self


@dataclass(frozen=True)
class Parts:
    """Row numbers of each part, int64, ascending; together each row of the packed set once."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def assign_parts(index: Sequence[IndexRow], params: SplitParams) -> list[str]:
    """Return the part of each row: ``"train"``, ``"val"`` or ``"test"``.

    Files with the same bytes form a group, which is never divided. The groups of a class are put in an order that
    depends on the seed and their content alone, and the first of them go to test, the next to val, by the shares asked
    for, but at least one to each part. Neither file names nor the order of the rows matter.

    Raises
    ------
    DataError
        If a class has fewer groups than there are parts; all such classes are named.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row, entry in enumerate(index):
        groups[entry.sha256].append(row)
    by_class: dict[str, list[str]] = defaultdict(list)
    for content, rows in groups.items():
        # The same picture under two labels counts for the first of them; `label_conflicts` reports it.
        by_class[index[rows[0]].class_name].append(content)
    _check_class_sizes(index, by_class)
    parts = [""] * len(index)
    for contents in by_class.values():
        ordered = sorted(contents, key=lambda content: _keyed_hash(params.seed, content))
        for content, part in zip(ordered, _parts_in_order(len(ordered), params), strict=True):
            for row in groups[content]:
                parts[row] = part
    return parts


def label_conflicts(index: Sequence[IndexRow]) -> list[tuple[str, ...]]:
    """Return the paths of byte-identical files that stand under more than one class, a tuple a picture, sorted."""
    groups: dict[str, list[IndexRow]] = defaultdict(list)
    for entry in index:
        groups[entry.sha256].append(entry)
    mixed = (rows for rows in groups.values() if len({row.class_name for row in rows}) > 1)
    return sorted(tuple(sorted(row.path for row in rows)) for rows in mixed)


def _check_class_sizes(index: Sequence[IndexRow], by_class: Mapping[str, Sequence[str]]) -> None:
    names = sorted({entry.class_name for entry in index})
    small = [f"{shown(name)} ({len(by_class[name])})" for name in names if len(by_class.get(name, ())) < len(PARTS)]
    if small:
        raise DataError(
            f"split: wanted at least {len(PARTS)} different photographs a class, one for each of {', '.join(PARTS)}; "
            f"found fewer of {', '.join(small)}"
        )


def _keyed_hash(seed: int, content: str) -> bytes:
    return hashlib.sha256(f"{seed}:{content}".encode()).digest()


def _parts_in_order(groups: int, params: SplitParams) -> list[str]:
    val, test = (max(1, round(groups * share)) for share in (params.val, params.test))
    while val + test >= groups:
        val, test = (val - 1, test) if val >= test else (val, test - 1)
    return ["test"] * test + ["val"] * val + ["train"] * (groups - val - test)


def write_assignment(path: Path, index: Sequence[IndexRow], parts: Sequence[str]) -> None:
    """Write the table row, path, class_name, group, part; `group` is the head of the content's hash."""
    rows = (
        (row, entry.path, entry.class_name, entry.sha256[:16], part)
        for row, (entry, part) in enumerate(zip(index, parts, strict=True))
    )
    write_csv(path, COLUMNS, rows)


def read_assignment(path: Path, index: Sequence[IndexRow]) -> Parts:
    """Read the table that `write_assignment` wrote for a set with this `index`.

    Raises
    ------
    DataError
        If it is missing, belongs to another set, or names an unknown part.
    """
    table = read_csv(path, COLUMNS)
    if [row["path"] for row in table] != [entry.path for entry in index]:
        raise DataError(f"{shown(path)}: wanted the photographs of the packed set, found others; run split again")
    unknown = sorted({row["part"] for row in table} - set(PARTS))
    if unknown:
        raise DataError(f"{shown(path)}: wanted the parts {', '.join(PARTS)}, found {', '.join(unknown)}")
    parts = np.array([row["part"] for row in table])
    return Parts(*(np.flatnonzero(parts == name) for name in PARTS))
