"""How well recipes do on photographs that they have not seen: `python benchmarks/quality.py FOLDER [RECIPE ...]`.

Packs a folder of photographs, a folder a class, deals it into folds with near duplicates kept together, trains on all
folds but one and judges on that one, for every fold and seed; nothing chooses the epoch, the last one counts. Prints
for each recipe macro F1 (mean over the seeds, and their range), how many photographs are wrong, F1 a class, the mean
log loss over the classes (which tells more than F1 where a class has a handful of photographs), and seconds.

A recipe is a name and what it changes in the `train` section of params.yaml: `default`, `default:epochs=40`,
`wide:model=resnet34,lr=1e-3`. Some names do more: those of `tried.py`; `plain`, cross entropy and nothing else;
`original`, what the project began with; `hog`, a peer without a net: histograms of oriented gradients and a logistic
regression; `timm`, `fastai` and `ultralytics`, well-known trainers (`peers.py`), which get `--seconds` a net.

    python benchmarks/quality.py FOLDER default plain hog --folds 4 --seeds 3
    python benchmarks/quality.py FOLDER default timm fastai ultralytics --seconds 300
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as pipeline.training has them
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import numpy as np
from numpy.typing import NDArray
from peers import PEERS
from ruamel.yaml import YAML
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import f1_score
from tried import TRIED

from pipeline.data.assignment import Assignment, read_assignment
from pipeline.data.packed import PackedSet, open_packed
from pipeline.feasibility.baseline import gradient_histograms, probabilities
from pipeline.training.device import choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.recipe import TrainParams

ROOT = Path(__file__).resolve().parent.parent
NO_CHANGE = "augment.flip_horizontal=false,augment.flip_vertical=false," + ",".join(
    f"augment.{name}=0.0"
    for name in ("rotation", "translation", "scale", "brightness", "contrast", "blur", "noise", "erase")
)
NOTHING = f"balance=none,label_smoothing=0.0,ema_decay=0.0,test_time_flips=false,{NO_CHANGE}"
KNOWN = {
    "default": "",
    "plain": NOTHING,
    "original": "optimizer=sgd,momentum=0.0,weight_decay=0.0,lr=0.001,schedule=constant,warmup_epochs=0,"
    f"normalization=none,batch_size=all,micro_batch_size=32,{NOTHING}",
}
"""Recipes by name: `plain` is cross entropy and nothing else, `original` what the project began with."""

Answer = Callable[[PackedSet, NDArray[np.int64], NDArray[np.int64], int], NDArray[np.float32]]
"""Packed set, rows to train on, rows to answer for, seed -> probabilities (M, K)."""


class Result(NamedTuple):
    """Scores of one seed, all folds pooled: macro F1, by class, and how many photographs of how many are wrong.

    `log_loss` is at the temperature at which it is lowest, so that a recipe is not blamed for nets that are less sure
    than right, or more: that is mended after training.
    """

    macro_f1: float
    f1: NDArray[np.float64]
    wrong: int
    of: int
    log_loss: float


def prepare(photographs: Path, place: Path, folds: int) -> tuple[PackedSet, Assignment]:
    """Run the data stages in `place`."""
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["split"] |= {"folds": folds}
    params["classes"] |= {"least": 1}
    YAML().dump(params, place / "params.yaml")
    (place / "groups.csv").write_text("path,group\n")
    for stage, *arguments in (
        ("resize", str(photographs.resolve()), "resized"),
        ("pack_npy", "resized", "packed"),
        ("group", "packed", "groups.csv", "grouped"),
        ("split", "packed/index.csv", "grouped/ties.csv", "split"),
    ):
        command = [sys.executable, str(ROOT / "src" / f"{stage}.py"), *arguments]
        done = subprocess.run(
            command,
            check=False,
            cwd=place,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stderr)
    packed = open_packed(place / "packed")
    table = read_assignment(place / "split" / "assignment.csv", packed)
    return table.apply(packed), table


def recipe(changes: str) -> TrainParams:
    """Return the recipe of params.yaml with `key=value,key=value` changed."""
    yaml = YAML(typ="safe", pure=True)
    section: dict[str, Any] = yaml.load(ROOT / "params.yaml")["train"]
    for change in filter(None, changes.split(",")):
        key, _, value = change.partition("=")
        *path, name = key.split(".")
        place = section
        for each in path:
            place = place[each]
        place[name] = yaml.load(value)
    return TrainParams.model_validate(section)


def net(changes: str, trainer_class: type[Trainer] = Trainer) -> Answer:
    """Return how the nets of a recipe answer."""

    def answer(
        packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int
    ) -> NDArray[np.float32]:
        params = recipe(changes).model_copy(update={"seed": seed})
        compute = choose_compute(params.device, params.precision)
        trainer = trainer_class(packed, train, np.empty(0, np.int64), params, compute)
        for _ in trainer.epochs():
            pass
        return class_probabilities(predict_logits(trainer.kept, packed.images, judged))

    return answer


def hog(packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Histograms of oriented gradients, balanced logistic regression; there is nothing in it to be seeded."""
    features = gradient_histograms(packed.images)
    answers = probabilities(features[train], packed.labels[train], features[judged], len(packed.class_names))
    return answers.astype(np.float32)


