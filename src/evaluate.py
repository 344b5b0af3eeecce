"""Trained net -> scores, tables and pictures of the test part."""

from pipeline.stage import run  # isort: split

import logging
from pathlib import Path

from pipeline.data.assignment import read_assignment, read_rows
from pipeline.data.card import data_card
from pipeline.data.manifest import read_manifest
from pipeline.data.packed import open_packed
from pipeline.evaluation import report
from pipeline.evaluation.decisions import decide, read_rules
from pipeline.evaluation.params import EvaluateParams
from pipeline.evaluation.predictions import pooled_parts, predict_nets
from pipeline.evaluation.result import evaluate_parts
from pipeline.files import new_files, write_text
from pipeline.params import load_section, read_params
from pipeline.tracking import run_of_training
from pipeline.training.device import choose_compute
from pipeline.training.history import best_metrics, epoch_metrics, read_history
from pipeline.training.weights import load_final


def main(models: Path, resized: Path, packed: Path, assignment: Path, reports: Path) -> None:
    """Score the kept epoch on the test part, and add the scores, the pictures and the model to its MLflow run.

    models      what `train` left
    resized     what `resize` left: what it could not read stands on the data card
    packed      the packed set
    assignment  which picture is for testing
    reports     where metrics.json, the tables and the pictures go
    """
    params = load_section("evaluate", EvaluateParams)
    table = read_assignment(assignment, data := open_packed(packed))
    card = load_final(models)[0].card
    rules = read_rules(params, table.class_names)
    nets = predict_nets(models, data, table, choose_compute(params.device, key="evaluate.device"))
    test, results = (parts := pooled_parts(nets))["test"], evaluate_parts(parts, params.seed)
    decisions = decide(nets, rules, params.seed)
    said = report.remarks(table.num_folds, retrained=card.is_of_all)
    with run_of_training(models) as tracked:
        with new_files(reports) as folder:
            write_text(folder / "data_card.md", data_card(data, read_rows(assignment), read_manifest(resized)))
            report.write_tables(folder, results, decisions, nets, table.num_folds, said)
            report.write_pictures(folder, models, data.images, test, results["test"], params.gallery_images)
            report.write_decision_pictures(folder, nets, rules, decisions)
            text = report.scores_text(results["test"], decisions, said, markdown=True)
            tracked.log_result(text, models, folder, params.model_dump())
        tracked.log_params({"train": card.params})
        tracked.log_data(read_params()["data"]["folder"], packed / "images.npy", assignment)
        tracked.mirror({record.epoch: epoch_metrics(record) for record in read_history(models)})
        tracked.update_metrics(best_metrics(models) | report.result_metrics("test", results["test"], decisions))
        if card.params["mode"] == "normal":
            tracked.register(models, assignment, params.registered_model, params.promote.model_dump())
    logging.info("\n%s\n", report.scores_text(results["test"], decisions, said))


if __name__ == "__main__":
    run(main)
