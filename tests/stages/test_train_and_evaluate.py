"""train and evaluate as a person runs them, on good and on bad input."""

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import warm
from closure import ROOT
from conftest import (
    EVALUATE,
    REPORT,
    TRAIN,
    assert_one_line_error,
    change_recipe,
    environment,
    files_below,
    make_set,
    run_data_stages,
    run_stage,
    send_what_waits,
    small_params,
    write_params,
)
from safetensors.torch import save_file

from pipeline.data.assignment import read_rows, write_assignment
from pipeline.errors import DataError, ParameterError
from pipeline.evaluation.decisions import POINTS_COLUMNS
from pipeline.files import read_csv


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder in which the data stages have run on three classes, one of them oddly named."""
    folder = tmp_path_factory.mktemp("prepared")
    make_set(folder / "in", {"crack": 8, 'lack of "fusion", 50%\nor less': 6, "sound": 5})
    write_params(folder, small_params())
    run_data_stages(folder)
    return folder


@pytest.fixture(scope="module")
def evaluated(prepared, tmp_path_factory):
    """The same, trained and evaluated."""
    folder = tmp_path_factory.mktemp("evaluated") / "work"
    shutil.copytree(prepared, folder)
    outputs = [run_stage(*stage, folder=folder) for stage in (TRAIN, EVALUATE)]
    assert [done.returncode for done in outputs] == [0, 0], [done.stderr for done in outputs]
    return folder, outputs


def test_what_training_leaves(evaluated):
    folder, (done, _) = evaluated
    assert files_below(folder / "models") == {
        "model.safetensors",
        "model.json",
        "outliers.safetensors",
        "history.csv",
        "lr_history.csv",
        "run.json",
    }
    assert "train: epoch   2/2" in done.stderr
    card = json.loads((folder / "models" / "model.json").read_text())
    assert card["architecture"] == "shufflenet_v2_x0_5"


def test_what_evaluation_leaves(evaluated):
    folder, (_, done) = evaluated
    names = {"confusion", "class_scores", "mistakes", "hits", "learning_curves", "lr_history"}
    names |= {"reliability", "risk_coverage", "operating_points"}
    tables = {"metrics.json", "predictions.csv", "per_class.csv", "scores.txt", "data_card.md", "operating_points.csv"}
    tables |= {"answers.npz"}
    assert files_below(folder / "reports") == tables | {f"{name}.png" for name in names}
    assert "too few to judge" in done.stderr
    assert "\\n" in done.stderr  # the line end in a class's name is shown, not printed
    assert "operating_points" not in json.loads((folder / "reports" / "metrics.json").read_text())["test"]
    assert len((folder / "reports" / "operating_points.csv").read_text().splitlines()) == 1


def evaluate_again(evaluated, tmp_path, **changes):
    """As if all of the test part were of one group."""
    folder = tmp_path / "work"
    shutil.copytree(evaluated[0], folder)
    table = folder / "split" / "assignment.csv"
    write_assignment(table, [r._replace(group="one") if r.part == "test" else r for r in read_rows(table)])
    params = small_params()
    params["evaluate"] |= changes
    write_params(folder, params)
    return folder, run_stage(*EVALUATE, folder=folder)


def test_operating_points_and_costs(evaluated, tmp_path):
    folder, done = evaluate_again(evaluated, tmp_path, sound_class="sound", costs={"crack": {"sound": 20.0}})
    assert done.returncode == 0, done.stderr
    test = json.loads((folder / "reports" / "metrics.json").read_text())["test"]
    assert test["calibration"]["log_loss_low"] <= test["calibration"]["log_loss"]
    assert set(test["operating_points"]) == {"false_alarm_rate", "miss_rate", "likeliest_class"}
    assert test["cost"]["least"] >= 0
    assert "to promise 1% takes 99" in done.stderr
    assert test["groups"] == 1
    assert f"{test['images']} photographs in 1 group. " in done.stderr
    assert test["macro_average_precision_low"] < test["macro_average_precision"]
    assert test["support_groups"]["crack"] == 1
    points = read_csv(folder / "reports" / "operating_points.csv", POINTS_COLUMNS)
    assert [row["point"] for row in points] == ["false_alarm_rate", "miss_rate", "likeliest_class"]
    assert "of least expected cost" in (folder / "reports" / "scores.txt").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sound_class": "sond"}, "evaluate.sound_class: wanted null or one of the classes crack, "),
        ({"costs": {"crack": {"sond": 2.0}}}, "evaluate.costs: wanted names of classes (crack, "),
        ({"costs": {"crack": {"crack": 2.0}}}, "evaluate.costs.crack.crack: wanted 0 for a right answer, found 2"),
    ],
)
def test_mistakes_in_how_to_evaluate(evaluated, tmp_path, changes, words):
    folder, done = evaluate_again(evaluated, tmp_path, **changes)
    assert_one_line_error(done, words)
    assert half_written(folder) == []


def test_evaluation_leaves_other_reports_alone(evaluated, tmp_path):
    folder = tmp_path / "work"
    shutil.copytree(evaluated[0], folder)
    (folder / "reports" / "theirs.html").write_text("theirs")
    assert run_stage(*EVALUATE, folder=folder).returncode == 0
    assert (folder / "reports" / "theirs.html").read_text() == "theirs"


def half_written(place):
    """Return what a stage left cut short. The tracker's store may still be in the making, by the process that sends."""
    return [path.name for path in place.glob(".*.partial") if path.name != ".mlflow.db.partial"]


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"model": "resnet19"}, ["train.model", "resnet19", "resnet18"]),
        ({"device": "cuda:7"}, ["train.device: wanted cuda:7, found"]),
        ({"device": "gpu"}, ["params.yaml: train.device: wanted auto, cpu, cuda or cuda:N, found 'gpu'"]),
        ({"weights": "nowhere.pt"}, ["nowhere.pt"]),
        ({"resolution": 64}, ["train.resolution", "32", "64"]),
        ({"epochs": 0}, ["params.yaml: train.epochs: wanted a whole number >= 1, found 0"]),
        ({"schedule": "steps"}, ["params.yaml: train: wanted lr_steps"]),
        ({"augment": {"rotate": 3}}, ["params.yaml: train.augment.rotate: wanted no such key (perhaps `rotation`?)"]),
        ({"lr": 1e30}, ["wanted a finite", "lr 1e+30"]),
    ],
)
def test_mistakes_in_the_recipe(place, train, words):
    change_recipe(place, **train)
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (place / "models").exists()
    assert half_written(place) == []


