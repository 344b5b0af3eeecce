"""Trained net and its answers -> one page that says what they are worth, and why."""

from pipeline.stage import run  # isort: split

import logging
from pathlib import Path

from pipeline.data.assignment import read_assignment, read_rows
from pipeline.data.manifest import read_manifest
from pipeline.data.packed import open_packed
from pipeline.evaluation.answers import read_answers
from pipeline.evaluation.decisions import decide, read_rules
from pipeline.evaluation.history import read_history, read_lr_history
from pipeline.evaluation.params import EvaluateParams
from pipeline.evaluation.predictions import pooled_parts
from pipeline.evaluation.report import remarks
from pipeline.evaluation.result import evaluate_parts
from pipeline.params import load_section
from pipeline.report.judged import judged_nets
from pipeline.report.page import Report, write_page
from pipeline.report.params import ReportParams
from pipeline.report.parts import data_section, decision_sections, training_section
from pipeline.report.why import why_sections
from pipeline.tracking import run_of_training
from pipeline.training.device import choose_compute
from pipeline.training.weights import load_final


def main(models: Path, resized: Path, packed: Path, assignment: Path, answers: Path, page: Path) -> None:
    """Write the report, and add it to the training's MLflow run.

    models      what `train` left
    resized     what `resize` left: what it could not read is named
    packed      the packed set
    assignment  which picture is for testing
    answers     answers.npz, which `evaluate` left
    page        where the report goes
    """
    params, asked = load_section("report", ReportParams), load_section("evaluate", EvaluateParams)
    table = read_assignment(assignment, data := open_packed(packed))
    nets = read_answers(answers, table.apply(data), table.group)
    with run_of_training(models) as tracked:  # its process gets ready while the page is made
        result = evaluate_parts(parts := pooled_parts(nets), asked.seed)["test"]
        history, changes = read_history(models / "history.csv"), read_lr_history(models / "lr_history.csv")
        card, rows = load_final(models)[0].card, read_rows(assignment)
        judged = judged_nets(models, table, choose_compute(asked.device, key="evaluate.device"))
        sections = [
            *why_sections(judged, data, table, parts, params.photographs, asked.seed),
            *decision_sections(nets, decide(nets, read_rules(asked, table.class_names), asked.seed)),
            training_section(history, changes, card.params),
            data_section(rows, read_manifest(resized)),
        ]
        said = remarks(table.num_folds, retrained=card.is_of_all)
        write_page(page, Report(result, said, tracked.run_id, sections))
        tracked.log_page(page)
    logging.info("report: %s, %.1f MB", page, page.stat().st_size / 1e6)


if __name__ == "__main__":
    run(main)
