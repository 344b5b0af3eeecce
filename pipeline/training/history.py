"""What a training leaves behind for people, plots and the tracker: one row an epoch, and one row a change of the rate.

==================  ============================================================================================
``history.csv``     epoch, step, lr, lr_factor, lr_reason, train_loss, val_loss, val_macro_f1, seconds,
                    images_per_second, and ``val_f1/<class>`` for each class in the validation part
``lr_history.csv``  epoch, step, lr, factor, why, move, loss: the learning rate's changes. `factor` is the rate by the
                    one before. `move` is what was done by hand (see `moves`), if anything was; several are separated
                    by ``; ``. `step` and `loss` are those at the moment of the change: the optimizer's steps and the
                    training loss of the epoch before, empty at the start. A training that was stopped by hand has one
                    more row, of the epoch that never was
``overfit.json``    passed, steps, loss, cause: what came of a training with ``mode: overfit``; no other has it
==================  ============================================================================================
"""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean

from pipeline.files import read_csv, write_csv, write_text
from pipeline.training.loop import Trainer
from pipeline.training.moves import Move, parse_move
from pipeline.training.overfit import Verdict, verdict
from pipeline.training.records import EpochRecord, kept_epoch
from pipeline.training.weights import TrainedModel, fold_folders, save

HISTORY_FILE = "history.csv"
LR_HISTORY_FILE = "lr_history.csv"
VERDICT_FILE = "overfit.json"

_CLASS_PREFIX = "val_f1/"
logger = logging.getLogger(__name__)

_LR_COLUMNS = ("epoch", "step", "lr", "factor", "why", "move", "loss")
_MOVE_SEPARATOR = "; "
_COLUMNS = [field.name for field in fields(EpochRecord) if field.name != "val_f1"]


def write_history(folder: Path, records: Sequence[EpochRecord], by_hand: Mapping[int, tuple[Move, ...]]) -> None:
    """Write both tables of a training, epochs in order, into `folder`.

    Parameters
    ----------
    by_hand : epoch -> moves of the learning rate that were made by hand
    """
    classes = list(records[0].val_f1)
    header = [*_COLUMNS, *(_CLASS_PREFIX + name for name in classes)]
    rows = ([*(asdict(r)[column] for column in _COLUMNS), *(r.val_f1[name] for name in classes)] for r in records)
    write_csv(folder / HISTORY_FILE, header, rows)
    write_csv(folder / LR_HISTORY_FILE, _LR_COLUMNS, _lr_changes(records, by_hand))


def finish(folder: Path, trainer: Trainer, run_id: str) -> dict[str, float]:
    """Leave a training in `folder`: the net that is kept, calibrated, the tables, and the id of the tracker's run.

    Returns what the run is still to be told: `best_metrics`.
    """
    trained = trainer.calibrated()
    if trained.card.val_scores:
        logger.info("train: temperature %g", trained.card.temperature)
    leave(folder, trainer, trained, run_id)
    return best_metrics(folder)


def leave(folder: Path, trainer: Trainer, trained: TrainedModel, run_id: str) -> None:
    """As `finish`, with this net."""
    save(folder, trained)
    write_history(folder, trainer.records, trainer.by_hand)
    write_text(folder / "run.json", json.dumps({"run_id": run_id}) + "\n")
    if trainer.params.mode == "overfit":
        found = _verdict(trainer)
        write_text(folder / VERDICT_FILE, json.dumps(found._asdict(), indent=2) + "\n")
        logger.info("train: overfit: %s", found)


def _verdict(trainer: Trainer) -> Verdict:
    return verdict(trainer.packed, trainer.train_rows, trainer.params, trainer.records)


def _lr_changes(
    records: Sequence[EpochRecord], by_hand: Mapping[int, tuple[Move, ...]]
) -> Iterator[tuple[object, ...]]:
    last: EpochRecord | None = None
    for record in records:
        if record.lr_reason:
            factor = record.lr / last.lr if last else 1.0
            yield _lr_change(record.epoch, last, record.lr, factor, record.lr_reason, by_hand)
        last = record
    if last and last.epoch + 1 in by_hand:
        yield _lr_change(last.epoch + 1, last, last.lr, 1.0, "by hand", by_hand)


def _lr_change(
    epoch: int,
    last: EpochRecord | None,
    lr: float,
    factor: float,
    why: str,
    by_hand: Mapping[int, tuple[Move, ...]],
) -> tuple[object, ...]:
    move = _MOVE_SEPARATOR.join(map(str, by_hand.get(epoch, ())))
    return epoch, last.step if last else 0, lr, factor, why, move, last.train_loss if last else ""


def read_moves(folder: Path) -> dict[int, tuple[Move, ...]]:
    """Return the moves by hand that ``lr_history.csv`` in `folder` tells of: epoch -> moves.

    Raises
    ------
    DataError
        If the table is missing or has other columns.
    """
    rows = read_csv(folder / LR_HISTORY_FILE, _LR_COLUMNS)
    return {
        int(row["epoch"]): tuple(map(parse_move, row["move"].split(_MOVE_SEPARATOR))) for row in rows if row["move"]
    }


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
    val = f"val loss {record.val_loss:.4f}  val macro F1 {record.val_macro_f1:.3f}  "
    return (
        f"epoch {record.epoch:>3}/{epochs}  lr {record.lr:.2e} {record.lr_reason:<8}  loss {record.train_loss:.4f}  "
        f"{'' if math.isnan(record.val_loss) else val}{record.images_per_second:.0f} images/s"
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


def best_metrics(models: Path) -> dict[str, float]:
    """Return the scores on val of the epoch that is kept, ``best/val/loss`` and so on, and ``best/epoch``.

    What a tracker shows of a metric is its value at the last epoch, which need not be that of the net. Of several folds
    it is their mean; of a net without a validation part nothing.

    Parameters
    ----------
    models : a trained net, or several of them below ``folds/``
    """
    nets = fold_folders(models) or [models]
    kept = [_kept(read_history(net)) for net in nets]
    metrics = epoch_metrics(_mean_record(kept))
    scores = {f"best/{name}": value for name, value in metrics.items() if name.startswith("val/")}
    return {"best/epoch": fmean(record.epoch for record in kept)} | scores if scores else {}


def _kept(records: Sequence[EpochRecord]) -> EpochRecord:
    return records[kept_epoch([record.lr for record in records], [record.val_loss for record in records])]


def run_tags(trainer: Trainer, epoch: int) -> dict[str, str]:
    """Return what a tracker is to note beside the figures after an epoch.

    ==============  ======================================================================================
    ``hand_tuned``  after a move by hand: the recipe alone does not give this training
    ``lr.by_hand``  all moves made by hand so far, from which epoch on, and the training loss before each
    ``overfit``     at the end of a training in this mode: what came of it
    ==============  ======================================================================================
    """
    tags = {}
    if epoch + 1 in trainer.by_hand:
        losses = {record.epoch + 1: record.train_loss for record in trainer.records}
        moves = (
            f"epoch {first}: {', '.join(map(str, moves))} (loss {losses[first]:.4g})"
            for first, moves in sorted(trainer.by_hand.items())
            if first in losses
        )
        tags = {"hand_tuned": "true", "lr.by_hand": "; ".join(moves)}
    if trainer.params.mode == "overfit" and trainer.is_done and epoch == trainer.records[-1].epoch:
        tags["overfit"] = str(_verdict(trainer))
    return tags
