"""What the nets said, on disk: `answers.npz`, so that nobody has to ask them again.

======================  ===============================================================================================
``class_names``         str (K,)
``temperature``         float64 (F,): one a net, in the order of the folds; one net where there are none
``<part>_rows_<f>``     int64 (N,), ascending: which rows of the packed set net f answered for, `part` "val" or "test"
``<part>_answers_<f>``  float64 (N, K): the probabilities, calibrated
``<part>_outlier_<f>``  float64 (N,), above 1 for what is unlike all in training; not there where the net cannot say
``promise_<f>``         float64 (3,): what its threshold for that is worth, a `Promise`; likewise
======================  ===============================================================================================
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pipeline.data.packed import PackedSet
from pipeline.errors import DataError
from pipeline.evaluation.predictions import Answers, IntArray, Predictions
from pipeline.files import write_bytes
from pipeline.text import shown
from pipeline.training.detector import Promise

ANSWERS_FILE = "answers.npz"
_PARTS = ("val", "test")


def write_answers(path: Path, nets: Sequence[Answers]) -> None:
    """Write all that the nets said; the same answers give the same bytes."""
    arrays: dict[str, Any] = {
        "class_names": np.array(nets[0].test.class_names, dtype=np.str_),
        "temperature": np.array([net.temperature for net in nets]),
    }
    for number, net in enumerate(nets):
        for name in _PARTS:
            part: Predictions = getattr(net, name)
            arrays[f"{name}_rows_{number}"] = part.rows
            arrays[f"{name}_answers_{number}"] = part.probabilities
            if part.outlier_scores is not None:
                arrays[f"{name}_outlier_{number}"] = part.outlier_scores
        if net.promise:
            arrays[f"promise_{number}"] = np.array(net.promise)
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_answers(path: Path, packed: PackedSet, group: IntArray) -> list[Answers]:
    """Return what the nets said of the photographs of a packed set.

    Parameters
    ----------
    packed : with the labels and classes that are learnt, as `Assignment.apply` returns it
    group : int64 (N,), which of its N photographs belong together, as `Assignment` has it

    Raises
    ------
    DataError
        If it is missing, is no such file, or tells of other photographs.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if tuple(arrays["class_names"].tolist()) != packed.class_names:
                raise ValueError("other classes")
            return [_net(arrays, number, packed, group) for number in range(len(arrays["temperature"]))]
    except FileNotFoundError:
        raise DataError(f"{path}: wanted the answers that evaluate writes, found nothing") from None
    except (ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
        reason = shown(str(error))
        raise DataError(f"{path}: wanted answers for these photographs, found {reason}; run evaluate again") from None


def _net(arrays: Mapping[str, Any], number: int, packed: PackedSet, group: IntArray) -> Answers:
    val, test = (_part(arrays, name, number, packed, group) for name in _PARTS)
    promise = None
    if f"promise_{number}" in arrays:
        rate, over, of = arrays[f"promise_{number}"].tolist()
        promise = Promise(rate, int(over), int(of))
    return Answers(val, test, float(arrays["temperature"][number]), promise)


def _part(arrays: Mapping[str, Any], name: str, number: int, packed: PackedSet, group: IntArray) -> Predictions:
    rows, probabilities = arrays[f"{name}_rows_{number}"], arrays[f"{name}_answers_{number}"]
    outlier_scores = arrays.get(f"{name}_outlier_{number}")
    y_true = packed.labels[rows]
    if probabilities.shape != (len(rows), len(packed.class_names)) or (y_true < 0).any():
        raise ValueError("those of another split")
    if outlier_scores is not None and outlier_scores.shape != rows.shape:
        raise ValueError("scores of other photographs")
    paths = [packed.index[row].path for row in rows.tolist()]
    return Predictions(packed.class_names, y_true, probabilities, paths, rows, group[rows], outlier_scores)