def test_weights_file_of_another_shape(place):
    save_file({"conv1.0.weight": torch.zeros(5, 5)}, place / "other.safetensors")
    change_recipe(place, weights="other.safetensors")
    assert_one_line_error(run_stage(*TRAIN, folder=place), "other.safetensors", "wanted")


def test_weights_file_that_is_none(place):
    (place / "text.safetensors").write_text("no weights")
    change_recipe(place, weights="text.safetensors")
    assert_one_line_error(run_stage(*TRAIN, folder=place), "text.safetensors")


def test_training_from_ones_own_weights(evaluated, place):
    shutil.copy(evaluated[0] / "models" / "model.safetensors", place / "mine.safetensors")
    change_recipe(place, weights="mine.safetensors")
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 0, done.stderr


def test_assignment_of_another_set(place):
    table = (place / "split" / "assignment.csv").read_text().replace("crack/000.png", "crack/999.png")
    (place / "split" / "assignment.csv").write_text(table)
    assert_one_line_error(run_stage(*TRAIN, folder=place), "assignment.csv", "run split again")


def test_net_for_other_classes(evaluated, tmp_path):
    folder = tmp_path / "work"
    shutil.copytree(evaluated[0], folder)
    card = json.loads((folder / "models" / "model.json").read_text())
    card["class_names"][0] = "something else"
    (folder / "models" / "model.json").write_text(json.dumps(card))
    assert_one_line_error(run_stage(*EVALUATE, folder=folder), "something else")


def test_missing_models(place):
    assert_one_line_error(run_stage(*EVALUATE, folder=place), "models", "found nothing")