def who_answers(name: str, changes: str, seconds: float) -> Answer:
    """Return a peer by its name, which then trains for so many seconds, or the nets of a recipe."""
    if name in PEERS:
        return PEERS[name](seconds)
    changes = ",".join(filter(None, (KNOWN.get(name), changes)))
    return hog if name == "hog" else net(changes, TRIED.get(name, Trainer))


def named(text: str) -> tuple[str, str]:
    """Return name and changes of a recipe as it is given, `NAME:key=value,...`.

    Raises
    ------
    argparse.ArgumentTypeError
        If a name alone is not known, or one that no change applies to has some.
    """
    name, _, changes = text.partition(":")
    nets, others = [*KNOWN, *TRIED], ["hog", *PEERS]
    if changes if name in others else not changes and name not in nets:
        known = ", ".join(nets + others)
        raise argparse.ArgumentTypeError(f"wanted one of {known}, or NAME:key=value,..., found {text}")
    return name, changes


def judge(answer: Answer, packed: PackedSet, table: Assignment, seed: int, folds: int) -> Result:
    """Judge on the first `folds` folds, each answered for by what was trained on all others."""
    y_true, answers = [], []
    for fold in range(folds):
        parts = table.fold_parts(fold)
        train = np.sort(np.concatenate([parts.train, parts.val]))
        answers.append(answer(packed, train, parts.test, seed))
        y_true.append(packed.labels[parts.test])
    truth, probabilities = np.concatenate(y_true), np.concatenate(answers)
    answered = probabilities.argmax(axis=1)
    f1 = f1_score(truth, answered, average=None, zero_division=0)
    wrong = int((answered != truth).sum())
    return Result(float(np.mean(f1)), f1, wrong, len(truth), least_log_loss(truth, probabilities))


def least_log_loss(truth: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Return the mean over the classes of their mean log loss, at the temperature (0.2 to 5) where it is lowest."""
    logits = np.log(np.clip(probabilities, 1e-6, 1)).astype(np.float64)

    def loss(temperature: float) -> float:
        losses = -log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth]
        return float(np.mean([losses[truth == label].mean() for label in np.unique(truth)]))

    return float(minimize_scalar(loss, bounds=(0.2, 5), method="bounded").fun)


def main() -> None:
    """Judge each recipe, and print a line a seed and a line in all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, nargs="?", default=ROOT / "data" / "sample", metavar="FOLDER")
    parser.add_argument("recipes", nargs="*", type=named, default=[("default", "")], metavar="RECIPE")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--judged", type=int, help="only the first so many folds, which is quicker")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long a peer may train a net")
    arguments = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as place:
        packed, table = prepare(arguments.photographs, Path(place), arguments.folds)
        print(f"{arguments.photographs.name}: {', '.join(packed.class_names)}")
        for name, changes in arguments.recipes:
            answer = who_answers(name, changes, arguments.seconds)
            start = time.monotonic()
            results = []
            for seed in range(arguments.seeds):
                results.append(judge(answer, packed, table, seed, arguments.judged or arguments.folds))
                print(f"{name:<20} seed {seed}  {_words(results[-1])}", flush=True)
            scores = [result.macro_f1 for result in results]
            seconds = (time.monotonic() - start) / len(results)
            print(
                f"{name:<20} macro F1 {np.mean(scores):.4f} ({min(scores):.4f} to {max(scores):.4f}), "
                f"log loss {np.mean([result.log_loss for result in results]):.4f}, {seconds:.0f} s a seed",
                flush=True,
            )


def _words(result: Result) -> str:
    f1 = " ".join(f"{score:.3f}" for score in result.f1)
    wrong = f"{result.wrong} of {result.of} wrong"
    return f"macro F1 {result.macro_f1:.4f}  {wrong}  log loss {result.log_loss:.4f}  F1 {f1}"


if __name__ == "__main__":
    main()
