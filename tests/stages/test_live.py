"""A training that is killed, and one that is steered from another terminal, as a person does both."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import psutil
import pytest
import warm
from closure import ROOT
from conftest import (
    EVALUATE,
    TRAIN,
    assert_one_line_error,
    change_recipe,
    environment,
    make_set,
    run_data_stages,
    run_stage,
    send_what_waits,
    small_params,
    weldproof,
    write_params,
)
from mlflow import MlflowClient
from ruamel.yaml import YAML

from pipeline.data.packed import open_packed
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.weights import load

MODEL = "models/model.safetensors"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    make_set(folder / "in", {"crack": 8, "pore": 6, "sound": 5})
    write_params(folder, small_params())
    run_data_stages(folder)
    (folder / "dvc.yaml").write_text("stages: {}\n")  # by which `weldproof` knows a project
    return folder


@contextmanager
def training(folder):
    """Start train.py, and kill it at the end if it still runs."""
    command = [warm.python(), ROOT / "src" / "train.py", *TRAIN[1:]]
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lr(*arguments, folder):
    return weldproof("lr", *arguments, folder=folder)


def wait_for(words, process):
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"never said: {words}")


def only_run(folder):
    send_what_waits(folder)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return client, run


def test_killed_at_random_moments_it_ends_with_the_same_weights(place):
    change_recipe(place, epochs=30)
    whole = place.with_name("whole")
    shutil.copytree(place, whole)
    done = run_stage(*TRAIN, folder=whole)
    assert done.returncode == 0, done.stderr
    for seed in range(3):
        with training(place) as process:
            wait_for("epoch", process)
            time.sleep(random.Random(seed).uniform(0, 1.5))
            process.send_signal(signal.SIGKILL)
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 0, done.stderr
    assert "goes on after epoch" in done.stderr
    assert (place / MODEL).read_bytes() == (whole / MODEL).read_bytes()
    assert not list((place / ".weldproof" / "training").glob("*/"))
    client, run = only_run(place)
    assert run.info.status == "FINISHED"
    for metric in ("train/loss", "val/macro_f1", "lr"):
        steps = Counter(each.step for each in client.get_metric_history(run.info.run_id, metric))
        assert steps == Counter(range(1, 31))


def test_steered_from_another_terminal_and_kept(place):
    change_recipe(place, epochs=500)
    with training(place) as process:
        wait_for("epoch   1/500", process)
        shown = lr("--show", folder=place)
        assert "shufflenet_v2_x0_5" in shown.stdout
        assert "of 500" in shown.stdout
        asked = lr("--times", "0.1", folder=place)
        assert asked.returncode == 0, asked.stderr
        assert "times 0.1, with the next epoch" in asked.stdout
        wait_for("e-05 by hand", process)
        process.send_signal(signal.SIGKILL)
    with training(place) as process:
        wait_for("goes on", process)
        assert lr("--set", "3e-4", folder=place).returncode == 0
        wait_for("lr 3.00e-04 by hand", process)
        assert lr("--stop", folder=place).returncode == 0
        process.communicate(timeout=120)
        assert process.returncode == 0
    rows = [line.split(",") for line in (place / "models" / "lr_history.csv").read_text().splitlines()]
    by_hand = [(row[5], float(row[6]) > 0) for row in rows if row[4] == "by hand"]
    assert by_hand == [("0.1", True), ("set 0.0003", True), ("stop", True)]
    _, run = only_run(place)
    assert run.info.status == "FINISHED"
    assert run.data.tags["hand_tuned"] == "true"
    assert "0.1 (loss " in run.data.tags["lr.by_hand"]
    assert "stop (loss " in run.data.tags["lr.by_hand"]

    kept = lr("keep", folder=place)
    assert kept.returncode == 0, kept.stderr
    steps = YAML(typ="safe").load((place / "params.yaml").read_text())["train"]["lr_steps"]
    assert list(steps.values()) == [0.1, "set 0.0003", "stop"]
    assert only_run(place)[1].data.tags["hand_tuned"] == "kept"
    tuned = (place / MODEL).read_bytes()
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 0, done.stderr
    assert (place / MODEL).read_bytes() == tuned
    assert_one_line_error(lr("keep", folder=place), "lr_history.csv", "found none")


def test_net_on_everything_follows_the_hand(place):
    """Without folds, one net is judged and may be steered; the one that is trained on everything does the same."""
    change_recipe(place, epochs=500, final="retrain")
    with training(place) as process:
        wait_for("epoch   1/500", process)
        assert lr("--set", "3e-4", "--stop", folder=place).returncode == 2  # one thing at a time
        assert lr("--set", "3e-4", folder=place).returncode == 0
        wait_for("lr 3.00e-04 by hand", process)
        assert lr("--stop", folder=place).returncode == 0
        wait_for("one more net, on all 19 photographs", process)
        assert_one_line_error(lr("--times", "0.1", folder=place), "it follows the net that is judged")
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    models = place / "models"
    histories = [(folder / "lr_history.csv").read_text() for folder in (models, models / "folds" / "0")]
    assert histories[0] == histories[1]
    assert histories[0].count("by hand") == 2
    final, judged = (json.loads((folder / "model.json").read_text()) for folder in (models, models / "folds" / "0"))
    assert final["val_scores"] == {}
    assert judged["val_scores"]["loss"] > 0
    assert final["temperature"] == judged["temperature"] != 1
    assert final["epoch"] == len((models / "history.csv").read_text().splitlines()) - 1 >= judged["epoch"]
    tuned = (place / MODEL).read_bytes()
    assert lr("keep", folder=place).returncode == 0
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 0, done.stderr
    assert (place / MODEL).read_bytes() == tuned
    done = run_stage(*EVALUATE, folder=place)
    assert done.returncode == 0, done.stderr
    assert "one more net" in (place / "reports" / "scores.txt").read_text()
    send_what_waits(place)
    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    names = Counter(run.info.run_name for run in found)
    assert names["on everything"] == 2
    for run in found:
        both = {"val/loss", "test/macro_f1"}
        assert both.isdisjoint(run.data.metrics) or run.info.run_name != "on everything"
    wanted = predict_logits(load(models / "folds" / "0"), (packed := open_packed(place / "packed")).images)
    said = (place / "reports" / "predictions.csv").read_text().splitlines()[1:]
    rows = {entry.path: row for row, entry in enumerate(packed.index)}
    for line in said:
        path, _, _, confidence = line.split(",")[:4]
        highest = class_probabilities(wanted)[rows[path]].max()
        assert float(confidence) == pytest.approx(highest, abs=1e-5)


def test_nothing_to_steer(place):
    assert lr(folder=place).stdout == "nothing is in training\n"
    assert_one_line_error(lr("--times", "0.1", folder=place), "wanted one training in progress, found none")
    assert_one_line_error(lr("--times", "0", folder=place), "wanted a number above 0, found 0")
    assert_one_line_error(lr("keep", folder=place), "lr_history.csv")


def test_range_test(place):
    (place / "data").mkdir()
    for name in ("packed", "split"):
        shutil.move(place / name, place / "data" / name)
    done = lr("find", folder=place)
    assert done.returncode == 0, done.stderr
    assert "would be a start" in done.stdout
    assert (place / "lr_range.png").read_bytes().startswith(b"\x89PNG")


def test_folds_are_not_steered(place):
    """They must all be trained alike."""
    params = small_params()
    params["split"]["folds"] = 3
    params["train"]["epochs"] = 500
    write_params(place, params)
    shutil.rmtree(place / "split")
    run_data_stages(place)
    with training(place) as process:
        wait_for("epoch   1/500", process)
        assert_one_line_error(lr("--times", "0.1", folder=place), "found folds")
        (status,) = (place / ".weldproof" / "training").glob("*/nets/0/status.json")
        assert json.loads(status.read_text())["steered"] is False


def test_two_ranks_lose_one_and_go_on(place):
    """As on two GPUs: rank 0 alone writes and tracks; where one is lost all end, and the same command goes on."""
    change_recipe(place, epochs=15, threads=1)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launcher, ROOT / "src" / "train.py", *TRAIN[1:]]
    with subprocess.Popen(
        command, cwd=place, env=environment(PYTHON_EXEC=warm.python()), stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for("epoch   3/15", process)
        ranks = [each for each in psutil.Process(process.pid).children() if "train.py" in " ".join(each.cmdline())]
        assert len(ranks) == 2
        ranks[1].kill()
        process.communicate(timeout=120)
    assert process.returncode
    assert not (place / "models").exists()
    done = subprocess.run(
        command,
        cwd=place,
        env=environment(PYTHON_EXEC=warm.python()),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "goes on after epoch" in done.stderr
    assert len((place / "models" / "history.csv").read_text().splitlines()) == 16
    client, run = only_run(place)
    assert run.data.tags["ranks"] == "2"
    steps = Counter(each.step for each in client.get_metric_history(run.info.run_id, "val/loss"))
    assert steps == Counter(range(1, 16))
