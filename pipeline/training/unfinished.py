"""What is done of a training whose outputs are not there yet: nets that are trained, and nets in training.

It is kept until all is done, so that a failure or an interruption loses seconds.
"""

import hashlib
import json
import logging
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data.assignment import NO_ROWS, Assignment, Parts, Rows
from pipeline.data.packed import PackedSet
from pipeline.errors import DataError, PipelineError
from pipeline.files import new_folder, write_text
from pipeline.stage import only_one
from pipeline.training.batches import resident
from pipeline.training.checkpoints import Checkpoint, diverged
from pipeline.training.device import Compute
from pipeline.training.history import best_metrics, epoch_metrics, mean_history, read_history, read_moves, write_history
from pipeline.training.live import FINAL, home, is_at_work, lock_of, read_json
from pipeline.training.loop import Trainer, follow
from pipeline.training.outliers import inherit
from pipeline.training.overfit import handful
from pipeline.training.ranks import ALONE, Ranks
from pipeline.training.recipe import TrainParams
from pipeline.training.temperature import common_temperature
from pipeline.training.weights import FOLDS, check_unseen, read_card, write_card

RUN_FILE = "run.json"
_NETS = "nets"
_KEPT_DAYS = 7
"""So long a training that was broken off waits for somebody to go on with it, and a net that failed for a look at it.

Several may wait: a loss of power breaks off all that a queue has at work.
"""

logger = logging.getLogger(__name__)


