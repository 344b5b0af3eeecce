"""What is done of a study, so that a run that was broken off goes on, and one that was not trains nothing again.

====================  =================================================================================
``speeds.json``       how fast nets train here, for which plan, and how long has been trained for it
``<key>.npz``         what a net answered; the key is a hash of recipe, photographs, labels and code
``<key>.json``        what came of a net that was to learn a handful by heart, likewise
====================  =================================================================================

It stands in ``.weldproof/feasibility/``: no output, and a few megabytes.
"""

import hashlib
import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.code import code_version
from pipeline.evaluation.predictions import IntArray
from pipeline.feasibility import jobs, overfit
from pipeline.feasibility.jobs import Answer
from pipeline.feasibility.overfit import Overfit
from pipeline.feasibility.recipes import as_probe
from pipeline.feasibility.study import Study, Training
from pipeline.files import STATE_FOLDER, project_root, remove_others, replaced, write_text
from pipeline.training.device import Compute
from pipeline.training.recipe import TrainParams

_TRAINING = (
    "augmentation", "batches", "detector", "device", "features", "loop", "losses", "models", "moves", "optimizers",
    "outliers", "overfit", "predict", "randomness", "ranks", "recipe", "records", "schedules", "temperature", "weights",
)  # fmt: skip
MAKERS = (jobs, overfit, *(import_module(f"pipeline.training.{name}") for name in _TRAINING))
"""What has a say in an answer."""

_SPEEDS = "speeds.json"


def home() -> Path:
    """Return where it stands: in the main checkout, also for a run in the queue."""
    return project_root() / STATE_FOLDER / "feasibility"


def lock_file() -> Path:
    """Return the file that is locked while a study is at work on it."""
    return home().with_suffix(".lock")


class Kept:
    """What is kept for the plan of a study.

    Attributes
    ----------
    speeds : images a second that a worker trains by, of "net, resolution"; 0: it cannot be trained.
    seconds : for how long has been trained for this plan.
    run_id : the tracker's id of the run that was broken off, if one was.
    """

    def __init__(self, study: Study, recipe: TrainParams, minutes: float, compute: Compute) -> None:
        self._folder, self._study = home(), study
        self._code = code_version(MAKERS, ["torch", "torchvision"])
        photographs = self._pixels(study.rows), study.labels.tolist(), study.fold[study.rows].tolist()
        self._plan_key = self._key(as_probe(recipe, study.seed), minutes, compute, *photographs)
        notes = self._notes()
        self.speeds: dict[str, float] = notes.get("speeds", {})
        self.seconds: float = notes.get("seconds", 0.0)
        self.run_id: str | None = notes.get("run_id")

    def note(self) -> None:
        """Keep the attributes."""
        notes = {"plan": self._plan_key, "speeds": self.speeds, "seconds": self.seconds, "run_id": self.run_id}
        write_text(self._folder / _SPEEDS, json.dumps(notes) + "\n")

    def note_run(self, run_id: str | None) -> None:
        """Keep the tracker's id of the run; None: it is over."""
        self.run_id = run_id
        self.note()

    def _notes(self) -> Mapping[str, Any]:
        try:
            notes: Mapping[str, Any] = json.loads((self._folder / _SPEEDS).read_bytes())
            return notes if notes.get("plan") == self._plan_key else {}
        except (OSError, ValueError):
            return {}

    def answer(self, training: Training) -> Answer | None:
        """Return what the net of a training answered, if it is kept."""
        try:
            with (self._folder / self.name_of(training)).open("rb") as file, np.load(file) as found:
                return Answer(found["probabilities"], found["seen"], float(found["seconds"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def keep(self, training: Training, answer: Answer) -> None:
        """Keep what the net of a training answered."""
        with replaced(self._folder / self.name_of(training)) as partial, partial.open("wb") as file:
            np.savez(file, **answer._asdict())

    def name_of(self, training: Training) -> str:
        """Return the name of its file."""
        taught, labels = training.taught, training.labels[training.taught].tolist()
        asked = self._pixels(training.judged), self._pixels(training.seen)
        return f"{self._key(training.recipe, self._pixels(taught), labels, *asked)}.npz"

    def overfit(self, recipe: TrainParams, model: str) -> Overfit | None:
        """Return what came of a net that was to learn a handful by heart, if it is kept."""
        try:
            found = json.loads((self._folder / self.name_of_overfit(recipe, model)).read_bytes())
            return Overfit(**found | {"losses": tuple(found["losses"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep_overfit(self, recipe: TrainParams, model: str, found: Overfit) -> None:
        """Keep it."""
        write_text(self._folder / self.name_of_overfit(recipe, model), json.dumps(asdict(found)) + "\n")

    def name_of_overfit(self, recipe: TrainParams, model: str) -> str:
        """Return the name of its file."""
        return f"{self._key(recipe, model, self._pixels(self._study.rows), self._study.labels.tolist())}.json"

    def remove_others(self, names: Collection[str]) -> None:
        """Remove all answers but those in the files of these names."""
        remove_others(self._folder, {*names, _SPEEDS})

    def _pixels(self, rows: IntArray) -> str:
        return "".join(self._study.packed.index[row].pixels for row in rows.tolist())

    def _key(self, recipe: TrainParams, *parts: object) -> str:
        everything = self._code, len(self._study.class_names), recipe.model_dump_json(), *parts
        return hashlib.sha256(" ".join(map(str, everything)).encode()).hexdigest()[:16]
