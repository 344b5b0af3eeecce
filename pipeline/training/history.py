"""What a training leaves behind for people, plots and the tracker: one row an epoch, and one row a change of the rate.

==================  ============================================================================================
``history.csv``     epoch, step, lr, lr_factor, lr_reason, train_loss, val_loss, val_macro_f1, seconds,
                    images_per_second, and ``val_f1/<class>`` for each class in the validation part
``lr_history.csv``  epoch, step, lr, factor, why, loss: the learning rate's changes. `factor` is the rate by the one
                    before. `step` and `loss` are those at the moment of the change: the optimizer's steps and the
                    training loss of the epoch before, empty at the start
==================  ============================================================================================
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean

from pipeline.files import read_csv, write_csv, write_text
from pipeline.training.loop import EpochRecord
from pipeline.training.weights import TrainedModel, save

HISTORY_FILE = "history.csv"
LR_HISTORY_FILE = "lr_history.csv"

_CLASS_PREFIX = "val_f1/"
_COLUMNS = [field.name for field in fields(EpochRecord) if field.name != "val_f1"]


def write_history(folder: Path, records: Sequence[EpochRecord]) -> None:
    """Write both tables of a training, epochs in order, into `folder`."""
    classes = list(records[0].val_f1)
    header = [*_COLUMNS, *(_CLASS_PREFIX + name for name in classes)]
    rows = ([*(asdict(r)[column] for column in _COLUMNS), *(r.val_f1[name] for name in classes)] for r in records)
    write_csv(folder / HISTORY_FILE, header, rows)
    write_csv(folder / LR_HISTORY_FILE, ("epoch", "step", "lr", "factor", "why", "loss"), _lr_changes(records))


def finish(folder: Path, trained: TrainedModel, records: Sequence[EpochRecord], run_id: str) -> None:
    """Leave a training in `folder`: the net, the tables, and the id of the tracker's run."""
    save(folder, trained)
    write_history(folder, records)
    write_text(folder / "run.json", json.dumps({"run_id": run_id}) + "\n")


def _lr_changes(records: Sequence[EpochRecord]) -> list[tuple[object, ...]]:
    before: list[EpochRecord | None] = [None, *records[:-1]]
    return [
        (
            record.epoch,
            last.step if last else 0,
            record.lr,
            record.lr / last.lr if last else 1.0,
            record.lr_reason,
            last.train_loss if last else "",
        )
        for record, last in zip(records, before, strict=True)
        if record.lr_reason
    ]


def read_history(folder: Path) -> list[EpochRecord]:
    """Read ``history.csv`` back. Raises DataError if it is missing or has other columns."""
    return [_record(row) for row in read_csv(folder / HISTORY_FILE, _COLUMNS)]


def _record(row: dict[str, str]) -> EpochRecord:
    return EpochRecord(
        epoch=int(row["epoch"]),
        step=int(row["step"]),
        lr=float(row["lr"]),
        lr_factor=float(row["lr_factor"]),
        lr_reason=row["lr_reason"],
        train_loss=float(row["train_loss"]),
        val_loss=float(row["val_loss"]),
        val_macro_f1=float(row["val_macro_f1"]),
        val_f1={
            key.removeprefix(_CLASS_PREFIX): float(value) for key, value in row.items() if key.startswith(_CLASS_PREFIX)
        },
        seconds=float(row["seconds"]),
        images_per_second=float(row["images_per_second"]),
    )


def mean_history(histories: Sequence[Sequence[EpochRecord]]) -> list[EpochRecord]:
    """Return the mean over several trainings by one recipe, epoch by epoch; of a class, over those that have it in val.

    The reason of a change of the rate is that of the first.
    """
    return [_mean_record(records) for records in zip(*histories, strict=True)]


def _mean_record(records: Sequence[EpochRecord]) -> EpochRecord:
    classes = sorted({name for record in records for name in record.val_f1})
    means = {
        name: fmean(getattr(record, name) for record in records)
        for name in ("lr", "lr_factor", "train_loss", "val_loss", "val_macro_f1", "seconds", "images_per_second")
    }
    return EpochRecord(
        epoch=records[0].epoch,
        step=records[0].step,
        lr_reason=records[0].lr_reason,
        val_f1={name: fmean(r.val_f1[name] for r in records if name in r.val_f1) for name in classes},
        **means,
    )


def epoch_line(record: EpochRecord, epochs: int) -> str:
    """Return an epoch in one line for a terminal, of `epochs` in all."""
    return (
        f"epoch {record.epoch:>3}/{epochs}  lr {record.lr:.2e} {record.lr_reason:<8}  "
        f"loss {record.train_loss:.4f}  val loss {record.val_loss:.4f}  val macro F1 {record.val_macro_f1:.3f}  "
        f"{record.images_per_second:.0f} images/s"
    )


def epoch_metrics(record: EpochRecord) -> dict[str, float]:
    """Return what a tracker is told of an epoch, by the names under which it is compared."""
    per_class = {f"val/f1/{name}": score for name, score in record.val_f1.items()}
    metrics = {
        "train/loss": record.train_loss,
        "train/images_per_second": record.images_per_second,
        "val/loss": record.val_loss,
        "val/macro_f1": record.val_macro_f1,
        "lr": record.lr,
        **per_class,
    }
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