class UnfinishedTraining:
    """What is done of one training, outside its outputs: in ``.weldproof/training/<key>/``.

    ============  =====================================================
    ``<fold>/``   a net that is trained, and will be judged on this fold; 0 without folds
    ``nets/``     nets in training, by the number of their fold, or `final`; see `checkpoints`
    ``run.json``  the tracker's id of the run that all belong to
    ============  =====================================================

    `final` is the net that is left beside those of the folds. Without folds and without ``final: retrain`` there is no
    other.

    The key is a hash of the recipe, of the inputs' bytes, and of the code: every module of this project that is loaded.

    Parameters
    ----------
    packed, table : the packed set and its assignment
    inputs : the files that these were read from
    """

    def __init__(
        self,
        params: TrainParams,
        packed: PackedSet,
        table: Assignment,
        inputs: Sequence[Path],
        compute: Compute,
        ranks: Ranks = ALONE,
    ) -> None:
        self._params, self._table, self._packed = params, table, table.apply(packed)
        # One copy on the device serves all nets.
        images = resident(packed.images, compute.device)
        self._new_trainer = partial(Trainer, self._packed, params=params, compute=compute, ranks=ranks, images=images)
        self.inputs, self._compute, self._ranks = inputs, compute, ranks
        self._judged = _judged_parts(params, table)
        if params.mode == "normal":
            check_unseen(params.weights, packed, _judging(table))
        self._failed: dict[int, str] = {}
        self._key = _key(params, inputs)
        self._folder = home() / self._key

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time train this; forget others that nobody goes on with, and at the end this."""
        logger.info("train: %s, %s", self.title, ", ".join(f"{name} {value}" for name, value in self.tags.items()))
        with only_one("train"), only_one("train", lock_of(self._folder)):
            for other in home().glob("*/"):
                if other != self._folder and not is_at_work(other) and _days_untouched(other) > _KEPT_DAYS:
                    # Its lock stays: another process may be about to take it.
                    shutil.rmtree(other, ignore_errors=True)
            for failed in diverged().glob("*/"):
                if _days_untouched(failed) > _KEPT_DAYS:
                    shutil.rmtree(failed, ignore_errors=True)
            yield
            shutil.rmtree(self._folder, ignore_errors=True)

    def checkpoint_of_final(self, final: Trainer) -> Checkpoint:
        """Return where the final net keeps itself; it follows the moves by hand of the one that is judged."""
        if self._judged:
            logger.info("train: one more net, on all %d photographs", len(final.train_rows))
        if len(self._judged) == 1:
            for epoch, moves in read_moves(self._folder / "0").items():
                for move in moves:
                    final.move(move, epoch)
        title = "on everything" if self._judged else ""
        return Checkpoint(self._folder / _NETS / FINAL, title, steered=not self._judged)

    @property
    def title(self) -> str:
        """What tells the training from others at a glance."""
        return self._params.title + (f", {len(self._judged)} folds" if len(self._judged) > 1 else "")

    @property
    def tags(self) -> dict[str, object]:
        """What a tracker is to note beside the recipe: where the nets are trained, and by how many processes."""
        return {"device": self._compute.device, "precision": self._compute.precision, "ranks": self._ranks.count}

    def final(self) -> Trainer | None:
        """Return the trainer of the net beside the folds', or None if there is none.

        Raises
        ------
        PipelineError
            If the recipe does not fit the data.
        """
        rows = self._final_rows()
        return self._new_trainer(*rows) if rows else None

    def _final_rows(self) -> tuple[Rows, Rows] | None:
        if self._params.mode == "overfit":
            parts = self._table.fold_parts(0) if self._table.num_folds else self._table.parts()
            few = handful(self._packed.labels, parts.train)
            return few, few
        if not self._table.num_folds and not len(self._table.parts().val):
            raise DataError("train: wanted validation images, found none")
        if self._params.final == "retrain":
            return self._table.everything(), NO_ROWS
        return None if self._judged else (self._table.parts().train, self._table.parts().val)

    def follow(self) -> None:
        """Train what rank 0 trains, as another rank."""
        follow(self._new_trainer, self._ranks)

    def missing(self) -> Iterator[tuple[int, Trainer, Checkpoint]]:
        """Yield the folds that are still to be trained, their trainers, and where their nets keep themselves.

        Folds are trained alike; one net alone can be steered by hand.

        Raises
        ------
        PipelineError
            At the end, if a fold failed.
        """
        done = [fold for fold in range(len(self._judged)) if (self._folder / str(fold)).is_dir()]
        if done and self._table.num_folds:
            logger.info("train: folds %s are trained already", ", ".join(map(str, done)))
        for fold in sorted({*range(len(self._judged))} - {*done}):
            parts = self._judged[fold]
            trainer = self._new_trainer(parts.train, parts.val)
            title = f"fold {fold}" if self._table.num_folds else ""
            yield fold, trainer, Checkpoint(self._folder / _NETS / str(fold), title, steered=not title)
        if self._failed:
            fold, reason = next(iter(self._failed.items()))
            raise PipelineError(
                f"train: wanted {len(self._judged)} folds, found {len(self._failed)} that failed "
                f"({', '.join(map(str, self._failed))}); the others are kept, and the same command goes on with "
                f"these; fold {fold}: {reason}"
            )

    @contextmanager
    def place(self, fold: int) -> Iterator[Path]:
        """Yield a folder for a fold, which is kept when the block ends well.

        A fold may fail without the others: the error is told, and raised when all had their turn.
        """
        try:
            with new_folder(self._folder / str(fold)) as folder:
                yield folder
            shutil.rmtree(self._folder / _NETS / str(fold))
        except PipelineError as error:
            if type(error) is not PipelineError or len(self._judged) == 1:
                raise  # A mistake in the recipe or the data is the same in every fold.
            logger.error("train: fold %d: %s", fold, error)
            self._failed[fold] = str(error)

    def finish(self, models: Path, run_id: str) -> dict[int, dict[str, float]]:
        """Copy all that will be judged below `models`, and write the tables of their mean beside them.

        The net that was trained on everything has no photographs to be calibrated on, and takes their temperature, and
        how far an outlier is.

        Returns what the common run of several folds is still to be told: their mean, epoch by epoch, and, with the last
        one, that of the epochs that are kept.
        """
        if not self._judged:
            return {}
        folds = [models / FOLDS / str(fold) for fold in range(len(self._judged))]
        for fold in folds:
            shutil.copytree(self._folder / fold.name, fold)
        if self._params.final == "retrain":
            temperature = common_temperature([read_card(fold).temperature for fold in folds])
            write_card(models, read_card(models).model_copy(update={"temperature": temperature}))
            inherit(models, folds)
        mean = mean_history([read_history(fold) for fold in folds])
        write_history(models, mean, read_moves(folds[0]))
        write_text(models / RUN_FILE, json.dumps({"run_id": run_id}) + "\n")
        if not self._table.num_folds:
            return {}
        told = {each.epoch: epoch_metrics(each) for each in mean}
        return told | {mean[-1].epoch: epoch_metrics(mean[-1]) | best_metrics(models)}

    @property
    def run_id(self) -> str | None:
        """The tracker's id of the run that all belongs to, if it was noted."""
        note = read_json(self._folder / RUN_FILE)
        return str(note["run_id"]) if note else None

    def note_run(self, run_id: str) -> None:
        """Note the run that all belongs to."""
        write_text(self._folder / RUN_FILE, json.dumps({"run_id": run_id}) + "\n")


def _judged_parts(params: TrainParams, table: Assignment) -> list[Parts]:
    """Return the parts of the nets that are trained to be judged, where that is not the final net itself."""
    if params.mode != "normal":
        return []
    if table.num_folds:
        return [table.fold_parts(fold) for fold in range(table.num_folds)]
    return [table.parts()] if params.final == "retrain" else []


def _judging(table: Assignment) -> Rows:
    """Return the photographs that some net is judged by, or calibrated, and learns the others without."""
    parts = table.parts()
    return table.everything() if table.num_folds else np.concatenate([parts.val, parts.test])


def _days_untouched(folder: Path) -> float:
    """Return for how long nothing in a folder was written; 0 where it changes under the eyes."""
    try:
        times = [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
    except OSError:
        return 0.0
    return (time.time() - max(times)) / 86400


def _key(params: TrainParams, inputs: Sequence[Path]) -> str:
    digest = hashlib.sha256(params.model_dump_json().encode())
    modules = (module for name, module in sys.modules.items() if name.split(".")[0] == "pipeline")
    code = sorted({Path(module.__file__) for module in modules if module.__file__})
    for path in (*inputs, *code):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
