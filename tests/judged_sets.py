"""A small packed set, answers that were made for the purpose, and all words of a section."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from nets import pictures

from pipeline.data.assignment import Assignment
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.evaluation.predictions import Predictions

NAMES = ("a", "b", "c")


def packed_set(labels: Sequence[int], names: Sequence[str] = NAMES, **columns: Sequence[Any]) -> PackedSet:
    """A packed set with these labels; `columns` of its index (path, format, size_bytes, height, width) as given."""
    given = {"path": [f"{names[k]}/{row}.png" for row, k in enumerate(labels)], "format": ["PNG"] * len(labels)}
    given |= {"size_bytes": [100] * len(labels), "height": [40] * len(labels), "width": [40] * len(labels)} | columns
    index = tuple(
        IndexRow(class_name=names[k], sha256=str(row), pixels=str(row), **{key: given[key][row] for key in given})
        for row, k in enumerate(labels)
    )
    return PackedSet(pictures(len(labels)), np.array(labels, dtype=np.int64), tuple(names), index)


def answered(packed: PackedSet, rows: Sequence[int], said: Sequence[int], sure: float = 0.9) -> Predictions:
    """Answers with the same sureness for `rows`."""
    count, rows = len(packed.class_names), np.array(rows, dtype=np.int64)
    probabilities = np.full((len(rows), count), (1 - sure) / (count - 1))
    probabilities[np.arange(len(rows)), said] = sure
    paths = [packed.index[row].path for row in rows]
    return Predictions(packed.class_names, packed.labels[rows], probabilities, paths, rows)


def one_split(labels: np.ndarray, names: Sequence[str] = NAMES) -> Assignment:
    """Every fourth row is for testing, the one after it for validation, the others for training."""
    part = np.array(["test", "val", "train", "train"])[np.arange(len(labels)) % 4]
    return Assignment(tuple(names), labels, part, np.full(len(labels), -1), 0, np.arange(len(labels)))


def three_folds(labels: np.ndarray, names: Sequence[str] = NAMES) -> Assignment:
    return Assignment(
        tuple(names), labels, np.full(len(labels), "train"), np.arange(len(labels)) % 3, 3, np.arange(len(labels))
    )


def text(section: Any) -> str:
    """All that a section says."""
    cells = [cell for row in (section.table.rows if section.table else ()) for cell in row]
    shown = [line for strip in section.strips for photo in strip.photos for line in (*photo.caption, photo.alt)]
    return "\n".join([section.title, *section.said, *cells, *(strip.title for strip in section.strips), *shown])
