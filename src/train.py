"""Packed set and split -> a trained net, or one a fold."""

from pipeline.stage import run  # isort: split

from contextlib import nullcontext
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
    """Train a net, keep it as it is when the rate has fallen, and track all of it in MLflow; with folds, one a fold.

    packed      the packed set
    assignment  which picture is for training and which for validation, and as what it is learnt
    models      where model.safetensors, model.json, history.csv, lr_history.csv, run.json and folds/<fold>/ go
    """
    params = load_section("train", TrainParams)
    table = read_assignment(assignment, packed_set := open_packed(packed))
    with joined(compute := choose_compute(params.device, params.precision)) as ranks:
        kept = UnfinishedTraining(params, packed_set, table, (packed / "images.npy", assignment), compute, ranks)
        kept.follow() if ranks.rank else lead(kept, models)


def lead(kept: UnfinishedTraining, models: Path) -> None:
    final = kept.final()  # tells mistakes early
    with kept.alone(), training_run(kept.title, again=kept.run_id, params=read_params()) as tracked:
        kept.note_run(tracked.run_id)
        tracked.log_inputs(read_params(), *kept.inputs)
        tracked.set_tags(kept.tags)
        for fold, trainer, net in kept.missing():
            with kept.place(fold) as place:
                train(trainer, place, tracked, net)
        with new_folder(models) as folder:
            if final:
                train(final, folder, tracked, kept.checkpoint_of_final(final))
            tracked.mirror(kept.finish(folder, tracked.run_id))


def train(trainer: Trainer, folder: Path, tracked: TrackedRun, net: Checkpoint) -> None:
    with training_run(net.title, tracked.run_id, net.run_id) if net.title else nullcontext(tracked) as its_run:
        for record in net.epochs(trainer, its_run.run_id):
            its_run.log_metrics(epoch_metrics(record), step=record.epoch)
            its_run.set_tags(run_tags(trainer, record.epoch))
        its_run.update_metrics(finish(folder, trainer, its_run.run_id))


if __name__ == "__main__":
    run(main)
