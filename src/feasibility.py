"""Packed set and split -> a page that says: go, collect more of what, or stop."""

from pipeline.stage import only_one, run  # isort: split

import logging
from pathlib import Path

from pipeline.data.assignment import read_assignment
from pipeline.data.packed import open_packed
from pipeline.feasibility.figures import write_json
from pipeline.feasibility.findings import evidence_of, sections_of
from pipeline.feasibility.kept import lock_file
from pipeline.feasibility.metrics import metrics_of
from pipeline.feasibility.page import write
from pipeline.feasibility.params import FeasibilityParams
from pipeline.feasibility.study import new_study
from pipeline.feasibility.trainings import StudyTrainings
from pipeline.feasibility.verdict import judge
from pipeline.params import load_section, read_params
from pipeline.tracking import training_run
from pipeline.training.device import choose_compute
from pipeline.training.recipe import TrainParams
from pipeline.training.side_by_side import side_by_side


def main(packed: Path, assignment: Path, page: Path, json: Path) -> None:
    """Find out by small trainings what the photographs are good for, and track all of it in MLflow.

    packed      the packed set
    assignment  which picture is used, as what class, and which belong together
    page        where the page goes
    json        where its figures go
    """
    params, recipe = load_section("feasibility", FeasibilityParams), load_section("train", TrainParams)
    table = read_assignment(assignment, packed_set := open_packed(packed))
    study, compute = new_study(packed_set, table, params.seed), choose_compute(recipe.device, recipe.precision)
    with only_one("feasibility", lock_file()):
        images, workers = packed / "images.npy", side_by_side(compute)
        trainings = StudyTrainings(study, images, recipe, params.minutes, compute, workers)
        with training_run("feasibility", again=trainings.kept.run_id) as tracked:
            trainings.kept.note_run(tracked.run_id)
            tracked.log_data(str(read_params()["data"]["folder"]), images, assignment)
            tracked.set_tags({"device": compute.device, "precision": compute.precision})
            trained = trainings.run()
            evidence = evidence_of(study, params.target_f1, trained)
            write(page, evidence, trained.probe, sections_of(evidence, study))
            write_json(json, evidence, trained.probe)
            tracked.log_params({"feasibility": params.model_dump(), "probe": trained.probe.recipe.model_dump()})
            tracked.log_page(page)
            verdict = judge(evidence)
            tracked.set_tags({"verdict": verdict.kind, "mlflow.note.content": verdict.in_short})
            for name, steps in metrics_of(evidence).items():
                with training_run(name, tracked.run_id) as finding:
                    finding.mirror(steps)
            trainings.kept.note_run(None)
    logging.info("feasibility: %s, %s", page, json)


if __name__ == "__main__":
    run(main)
