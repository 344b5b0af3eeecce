"""Packed set and split -> a trained net, or one a fold."""

from pipeline.stage import run  # isort: split

from pathlib import Path

from pipeline.data.assignment import read_assignment
from pipeline.data.packed import open_packed
from pipeline.files import new_folder
from pipeline.params import load_section, read_params
from pipeline.tracking import TrackedRun, training_run
from pipeline.training.checkpoints import Checkpoint
from pipeline.training.device import choose_compute
from pipeline.training.history import epoch_metrics, finish, run_tags
from pipeline.training.loop import Trainer
from pipeline.training.ranks import joined
from pipeline.training.recipe import TrainParams
from pipeline.training.unfinished import UnfinishedTraining


def main(packed: Path, assignment: Path, models: Path) -> None:
    """Train a net, keep its best epoch by the macro F1 on val, and track all of it in MLflow; with folds, one a fold.

    packed      the packed set
    assignment  which picture is for training and which for validation, and as what it is learnt
    models      where model.safetensors, model.json, history.csv, lr_history.csv, run.json and folds/<fold>/ go
    """
    params = load_section("train", TrainParams)
    table = read_assignment(assignment, packed_set := open_packed(packed))
    compute = choose_compute(params.device, params.precision)
    with joined(compute) as ranks:
        kept = UnfinishedTraining(params, packed_set, table, (packed / "images.npy", assignment), compute, ranks)
        kept.follow() if ranks.rank else lead(kept, models)


def lead(kept: UnfinishedTraining, models: Path) -> None:
    final = kept.final()  # tells mistakes early
    with kept.alone(), training_run(kept.title, again=kept.run_id) as tracked:
        kept.note_run(tracked.run_id)
        tracked.log_inputs(read_params(), *kept.inputs)
        tracked.set_tags(kept.tags)
        for fold, trainer, net in kept.missing():
            with kept.place(fold) as place, training_run(kept.title_of(fold), tracked.run_id, net.run_id) as child:
                train(trainer, place, child, net)
        with new_folder(models) as folder:
            if final:
                train(final, folder, tracked, kept.checkpoint_of_final(final))
            for epoch, metrics in kept.finish(folder, tracked.run_id):
                tracked.log_metrics(metrics, step=epoch)


def train(trainer: Trainer, folder: Path, tracked: TrackedRun, net: Checkpoint) -> None:
    for record in net.epochs(trainer, tracked.run_id):
        tracked.log_metrics(epoch_metrics(record), step=record.epoch)
        tracked.set_tags(run_tags(trainer, record.epoch))
    finish(folder, trainer, tracked.run_id)


if __name__ == "__main__":
    run(main)
