"""A net in training keeps itself, so that a killed training goes on; and takes moves of its learning rate by hand.

All of it stands in one folder outside the outputs:

===============  =======================================================================================
``state.pt``     the state of the trainer after some epoch
``moves.json``   the moves that were made by hand, and from which epoch on they hold
``status.json``  the epoch that is being trained, for whoever asks, and the last that ever was begun
``requests/``    moves that somebody asked for and that are not yet made, one a file
``run.json``     the tracker's id of the run
===============  =======================================================================================

What happened between the last state and the kill is trained again, with the same moves, and comes out the same.
"""

import json
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline.errors import PipelineError
from pipeline.files import lasting, new_folder, write_text
from pipeline.training.history import epoch_line, leave
from pipeline.training.live import MOVES_FILE, STATUS_FILE, home, pending_requests, read_json
from pipeline.training.loop import Trainer
from pipeline.training.records import EpochRecord

STATE_FILE = "state.pt"
RUN_FILE = "run.json"

_MOST_TIME = 0.03
"""Share of the time that may go into writing states: a net of 45 MB takes as long to write as some steps to train."""

logger = logging.getLogger(__name__)


def diverged() -> Path:
    """Return where the best nets of trainings that failed are kept, each in a folder of its own."""
    return home().parent / "diverged"


class Checkpoint:
    """One net in training.

    Parameters
    ----------
    folder : where it keeps itself
    title : what tells it from the others of one training, each of which is tracked as a run of its own; empty where
        its run is that of the training
    steered : whether it takes moves by hand
    """

    def __init__(self, folder: Path, title: str = "", steered: bool = True) -> None:
        self._folder, self.title, self._steered = folder, title, steered
        self._written = time.monotonic()
        self._write_seconds = 0.0
        self._begun = 0

    def epochs(self, trainer: Trainer, run_id: str) -> Iterator[EpochRecord]:
        """Train, going on where a former process stopped, and yield each epoch's record, also of those done before.

        Parameters
        ----------
        run_id : the tracker's id of the run, which goes on with the training

        Raises
        ------
        PipelineError
            As `Trainer.epochs` does; the best net so far is then kept in `diverged`.
        """
        write_text(self._folder / RUN_FILE, json.dumps({"run_id": run_id}) + "\n")
        self._restore(trainer)
        begun = self._begun
        yield from trainer.records
        self._note_status(trainer)
        with self._kept_on_failure(trainer, run_id), logging_redirect_tqdm():
            for record in trainer.epochs():
                if self._steered and record.epoch >= begun:
                    self._take_requests(trainer)
                self._save_if_due(trainer)
                self._note_status(trainer)
                logger.info("train: %s", epoch_line(record, trainer.params.epochs))
                yield record

    @contextmanager
    def _kept_on_failure(self, trainer: Trainer, run_id: str) -> Iterator[None]:
        try:
            yield
        except PipelineError as error:
            if not trainer.records:
                raise
            # Not calibrated: what failed may be the device that this would ask.
            place = diverged() / self._folder.parent.parent.name / self._folder.name
            with new_folder(place) as folder:
                leave(folder, trainer, trainer.kept, run_id)
            kept = f"the best epoch before, {trainer.kept.card.epoch}, is kept in {os.path.relpath(place)}"
            raise type(error)(f"{error}; {kept}") from None

    @property
    def run_id(self) -> str | None:
        """The tracker's id of the run, if it was noted."""
        note = read_json(self._folder / RUN_FILE)
        return str(note["run_id"]) if note else None

    def _restore(self, trainer: Trainer) -> None:
        """Bring the trainer to where the last state was taken, and note the last epoch that had been begun."""
        for note in read_json(self._folder / MOVES_FILE) or []:
            trainer.move(note["move"], note["epoch"])
        status = read_json(self._folder / STATUS_FILE)
        path = self._folder / STATE_FILE
        try:
            trainer.go_on_from(torch.load(path, map_location="cpu", weights_only=True))
        except FileNotFoundError:
            pass
        except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, ValueError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            logger.warning("train: %s: wanted the state of this training, found what is none (%s)", path, reason)
        if status:
            self._begun = status["begun"]
            logger.info("train: goes on after epoch %d; epoch %d was begun", len(trainer.records), self._begun)

    def _save_if_due(self, trainer: Trainer) -> None:
        if time.monotonic() - self._written < self._write_seconds / _MOST_TIME:
            return
        start = time.monotonic()
        with lasting(self._folder / STATE_FILE) as file:
            torch.save(trainer.state(), file)
        self._written = time.monotonic()
        self._write_seconds = self._written - start

    def _note_status(self, trainer: Trainer) -> None:
        last, epoch = trainer.records[-1] if trainer.records else None, len(trainer.records) + 1
        # Killed once more while it trains epochs again, it must still know which ones were told to the tracker.
        self._begun = max(self._begun, epoch)
        status = {
            "name": os.environ.get("DVC_EXP_NAME") or self._folder.parent.parent.name,
            "title": trainer.params.title,
            "steered": self._steered,
            "epoch": epoch,
            "begun": self._begun,
            "epochs": trainer.params.epochs,
            "lr": last.lr if last else None,
            "train_loss": last.train_loss if last else None,
            "val_macro_f1": last.val_macro_f1 if last and math.isfinite(last.val_macro_f1) else None,
            "moves": [[epoch, move] for epoch, moves in trainer.by_hand.items() for move in moves],
        }
        write_text(self._folder / STATUS_FILE, json.dumps(status) + "\n")

    def _take_requests(self, trainer: Trainer) -> None:
        """Make the moves that were asked for. They are noted before the requests go, so that none is made twice."""
        notes = read_json(self._folder / MOVES_FILE) or []
        made = {note["request"] for note in notes}
        for request, move in pending_requests(self._folder):
            if request.name not in made:
                epoch = trainer.move(move)
                notes.append({"request": request.name, "epoch": epoch, "move": move})
                # As lasting as the states, which are of no use without them.
                with lasting(self._folder / MOVES_FILE) as file:
                    file.write(f"{json.dumps(notes)}\n".encode())
                logger.info("train: by hand, from epoch %d on: %s", epoch, move)
            request.unlink()
