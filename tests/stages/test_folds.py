"""Folds, from the split to the served model; killed and going on."""

import json
import shutil
import signal
import subprocess

import numpy as np
import pytest
import warm
from closure import ROOT
from conftest import (
    EVALUATE,
    TRAIN,
    environment,
    files_below,
    make_set,
    run_data_stages,
    run_stage,
    send_what_waits,
    small_params,
    write_params,
)

from pipeline.data.assignment import read_assignment
from pipeline.data.packed import open_packed
from pipeline.serving import _load_pyfunc
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.weights import load


def change(folder, final="ensemble", **train):
    params = small_params()
    params["split"]["folds"] = 3
    params["train"] |= {"epochs": 1, "final": final} | train
    write_params(folder, params)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    make_set(folder / "in", {"crack": 9, "pore": 6, "sound": 5})
    change(folder)
    run_data_stages(folder)
    return folder


@pytest.fixture(scope="module")
def ensemble(prepared, tmp_path_factory):
    """Trained and evaluated, with the folds as an ensemble."""
    folder = tmp_path_factory.mktemp("ensemble") / "work"
    shutil.copytree(prepared, folder)
    for stage in (TRAIN, EVALUATE):
        done = run_stage(*stage, folder=folder)
        assert done.returncode == 0, done.stderr
    return folder


def weights(folder):
    """All that a training leaves but the ids of its runs and how long it took."""
    names = [
        name for name in files_below(folder / "models") if name.endswith((".safetensors", ".json", "lr_history.csv"))
    ]
    return {name: (folder / "models" / name).read_bytes() for name in names if not name.endswith("run.json")}


def runs(folder):
    send_what_waits(folder)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found = client.search_runs(
        [e.experiment_id for e in client.search_experiments()], order_by=["attributes.start_time"]
    )
    return found[0], [run for run in found if run.data.tags.get("mlflow.parentRunId") == found[0].info.run_id]


def test_what_folds_leave(ensemble):
    each = {"model.safetensors", "model.json", "history.csv", "lr_history.csv", "run.json", "outliers.safetensors"}
    names = {f"folds/{fold}/{name}" for fold in range(3) for name in each}
    assert files_below(ensemble / "models") == names | {"history.csv", "lr_history.csv", "run.json"}
    assert not list((ensemble / ".weldproof" / "training").glob("*/"))


def test_every_photograph_is_judged_once_by_a_net_that_has_not_seen_it(ensemble):
    metrics = json.loads((ensemble / "reports" / "metrics.json").read_text())
    assert metrics["folds"] == 3
    assert metrics["test"]["images"] == metrics["val"]["images"] == 20
    assert metrics["test"]["support"] == {"crack": 9, "pore": 6, "sound": 5}
    assert "out of fold" in (ensemble / "reports" / "scores.txt").read_text()
    packed = open_packed(ensemble / "packed")
    table = read_assignment(ensemble / "split" / "assignment.csv", packed)
    rows = (ensemble / "reports" / "predictions.csv").read_text().splitlines()[1:]
    said = {row.split(",")[0]: float(row.split(",")[3]) for row in rows}
    for fold in range(3):
        parts = table.fold_parts(fold)
        assert sorted([*parts.train, *parts.val, *parts.test]) == list(range(20))
        probabilities = class_probabilities(
            predict_logits(load(ensemble / "models" / "folds" / str(fold)), packed.images, parts.test)
        )
        for row, highest in zip(parts.test, probabilities.max(axis=1), strict=True):
            assert said[packed.index[row].path] == pytest.approx(highest, abs=1e-5)


def test_runs_are_nested(ensemble):
    parent, children = runs(ensemble)
    assert parent.info.run_name.endswith("3 folds")
    assert [child.info.run_name for child in children] == ["fold 0", "fold 1", "fold 2"]
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    mean = np.mean([child.data.metrics["val/macro_f1"] for child in children])
    assert parent.data.metrics["val/macro_f1"] == pytest.approx(mean)
    best = np.mean([child.data.metrics["best/val/loss"] for child in children])
    assert parent.data.metrics["best/val/loss"] == pytest.approx(best)
    assert "test/macro_f1" in parent.data.metrics
    card = f"[Data card](#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}/artifacts/reports/data_card.md)"
    assert parent.data.tags["mlflow.note.content"].startswith(card)


def test_served_ensemble_answers_with_the_mean(ensemble):
    packed = open_packed(ensemble / "packed")
    mean = np.mean(
        [
            class_probabilities(predict_logits(load(ensemble / "models" / "folds" / str(k)), packed.images))
            for k in range(3)
        ],
        axis=0,
    )
    np.testing.assert_allclose(_load_pyfunc(str(ensemble / "models")).probabilities(packed.images), mean, atol=1e-6)


def test_one_more_training_on_everything(place):
    change(place, "retrain")
    for stage in (TRAIN, EVALUATE):
        done = run_stage(*stage, folder=place)
        assert done.returncode == 0, done.stderr
    card = json.loads((place / "models" / "model.json").read_text())
    assert card["val_scores"] == {}
    each = [load(place / "models" / "folds" / str(fold)).card.temperature for fold in range(3)]
    assert card["temperature"] == pytest.approx(np.prod(each) ** (1 / 3), abs=1e-3)
    assert len(set(each)) == 3
    parent, children = runs(place)
    assert [child.info.run_name for child in children] == ["fold 0", "fold 1", "fold 2", "on everything"]
    judged = [child.data.metrics["train/loss"] for child in children[:3]]
    assert parent.data.metrics["train/loss"] == pytest.approx(np.mean(judged))
    assert "val/loss" not in children[3].data.metrics
    for said in (parent.data.tags["mlflow.note.content"], (place / "reports" / "scores.txt").read_text()):
        assert "by the net of 3 that had not seen it" in said
        assert "trained alike on all photographs; nothing is left that could judge it" in said
    assert json.loads((place / "reports" / "metrics.json").read_text())["test"]["images"] == 20
    served = _load_pyfunc(str(place / "models"))
    packed = open_packed(place / "packed")
    wanted = class_probabilities(predict_logits(load(place / "models"), packed.images))
    np.testing.assert_allclose(served.probabilities(packed.images), wanted, atol=1e-6)


def test_killed_in_the_second_fold_it_goes_on_to_the_same_weights(ensemble, place):
    command = [warm.python(), ROOT / "src" / "train.py", *TRAIN[1:]]
    with subprocess.Popen(command, cwd=place, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        while not list((place / ".weldproof" / "training").glob("*/0")):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert not (place / "models").exists()
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 0, done.stderr
    assert "train: folds 0" in done.stderr
    assert weights(place) == weights(ensemble)
    parent, children = runs(place)
    assert parent.info.status == "FINISHED"
    assert [child.info.status for child in children] == ["FINISHED"] * 3


def test_folds_of_another_recipe_are_not_used(ensemble, place):
    shutil.copytree(ensemble / "models" / "folds" / "0", place / ".weldproof" / "training" / "0123456789abcdef" / "0")
    change(place, lr=0.01)
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 0, done.stderr
    assert "trained already" not in done.stderr


def test_folds_that_fail(place):
    change(place, lr=1e30)
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: train: wanted 3 folds, found 3 that failed (0, 1, 2)")
    assert not (place / "models").exists()


def test_mistake_in_the_recipe_is_told_once(place):
    change(place, model="resnet19")
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 1
    assert done.stderr.count("resnet19") == 2  # the title, and the error
