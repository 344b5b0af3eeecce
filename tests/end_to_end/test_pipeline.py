"""The whole line: photographs in, a tracked and versioned classifier out."""

import base64
import csv
import hashlib
import json
import pickletools
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import SAMPLE_COUNTS, Project, client_of, runs_of
from conftest import files_below
from ruamel.yaml import YAML

ALL_STAGES = ["sample", "resize", "pack_npy", "group", "split", "train", "evaluate", "report"]


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def client(project):
    return client_of(project)


@pytest.fixture(scope="module")
def tracked(client):
    return runs_of(client)[0]


def test_first_repro_runs_every_stage_and_the_second_none(project):
    assert project.stages_run(project.first_output) == ALL_STAGES
    output = project.dvc("repro")
    assert project.stages_run(output) == []
    assert "Data and pipelines are up to date." in output


def test_dvc_has_no_complaint(project):
    assert "WARNING" not in project.first_output
    assert "Data and pipelines are up to date." in project.dvc("status", "dvc.yaml")


def test_git_sees_only_what_belongs_into_it(project):
    assert project.run("git", "status", "--porcelain") == ""
    names = project.run("git", "ls-files", "data", "models", "reports").split()
    assert names == ["data/groups.csv", "data/split/assignment.csv", "data/split/shares.json"]


