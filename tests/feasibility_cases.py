"""The evidence of a set with a known answer, by real trainings, one after the other, of nets that soon know all."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
from known_sets import KINDS, KnownSet, Shot, taken
from ruamel.yaml import YAML
from safetensors.torch import save_file

from pipeline.data.assignment import NO_ROWS
from pipeline.evaluation.predictions import Predictions
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.findings import evidence_of
from pipeline.feasibility.overfit import check
from pipeline.feasibility.plan import Probe
from pipeline.feasibility.recipes import of_epochs
from pipeline.feasibility.study import Study, Training, answered, new_study
from pipeline.feasibility.trainings import Trained
from pipeline.feasibility.wanted import all_wanted
from pipeline.training.device import Compute, choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.recipe import TrainParams

ROOT = Path(__file__).resolve().parent.parent
TARGET = 0.9
SHOWN, LEAST_SHOWN = 640, 400
"""Images that a net is shown that learns from all photographs, and from few of them: about a second's work."""


def recipe(**changes: object) -> TrainParams:
    """The project's recipe for a small net on a thread, from weights that know such pictures already."""
    section = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")["train"]
    small = {"model": "shufflenet_v2_x0_5", "resolution": 32, "epochs": 4, "batch_size": 16, "lr": 1e-3}
    small |= {"warmup_epochs": 0, "ema_decay": 0.8, "threads": 1, "device": "cpu", "precision": "fp32"}
    flips = {name: False if isinstance(value, bool) else 0.0 for name, value in section["augment"].items()}
    flips |= {"flip_horizontal": True, "flip_vertical": True}
    return TrainParams.model_validate(section | small | {"augment": flips, "test_time_flips": False} | changes)


def experienced(place: Path) -> Path:
    """Train a net on all kinds of drawn pictures, a quarter of a minute, and return its weights."""
    rng = np.random.default_rng(99)
    shots = [Shot(kind, kind, strength=float(rng.uniform(50, 120))) for kind in KINDS for _ in range(100)]
    packed = taken(shots, 99).packed
    params = recipe(epochs=20, batch_size=32, lr=4e-3, warmup_epochs=1, ema_decay=0.9)
    trainer = Trainer(packed, np.arange(len(shots)), NO_ROWS, params, _compute(params))
    for _ in trainer.epochs():
        pass
    save_file({name: tensor.contiguous() for name, tensor in trainer.kept.net.state_dict().items()}, place)
    return place


def evidence(known: KnownSet, weights: Path, kinds: Collection[str], seed: int = 0) -> Evidence:
    """Return what is found by trainings of these kinds, of "folds", "curve" and "shuffled"."""
    study = new_study(known.packed, known.assignment, seed)
    epochs = max(2, round(SHOWN / (0.8 * len(study.rows))))
    return evidence_of(study, TARGET, train(study, recipe(epochs=epochs, seed=seed, weights=str(weights)), kinds))


def train(study: Study, params: TrainParams, kinds: Collection[str]) -> Trained:
    """Do what `StudyTrainings` does, in this process, without a budget."""
    told: dict[str, dict[str, list[tuple[np.ndarray, np.ndarray]]]] = {}
    recipes: dict[str, dict[str, TrainParams]] = {}
    count = 0
    for each in all_wanted(study, params):
        if each.kind not in kinds:
            continue
        own = of_epochs(params, each.epochs(params.epochs, LEAST_SHOWN))
        training = Training(each.kind, each.name, each.setting, own, each.taught, each.judged, each.labels)
        told.setdefault(each.kind, {}).setdefault(each.setting, []).append((each.judged, _ask(study, training)))
        recipes.setdefault(each.kind, {}).setdefault(each.setting, own)
        count += 1
    answers: dict[str, dict[str, Predictions]] = {
        kind: {setting: answered(study, pieces) for setting, pieces in settings.items()}
        for kind, settings in told.items()
    }
    probe = Probe(params, 1.0, 1.0, count, (), ())
    return Trained(answers, recipes, check(study, params, [params.model], _compute(params)), probe)


def _ask(study: Study, training: Training) -> np.ndarray:
    packed = replace(study.packed, labels=training.labels)
    trainer = Trainer(packed, training.taught, NO_ROWS, training.recipe, _compute(training.recipe))
    for _ in trainer.epochs():
        pass
    return class_probabilities(predict_logits(trainer.kept, packed.images, training.judged)).astype(np.float64)


def _compute(params: TrainParams) -> Compute:
    return choose_compute(params.device, params.precision)
