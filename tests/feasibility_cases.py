"""The evidence of a set with a known answer, by real trainings, one after the other, of nets that soon know all."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from known_sets import KINDS, KnownSet, Shot, taken
from numpy.typing import NDArray
from ruamel.yaml import YAML
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pipeline.data.assignment import NO_ROWS
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.findings import evidence_of
from pipeline.feasibility.overfit import check
from pipeline.feasibility.plan import Probe
from pipeline.feasibility.recipes import of_epochs
from pipeline.feasibility.study import Study, Training, answered, new_study
from pipeline.feasibility.trainings import Trained
from pipeline.feasibility.wanted import all_wanted
from pipeline.training.batches import to_input
from pipeline.training.device import Compute, choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.models import WithFeatures, build
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.recipe import TrainParams

ROOT = Path(__file__).resolve().parent.parent
Ask = Callable[[Study, Training], NDArray[np.float64]]
"""What learns by a training, and answers: probabilities (J + S, K), of the judged photographs and of the seen ones."""

TARGET = 0.9
SHOWN, LEAST_SHOWN = 960, 400
"""Images that a net is shown that learns from all photographs, and from few of them: a second or two."""


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


def evidence(
    known: KnownSet,
    weights: Path | None,
    kinds: Collection[str],
    seed: int = 0,
    ask: Ask | None = None,
    shown: int = SHOWN,
) -> Evidence:
    """Return what is found by trainings of these kinds, of "folds", "curve" and "shuffled".

    Parameters
    ----------
    weights : that the nets begin with; None: random ones.
    shown : images that a net is shown that learns from all photographs.
    ask : what learns, by default a net.
    """
    study = new_study(known.packed, known.assignment, seed)
    epochs = max(2, round(shown / (0.8 * len(study.rows))))
    params = recipe(epochs=epochs, seed=seed, weights=str(weights or "none"))
    trained = _trained(study, params, kinds, ask or ask_net)
    return evidence_of(study, TARGET, trained)


def _trained(study: Study, params: TrainParams, kinds: Collection[str], ask: Ask) -> Trained:
    told: dict[str, dict[str, list[tuple[NDArray[np.int64], NDArray[np.float64]]]]] = {}
    seen: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    recipes: dict[str, dict[str, TrainParams]] = {}
    for each in all_wanted(study, params):
        if each.kind in kinds:
            own = of_epochs(params, each.epochs(params.epochs, LEAST_SHOWN))
            training = Training(
                each.kind, each.name, each.setting, own, each.taught, each.judged, each.seen, each.labels
            )
            judged, again = np.split(ask(study, training), [len(each.judged)])
            told.setdefault(each.kind, {}).setdefault(each.setting, []).append((each.judged, judged))
            seen.append((each.seen, again))
            recipes.setdefault(each.kind, {}).setdefault(each.setting, own)
    answers = {
        kind: {name: answered(study, each) for name, each in settings.items()} for kind, settings in told.items()
    }
    by_heart = check(study, params, [params.model], _compute(params))
    return Trained(answers, answered(study, seen), recipes, by_heart, Probe(params, 1.0, 1.0, 1, (), 1.0, ()))


def ask_net(study: Study, training: Training) -> NDArray[np.float64]:
    """Train a net and ask it."""
    packed = replace(study.packed, labels=training.labels)
    trainer = Trainer(packed, training.taught, NO_ROWS, training.recipe, _compute(training.recipe))
    for _ in trainer.epochs():
        pass
    logits = predict_logits(trainer.kept, packed.images, np.concatenate([training.judged, training.seen]))
    return class_probabilities(logits).astype(np.float64)


def ask_head(study: Study, training: Training) -> NDArray[np.float64]:
    """Train a logistic regression on what the net sees whose weights the recipe begins with: some 20 ms."""
    seen = StandardScaler().fit_transform(_features(study, training.recipe))
    model = LogisticRegression(C=0.003, class_weight="balanced", max_iter=200)
    model.fit(seen[training.taught], training.labels[training.taught])
    asked = seen[np.concatenate([training.judged, training.seen])]
    probabilities = np.full((len(asked), len(study.class_names)), 1e-6)
    probabilities[:, model.classes_] += model.predict_proba(asked)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


@torch.inference_mode()
def _features(study: Study, params: TrainParams) -> NDArray[np.float32]:
    net = build(params.model, len(KINDS), params.resolution, params.weights)
    images = study.packed.images
    shown = to_input(torch.from_numpy(images), params.resolution, float(images.mean()), float(images.std()))
    features: NDArray[np.float32] = WithFeatures(net, len(KINDS)).eval()(shown)[0].numpy()
    return features


def _compute(params: TrainParams) -> Compute:
    return choose_compute(params.device, params.precision)
