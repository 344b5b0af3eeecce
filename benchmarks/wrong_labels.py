"""How many planted wrong labels does the report find? `python benchmarks/wrong_labels.py FOLDER [RECIPE]`.

Deals a folder of photographs into folds, gives some of them another class at random, trains a net a fold on what they
are called now, lets each answer for its fold, and looks for the planted ones among the likeliest wrong labels: as the
report ranks them, and by the other rankings that cleanlab has, by which ours was chosen. `RECIPE`, `key=value,...`,
changes the `train` section of params.yaml. What is not planted but wrong already counts as a false find.

    python benchmarks/wrong_labels.py xsdd_weld7 resolution=64,epochs=25 --seeds 2
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from quality import prepare, recipe

from pipeline.data.assignment import Assignment
from pipeline.data.packed import PackedSet
from pipeline.evaluation.predictions import Predictions, pooled, predict_part
from pipeline.report.labels import likely_wrong
from pipeline.training.device import choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.recipe import TrainParams

RIVALS = [
    ("confident_learning", "normalized_margin"),
    ("prune_by_noise_rate", "normalized_margin"),
    ("prune_by_noise_rate", "self_confidence"),
    ("predicted_neq_given", "normalized_margin"),
]


def planted(labels: NDArray[np.int64], count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels with `count` of them wrong, and their rows."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(np.flatnonzero(labels >= 0), count, replace=False))
    wrong, num_classes = labels.copy(), int(labels.max()) + 1
    wrong[rows] = (labels[rows] + rng.integers(1, num_classes, count)) % num_classes
    return wrong, rows


def out_of_fold(packed: PackedSet, table: Assignment, params: TrainParams) -> Predictions:
    answers = []
    for fold in range(table.num_folds):
        parts = table.fold_parts(fold)
        trainer = Trainer(packed, parts.train, parts.val, params, choose_compute(params.device, params.precision))
        for _ in trainer.epochs():
            pass
        answers.append(predict_part(trainer.calibrated(), packed, parts.test))
    return pooled(answers)


def line(name: str, listed: Sequence[int], wrong: set[int]) -> str:
    hits = np.array([row in wrong for row in listed])
    firsts = "  ".join(f"{hits[:n].sum():>3} of {min(n, len(hits)):<3}" for n in (10, 25, 50))
    return f"{name:42} {firsts}  {hits.sum():>3} of {len(hits)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("recipe", nargs="?", default="")
    parser.add_argument("--planted", type=int, default=25)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    params = recipe(given.recipe)
    with tempfile.TemporaryDirectory() as place:
        packed, table = prepare(given.folder, Path(place), given.folds)
        for seed in range(given.seeds):
            labels, rows = planted(packed.labels, given.planted, seed)
            answers = out_of_fold(replace(packed, labels=labels), replace(table, labels=labels), params)
            accuracy = (answers.y_pred == packed.labels[answers.rows]).mean()
            print(f"\nseed {seed}: {given.planted} of {len(answers.rows)} planted; accuracy by the old: {accuracy:.0%}")
            print(f"{'found among the':42} first 10   first 25   first 50   listed")
            wrong = set(rows.tolist())
            print(line("the report", [doubt.row for doubt in likely_wrong(answers).doubts], wrong))
            for rule, rank in RIVALS:
                found = find_label_issues(
                    answers.y_true, answers.probabilities, filter_by=rule, return_indices_ranked_by=rank, n_jobs=1
                )
                print(line(f"{rule}, {rank}", answers.rows[found].tolist(), wrong), flush=True)


if __name__ == "__main__":
    main()
