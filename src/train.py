"""Packed set and split -> a trained net."""

import json
import logging
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline.data.find import DataParams
from pipeline.data.packed import open_packed
from pipeline.data.split import read_assignment
from pipeline.files import new_folder, write_text
from pipeline.params import load_section, read_params
from pipeline.stage import run
from pipeline.tracking import training_run
from pipeline.training.device import choose_compute
from pipeline.training.history import epoch_metrics, write_history
from pipeline.training.loop import EpochRecord, Trainer
from pipeline.training.recipe import TrainParams
from pipeline.training.weights import save


def main(packed: Path, assignment: Path, models: Path) -> None:
    """Train a net, keep its best epoch by the macro F1 on val, and track all of it in MLflow.

    packed      the packed set
    assignment  which picture is for training and which for validation
    models      where model.safetensors, model.json, history.csv, lr_history.csv and run.json go
    """
    params = load_section("train", TrainParams)
    packed_set = open_packed(packed)
    parts = read_assignment(assignment, packed_set.index)
    compute = choose_compute(params.device, params.precision)
    trainer = Trainer(packed_set, parts.train, parts.val, params, compute)
    logging.info(
        "train: %s at %d pixels, %d pictures, on %s in %s",
        params.model,
        params.resolution,
        len(parts.train),
        compute.device,
        compute.precision,
    )
    records: list[EpochRecord] = []
    with training_run(_run_name(params)) as tracked, new_folder(models) as folder, logging_redirect_tqdm():
        tracked.log_params(_tracked_params())
        tracked.set_tags({"device": compute.device, "precision": compute.precision})
        tracked.log_data(load_section("data", DataParams).folder, packed / "images.npy", assignment)
        for record in trainer.epochs():
            records.append(record)
            logging.info(_line(record, params.epochs))
            tracked.log_metrics(epoch_metrics(record), step=record.epoch)
        save(folder, trainer.best)
        write_history(folder, records)
        write_text(folder / "run.json", json.dumps({"run_id": tracked.run_id}) + "\n")
    best = trainer.best.card
    logging.info("train: kept epoch %d, macro F1 on val %.3f", best.epoch, best.val_scores["macro_f1"])


def _run_name(params: TrainParams) -> str:
    return f"{params.model} {params.resolution}px {params.optimizer} lr {params.lr:g}"


def _tracked_params() -> dict[str, object]:
    sections = read_params()
    return {name: sections[name] for name in ("data", "resize", "split", "train")}


def _line(record: EpochRecord, epochs: int) -> str:
    return (
        f"train: epoch {record.epoch:>3}/{epochs}  lr {record.lr:.2e} {record.lr_reason:<8}  "
        f"loss {record.train_loss:.4f}  val loss {record.val_loss:.4f}  val macro F1 {record.val_macro_f1:.3f}  "
        f"{record.images_per_second:.0f} images/s"
    )


if __name__ == "__main__":
    run(main)
