"""Trained net -> scores, tables and pictures of the test part."""

import json
import logging
from pathlib import Path

import numpy as np

from pipeline.data.packed import PackedSet, open_packed
from pipeline.data.split import read_assignment
from pipeline.errors import DataError
from pipeline.evaluation.params import EvaluateParams
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.report import result_metrics, write_pictures, write_tables
from pipeline.evaluation.result import evaluate_part
from pipeline.evaluation.tables import score_table
from pipeline.files import new_files
from pipeline.params import load_section
from pipeline.serving import class_probabilities
from pipeline.stage import run
from pipeline.tracking import run_of_training
from pipeline.training.device import choose_compute
from pipeline.training.history import epoch_metrics, read_history
from pipeline.training.predict import predict_logits
from pipeline.training.weights import TrainedModel, load


def main(models: Path, packed: Path, assignment: Path, reports: Path) -> None:
    """Score the kept epoch on the test part, and add the scores, the pictures and the model to its MLflow run.

    models      what `train` left
    packed      the packed set
    assignment  which picture is for testing
    reports     where metrics.json, the tables and the pictures go
    """
    params = load_section("evaluate", EvaluateParams)
    packed_set = open_packed(packed)
    parts = read_assignment(assignment, packed_set.index)
    trained = load(models, choose_compute().device)
    predictions = {"test": _predict(trained, packed_set, parts.test), "val": _predict(trained, packed_set, parts.val)}
    results = {
        part: evaluate_part(p.y_true, p.y_pred, p.class_names, np.random.default_rng(params.seed))
        for part, p in predictions.items()
    }
    with new_files(reports) as folder:
        write_tables(folder, results, predictions["test"])
        write_pictures(folder, models, packed_set.images, predictions["test"], results["test"], params.gallery_images)
        tracked = run_of_training(json.loads((models / "run.json").read_text())["run_id"])
        tracked.mirror({record.epoch: epoch_metrics(record) for record in read_history(models)})
        tracked.update_metrics(result_metrics("test", results["test"]), step=trained.card.epoch)
        tracked.log_result(score_table(results["test"], markdown=True), models, folder, params.model_dump())
        tracked.register(models, params.registered_model)
    logging.info("\n%s\n", score_table(results["test"]))


def _predict(trained: TrainedModel, packed_set: PackedSet, rows: np.ndarray) -> Predictions:
    if trained.card.class_names != packed_set.class_names:
        raise DataError(
            f"evaluate: wanted a net for the classes {', '.join(packed_set.class_names)}, "
            f"found one for {', '.join(trained.card.class_names)}"
        )
    return Predictions(
        class_names=packed_set.class_names,
        y_true=packed_set.labels[rows],
        probabilities=class_probabilities(predict_logits(trained, packed_set.images, rows)).astype(np.float64),
        paths=[packed_set.paths[row] for row in rows],
        rows=rows,
    )


if __name__ == "__main__":
    run(main)
