"""What is told of the epoch that is kept, and not of the last one."""

import json
import math

import pytest

from pipeline.training.history import best_metrics, write_history
from pipeline.training.records import EpochRecord


def record(epoch, loss, lr=1e-3, **f1):
    mean = sum(f1.values()) / len(f1) if f1 else math.nan
    return EpochRecord(epoch, 10 * epoch, lr, 1.0, "", 2.0, loss, mean, f1, 1.0, 100.0)


def left(folder, *records):
    folder.mkdir(parents=True)
    write_history(folder, records, {})
    return folder


def test_best_is_the_kept_epoch_and_not_the_last(tmp_path):
    models = left(tmp_path / "models", record(1, 0.9, a=0.1), record(2, 0.5, a=0.7), record(3, 0.8, a=0.9))
    assert best_metrics(models) == {
        "best/epoch": 2,
        "best/val/loss": 0.5,
        "best/val/macro_f1": 0.7,
        "best/val/f1/a": 0.7,
    }


def test_of_folds_it_is_the_mean_of_what_each_keeps(tmp_path):
    models = tmp_path / "models"
    left(models / "folds" / "0", record(1, 0.9, a=0.2, b=0.2), record(2, 0.4, a=0.6, b=0.8))
    left(models / "folds" / "1", record(1, 0.2, a=0.4), record(2, 0.9, a=0.9))
    best = best_metrics(models)
    assert best == pytest.approx(
        {
            "best/epoch": 1.5,
            "best/val/loss": 0.3,
            "best/val/macro_f1": 0.55,
            "best/val/f1/a": 0.5,
            "best/val/f1/b": 0.8,
        }
    )
    json.dumps(best)  # as the journal writes it


def test_net_without_a_validation_part_has_none(tmp_path):
    assert best_metrics(left(tmp_path / "models", record(1, math.nan), record(2, math.nan))) == {}
