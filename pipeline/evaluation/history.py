"""Reading what training wrote down: `history.csv`, a row an epoch, and `lr_history.csv`, a row a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.predictions import FloatArray
from pipeline.files import read_csv
from pipeline.training.records import kept_epoch


@dataclass(frozen=True, eq=False)
class History:
    """One entry an epoch, each float64 (E,); NaN where nothing was measured."""

    epoch: FloatArray
    step: FloatArray
    lr: FloatArray
    train_loss: FloatArray
    val_loss: FloatArray
    val_macro_f1: FloatArray

    @property
    def kept(self) -> int:
        """The entry of the epoch that training kept."""
        return kept_epoch(self.lr.tolist(), self.val_loss.tolist())


@dataclass(frozen=True, eq=False)
class LrHistory:
    """One entry a change of the learning rate: float64 (C,) each, and the reasons."""

    step: FloatArray
    lr: FloatArray
    factor: FloatArray
    why: tuple[str, ...]


def read_history(path: Path) -> History:
    """Read `history.csv`.

    Raises
    ------
    DataError
        If the file or a column is missing, a field is not a number, or there is no row.
    """
    columns = ("epoch", "step", "lr", "train_loss", "val_loss", "val_macro_f1")
    rows = _read_rows(path, columns)
    return History(*(_numbers(path, rows, column) for column in columns))


def read_lr_history(path: Path) -> LrHistory:
    """Read `lr_history.csv`; raises as `read_history` does."""
    columns = ("step", "lr", "factor")
    rows = _read_rows(path, (*columns, "why"))
    step, lr, factor = (_numbers(path, rows, column) for column in columns)
    return LrHistory(step, lr, factor, tuple(row["why"] for row in rows))


def _read_rows(path: Path, columns: Sequence[str]) -> Sequence[Mapping[str, str]]:
    rows = read_csv(path, columns)
    if not rows:
        raise DataError(f"{path}: wanted at least one row, found none")
    return rows


def _numbers(path: Path, rows: Sequence[Mapping[str, str]], column: str) -> FloatArray:
    return np.array([_number(path, line, column, row[column]) for line, row in enumerate(rows, start=2)])


def _number(path: Path, line: int, column: str, text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise DataError(f"{path}, line {line}: {column}: wanted a number, found {text!r}") from None
