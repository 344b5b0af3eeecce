"""Packed set and split -> a trained net."""

from pipeline.stage import run  # isort: split

import json
import logging
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline.data.assignment import read_assignment
from pipeline.data.find import DataParams
from pipeline.data.packed import open_packed
from pipeline.files import new_folder, write_text
from pipeline.params import load_section, read_params
from pipeline.tracking import training_run
from pipeline.training.device import choose_compute
from pipeline.training.history import epoch_line, epoch_metrics, write_history
from pipeline.training.loop import EpochRecord, Trainer
from pipeline.training.recipe import TrainParams
from pipeline.training.weights import save

TRACKED_SECTIONS = ("data", "resize", "group", "classes", "split", "train")


def main(packed: Path, assignment: Path, models: Path) -> None:
    """Train a net, keep its best epoch by the macro F1 on val, and track all of it in MLflow.

    packed      the packed set
    assignment  which picture is for training and which for validation
    models      where model.safetensors, model.json, history.csv, lr_history.csv and run.json go
    """
    params, data, sections = load_section("train", TrainParams), load_section("data", DataParams), read_params()
    packed_set = open_packed(packed)
    table = read_assignment(assignment, packed_set)
    packed_set, parts = table.apply(packed_set), table.parts()
    compute = choose_compute(params.device, params.precision)
    trainer = Trainer(packed_set, parts.train, parts.val, params, compute)
    logging.info(
        "train: %s, %d pictures, on %s in %s", params.title, len(parts.train), compute.device, compute.precision
    )
    records: list[EpochRecord] = []
    with training_run(params.title) as tracked, new_folder(models) as folder, logging_redirect_tqdm():
        tracked.log_params({name: sections[name] for name in TRACKED_SECTIONS if name in sections})
        tracked.set_tags({"device": compute.device, "precision": compute.precision})
        tracked.log_data(data.folder, packed / "images.npy", assignment)
        for record in trainer.epochs():
            records.append(record)
            logging.info("train: %s", epoch_line(record, params.epochs))
            tracked.log_metrics(epoch_metrics(record), step=record.epoch)
        save(folder, trainer.best)
        write_history(folder, records)
        write_text(folder / "run.json", json.dumps({"run_id": tracked.run_id}) + "\n")
    best = trainer.best.card
    logging.info("train: kept epoch %d, macro F1 on val %.3f", best.epoch, best.val_scores["macro_f1"])


if __name__ == "__main__":
    run(main)