def test_interrupt_ends_the_run_as_killed_and_leaves_nothing(place):
    change_recipe(place, epochs=500)
    command = [warm.python(), ROOT / "src" / "train.py", *TRAIN[1:]]
    lines = []
    with subprocess.Popen(command, cwd=place, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            lines.append(line)
            if "epoch   2/500" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 1
    assert lines[-1] == "error: interrupted; nothing half-written is left behind\n", lines
    assert not (place / "models").exists()
    assert half_written(place) == []
    send_what_waits(place)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert run.info.status == "KILLED"


def test_interrupt_while_slow_packages_load(place):
    command = [sys.executable, "-X", "importtime", ROOT / "src" / "train.py", *TRAIN[1:]]
    with subprocess.Popen(command, cwd=place, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.endswith(" numpy\n"):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 1
    assert lines[-1] == "error: interrupted; nothing half-written is left behind\n", lines[-5:]


def test_original_recipe_is_expressed_in_parameters(place):
    """Whole set as one batch, plain SGD at 0.001, raw grey levels, the rate moved by hand (on a smaller net)."""
    change_recipe(
        place,
        normalization="none",
        batch_size="all",
        micro_batch_size=4,
        optimizer="sgd",
        momentum=0.0,
        weight_decay=0.0,
        ema_decay=0.0,
        label_smoothing=0.0,
        balance="none",
        lr=0.001,
        schedule="steps",
        lr_steps={2: 0.1, 3: 10.0},
        epochs=3,
        augment=dict.fromkeys(small_params()["train"]["augment"], 0)
        | {"flip_horizontal": False, "flip_vertical": False},
    )
    done = run_stage(*TRAIN, folder=place)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in (place / "models" / "lr_history.csv").read_text().splitlines()]
    assert [(row[0], row[4]) for row in rows[1:]] == [("1", "start"), ("2", "step"), ("3", "step")]
    np.testing.assert_allclose([float(row[2]) for row in rows[1:]], [1e-3, 1e-4, 1e-3])


def test_start_is_quick_to_fail(workplace):
    """A mistake in the parameters is told before anything slow is done."""
    params = small_params()
    params["train"]["epochs"] = -1
    write_params(workplace, params)
    start = time.monotonic()
    assert_one_line_error(run_stage(*TRAIN, folder=workplace), "train.epochs")
    assert time.monotonic() - start < 60


@pytest.fixture(scope="module")
def reported(evaluated, tmp_path_factory):
    """A copy of the evaluated folder, with the report; and what that said."""
    folder = tmp_path_factory.mktemp("reported") / "work"
    shutil.copytree(evaluated[0], folder)
    done = run_stage(*REPORT, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_report_on_a_training(reported):
    folder, done = reported
    page = (folder / "reports" / "report.html").read_text(encoding="utf-8")
    assert "report: reports/report.html, 0." in done.stderr
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())["test"]
    assert f"Of {metrics['images']} photographs that it had not seen" in page
    assert f"{metrics['macro_f1']:.2f} ({metrics['macro_f1_low']:.2f} to {metrics['macro_f1_high']:.2f})" in page
    assert "lack of &#34;fusion&#34;, 50%\\nor less" in page
    assert json.loads((folder / "models" / "run.json").read_text())["run_id"] in page


def test_report_is_in_the_run(reported, tmp_path):
    from mlflow import MlflowClient

    folder, _ = reported
    send_what_waits(folder)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("weldproof").experiment_id])
    logged = Path(client.download_artifacts(run.info.run_id, "reports/report.html", str(tmp_path)))
    assert logged.read_bytes() == (folder / "reports" / "report.html").read_bytes()
    assert f"runs/{run.info.run_id}/artifacts/reports/report.html)" in run.data.tags["mlflow.note.content"]


@pytest.fixture
def without_page(evaluated, tmp_path, monkeypatch):
    """A copy of the evaluated folder, as the current one."""
    shutil.copytree(evaluated[0], tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


def main_of_report():
    spec = importlib.util.spec_from_file_location("report_script", ROOT / "src" / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def make_page(folder):
    main_of_report()(*(folder / word for word in REPORT[1:]))


def no_page(folder):
    return sorted(path.name for path in (folder / "reports").iterdir() if "report.html" in path.name) == []


def test_report_without_answers(without_page):
    (without_page / "reports" / "answers.npz").unlink()
    with pytest.raises(DataError, match=r"^[^\n]*answers.npz: wanted the answers that evaluate writes, found nothing$"):
        make_page(without_page)
    assert no_page(without_page)


@pytest.mark.parametrize("content", [b"", b"not what evaluate wrote"])
def test_report_on_answers_that_are_none(without_page, content):
    (without_page / "reports" / "answers.npz").write_bytes(content)
    with pytest.raises(DataError, match="run evaluate again"):
        make_page(without_page)
    assert no_page(without_page)


def test_report_on_answers_for_another_split(without_page):
    table = without_page / "split" / "assignment.csv"
    table.write_text(table.read_text().replace(",sound,", ",other,"))
    with pytest.raises(DataError, match=r"answers.npz: wanted answers for these photographs, found other classes; run"):
        make_page(without_page)
    assert no_page(without_page)


@pytest.mark.parametrize(("photographs", "found"), [(0, "found 0"), (101, "found 101"), ("all", "found 'all'")])
def test_mistakes_in_how_to_report(without_page, photographs, found):
    params = small_params()
    params["report"]["photographs"] = photographs
    write_params(without_page, params)
    with pytest.raises(ParameterError, match=f"report.photographs: wanted a whole number >= 1 and <= 100, {found}"):
        make_page(without_page)
    assert no_page(without_page)