def test_metrics_and_tables(project):
    metrics = json.loads((project.folder / "reports" / "metrics.json").read_text())
    test = metrics["test"]
    assert test["images"] == sum(test["support"].values()) == 8
    assert test["macro_f1_low"] <= test["macro_f1"] <= test["macro_f1_high"]
    assert set(test["f1"]) == set(SAMPLE_COUNTS)
    assert len(table(project.folder / "reports" / "predictions.csv")) == 8
    history = table(project.folder / "models" / "history.csv")
    changes = table(project.folder / "models" / "lr_history.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert set(changes[0]) == {"epoch", "step", "lr", "factor", "why", "move", "loss"}
    assert changes[0]["why"] == "start"


def test_run_has_the_histories(client, tracked):
    assert tracked.info.status == "FINISHED"
    for name in ("lr", "train/loss", "val/loss", "val/macro_f1", "val/f1/crack"):
        assert [metric.step for metric in client.get_metric_history(tracked.info.run_id, name)] == [1, 2], name


def test_run_has_the_scores_with_their_intervals(project, tracked):
    test = json.loads((project.folder / "reports" / "metrics.json").read_text())["test"]
    metrics = tracked.data.metrics
    assert metrics["test/macro_f1"] == pytest.approx(test["macro_f1"], abs=1e-6)
    assert metrics["test/macro_f1/low"] <= metrics["test/macro_f1"] <= metrics["test/macro_f1/high"]
    assert metrics["test/f1/crack"] == pytest.approx(test["f1"]["crack"], abs=1e-6)
    assert {"test/f1/crack/low", "test/f1/crack/high", "test/precision/crack", "test/recall/crack"} <= set(metrics)


def test_run_has_all_parameters_tags_and_the_data_set(project, tracked):
    params = YAML(typ="safe").load((project.folder / "params.yaml").read_text())
    assert tracked.data.params["train.lr"] == str(params["train"]["lr"])
    assert tracked.data.params["train.augment.rotation"] == str(params["train"]["augment"]["rotation"])
    assert {"split.seed", "resize.size", "data.folder"} <= set(tracked.data.params)
    lock = YAML(typ="safe").load((project.folder / "dvc.lock").read_text())
    hashes = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    tags = tracked.data.tags
    assert tags["dvc.packed"] == hashes["data/packed/images.npy"]
    assert tags["dvc.split"] == hashes["data/split/assignment.csv"]
    assert tags["device"] == "cpu"
    assert tags["mlflow.source.name"] == "src/train.py"
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert "Macro F1" in tags["mlflow.note.content"]
    (data_set,) = tracked.inputs.dataset_inputs
    assert data_set.dataset.name == "data/sample"
    assert data_set.dataset.digest == hashes["data/packed/images.npy"]


def test_run_has_pictures_tables_and_a_registered_model(client, tracked):
    run_id = tracked.info.run_id
    reports = {file.path for file in client.list_artifacts(run_id, "reports")}
    assert {"reports/confusion.png", "reports/mistakes.png", "reports/lr_history.png"} <= reports
    assert {"reports/metrics.json", "reports/report.html"} <= reports
    training = {file.path for file in client.list_artifacts(run_id, "training")}
    assert training == {"training/history.csv", "training/lr_history.csv"}
    (version,) = client.search_model_versions(f"name = 'weldproof' and run_id = '{run_id}'")
    assert version.version == 1
    assert version.tags["verdict.why"].startswith("The first")
    assert version.tags["dvc.packed"] == tracked.data.tags["dvc.packed"]
    assert version.tags["test/macro_f1/low"] == f"{tracked.data.metrics['test/macro_f1/low']:.4f}"
    assert "| Macro F1" in version.description
    assert client.get_model_version_by_alias("weldproof", "champion").version == 1


def test_served_model_answers_as_evaluate_did(project, client):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{project.folder / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model("models:/weldproof/1")
    predictions = table(project.folder / "reports" / "predictions.csv")
    files = [(project.folder / "data" / "sample" / row["path"]).read_bytes() for row in predictions]
    texts = [base64.b64encode(file).decode() for file in files]
    for given in (files, texts, pd.DataFrame({"image": files}), pd.DataFrame({"image": texts})):
        answers = model.predict(given)
        assert answers["class"].tolist() == [row["predicted"] for row in predictions]
        wanted = [float(row["probability"]) for row in predictions]
        np.testing.assert_allclose(answers["probability"], wanted, atol=2e-6)
    columns = [f"probability of {name}" for name in sorted(SAMPLE_COUNTS)]
    np.testing.assert_allclose(answers[columns].sum(axis=1), 1, atol=1e-5)


def test_nothing_is_pickled(project):
    for path in files_below(project.folder / "mlartifacts") | files_below(project.folder / "models"):
        assert not path.endswith((".pkl", ".pickle", ".pt", ".pth"))
    for folder in ("mlartifacts", "models", "data/packed"):
        for path in (project.folder / folder).rglob("*"):
            if path.suffix == ".npz":  # an archive, of arrays alone
                with np.load(path, allow_pickle=False) as arrays:
                    assert all(arrays[name].dtype != object for name in arrays)
            elif path.is_file() and path.suffix not in (".py", ".pyc"):
                assert not zipfile.is_zipfile(path)
                assert not is_pickle(path)


def is_pickle(path: Path):
    data = path.read_bytes()
    if not data.startswith(b"\x80"):
        return False
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except ValueError:
        return False


def test_summary_says_where_everything_is(project):
    text = project.run("python", "-m", "pipeline", "summary")
    assert "Macro F1" in text
    assert "mlflow" in text
    assert all(name in text for name in SAMPLE_COUNTS)


def test_same_seed_same_weights(project):
    """Same inputs, parameters and CPU threads: same bytes."""
    digest = hashlib.sha256((project.folder / "models" / "model.safetensors").read_bytes()).hexdigest()
    # As dvc runs it: the code of the checkout, whatever is installed.
    project.run("env", "PYTHONPATH=.", "python", "src/train.py", "data/packed", "data/split/assignment.csv", "again")
    assert hashlib.sha256((project.folder / "again" / "model.safetensors").read_bytes()).hexdigest() == digest
    project.run("rm", "-r", "again")


def test_push_and_pull_into_a_fresh_clone(project, tmp_path):
    remote, clone = tmp_path / "remote", tmp_path / "the clone"
    project.dvc("remote", "add", "--local", "--force", "-d", "store", str(remote))
    project.dvc("push")
    project.run("git", "clone", "-q", project.folder, clone)
    fresh = Project(clone)
    fresh.dvc("remote", "add", "--local", "-d", "store", str(remote))
    fresh.dvc("pull")
    assert fresh.stages_run(fresh.dvc("repro")) == []
    for folder in ("data/packed", "models", "reports"):
        assert files_below(clone / folder) == files_below(project.folder / folder)


def test_plots_are_drawn(project):
    project.dvc("plots", "show", "-o", "dvc_plots")
    page = (project.folder / "dvc_plots" / "index.html").read_text()
    for title in ("Confusion on test", "Learning rate", "Macro F1 on val", "Loss"):
        assert title in page
