"""Folds that are trained already, kept until all are, so that a failure or an interruption loses one at the most."""

import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.data.assignment import NO_ROWS, Assignment, Parts, Rows
from pipeline.errors import DataError, PipelineError
from pipeline.files import STATE_FOLDER, new_folder, write_text
from pipeline.training.history import epoch_metrics, mean_history, read_history, write_history
from pipeline.training.recipe import TrainParams
from pipeline.training.weights import FOLDS

RUN_FILE = "run.json"

logger = logging.getLogger(__name__)


class KeptFolds:
    """The folds of one training, outside its outputs: ``.weldproof/folds/<key>/<fold>/``.

    The key is a hash of the recipe, of the inputs' bytes, and of the code: every module of this project that is loaded.
    Folds kept under any other key are removed.

    Parameters
    ----------
    inputs : files that the training depends on
    table : the assignment; without folds, nothing is kept
    """

    def __init__(self, params: TrainParams, inputs: Sequence[Path], table: Assignment) -> None:
        self._params, self._table, self._count = params, table, table.num_folds
        self._failed: dict[int, str] = {}
        home = STATE_FOLDER / FOLDS
        self._folder = home / (_key(params, inputs) if self._count else "none")
        for other in home.glob("*"):
            if other != self._folder:
                shutil.rmtree(other)

    @property
    def title(self) -> str:
        """What tells the training from others at a glance."""
        return self._params.title + (f", {self._count} folds" if self._count else "")

    def final_rows(self) -> tuple[Rows, Rows] | None:
        """Return the rows for training and for validation of the net beside the folds', or None if there is none."""
        if not self._count:
            parts = self._table.parts()
            if not len(parts.val):
                raise DataError("train: wanted validation images, found none")
            return parts.train, parts.val
        return (self._table.everything(), NO_ROWS) if self._params.final == "retrain" else None

    def missing(self) -> Iterator[tuple[int, Parts]]:
        """Yield the folds that are still to be trained, and their rows.

        Raises
        ------
        PipelineError
            At the end, if a fold failed.
        """
        done = [fold for fold in range(self._count) if (self._folder / str(fold)).is_dir()]
        if done:
            logger.info("train: folds %s are trained already", ", ".join(map(str, done)))
        yield from ((fold, self._table.fold_parts(fold)) for fold in range(self._count) if fold not in done)
        if self._failed:
            fold, reason = next(iter(self._failed.items()))
            raise PipelineError(
                f"train: wanted {self._count} folds, found {len(self._failed)} that failed "
                f"({', '.join(map(str, self._failed))}); the others are kept, and the same command goes on with "
                f"these; fold {fold}: {reason}"
            )

    @contextmanager
    def place(self, fold: int) -> Iterator[Path]:
        """Yield a folder for a fold, which is kept when the block ends well."""
        with new_folder(self._folder / str(fold)) as folder:
            yield folder

    @contextmanager
    def failures(self, fold: int) -> Iterator[None]:
        """Let a fold fail without the others: the error is told, and raised when all had their turn."""
        try:
            yield
        except PipelineError as error:
            if type(error) is not PipelineError:
                raise  # A mistake in the recipe or the data is the same in every fold.
            logger.error("train: fold %d: %s", fold, error)
            self._failed[fold] = str(error)

    def finish(self, models: Path, run_id: str) -> list[tuple[int, dict[str, float]]]:
        """Copy all folds below `models`, write the tables of their mean beside them, and return that, epoch by epoch.

        What a training on everything said of itself under the same names is left out.
        """
        if not self._count:
            return []
        for fold in range(self._count):
            shutil.copytree(self._folder / str(fold), models / FOLDS / str(fold))
        mean = mean_history([read_history(models / FOLDS / str(fold)) for fold in range(self._count)])
        write_history(models, mean)
        write_text(models / RUN_FILE, json.dumps({"run_id": run_id}) + "\n")
        chosen = "val/" if self._params.final == "retrain" else ""
        return [
            (each.epoch, {name: value for name, value in epoch_metrics(each).items() if name.startswith(chosen)})
            for each in mean
        ]

    @property
    def run_id(self) -> str | None:
        """The tracker's id of the run that all folds belong to, if it was noted."""
        note = self._folder / RUN_FILE
        return str(json.loads(note.read_text())["run_id"]) if note.is_file() else None

    def note_run(self, run_id: str) -> None:
        """Note the run that all folds belong to."""
        if self._count:
            write_text(self._folder / RUN_FILE, json.dumps({"run_id": run_id}) + "\n")

    def remove(self) -> None:
        """Forget all: the training is done."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _key(params: TrainParams, inputs: Sequence[Path]) -> str:
    digest = hashlib.sha256(params.model_dump_json().encode())
    modules = (module for name, module in sys.modules.items() if name.split(".")[0] == "pipeline")
    code = sorted({Path(module.__file__) for module in modules if module.__file__})
    for path in (*inputs, *code):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
