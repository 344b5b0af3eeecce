"""A real MLflow server: `MLFLOW_TRACKING_URI` is all that it takes."""

import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from checkout import Project, processes, runs_of
from conftest import environment, send_what_waits
from servers import MlflowServer, free_port, wait_for


@pytest.fixture
def start_mlflow(tmp_path):
    """A function that starts an MLflow command on a free port and returns its address."""
    with processes() as start:

        def serve(*command, folder):
            port = free_port()
            log = tmp_path / f"{port}.log"
            with log.open("w") as file:
                process = start(
                    [Path(sys.executable).with_name("mlflow"), *command, "--host", "127.0.0.1", "--port", str(port)],
                    cwd=folder,
                    env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/health", process, log)
            return address

        yield serve


@pytest.fixture
def trained(project, tmp_path):
    """A copy of the checkout, cache included, whose stages have run: only train and evaluate are asked to run again."""
    folder = tmp_path / "copy"
    shutil.copytree(project.folder, folder, symlinks=True)
    return Project(folder)


def test_run_goes_to_a_server_unchanged(trained, start_mlflow, tmp_path):
    from mlflow import MlflowClient

    store = tmp_path / "server"
    store.mkdir()
    address = start_mlflow(
        "server", "--workers", "1", "--backend-store-uri", f"sqlite:///{store / 'store.db'}",
        "--artifacts-destination", (store / "artifacts").as_uri(), folder=store,
    )  # fmt: skip
    before = rows_in(trained.folder / "mlflow.db")
    trained.environment["MLFLOW_TRACKING_URI"] = address
    assert trained.stages_run(trained.dvc("repro", "--force", "--single-item", "train")) == ["train"]
    assert trained.stages_run(trained.dvc("repro")) == ["evaluate", "report"]
    client = MlflowClient(address)
    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    assert "test/macro_f1/low" in run.data.metrics
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"reports", "training"}
    assert len(client.search_model_versions("name = 'weldproof'")) == 1
    assert rows_in(trained.folder / "mlflow.db") == before


def rows_in(database):
    with sqlite3.connect(database) as connection:
        return connection.execute("select count(*) from runs").fetchone()


def test_run_that_the_store_does_not_have_is_mirrored_from_the_files(trained):
    """After `dvc pull` on another machine, evaluate finds no run: the files have all that it needs."""
    for name in ("mlflow.db", "mlartifacts"):
        path = trained.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    from checkout import client_of

    for _ in range(2):
        trained.dvc("repro", "--force", "--single-item", "evaluate")
    client = client_of(trained)
    (run,) = runs_of(client)
    assert run.data.tags["trained_as"]
    assert "train.lr" in run.data.params
    assert len(run.inputs.dataset_inputs) == 1
    assert len(client.search_model_versions("name = 'weldproof'")) == 1
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2]
    assert "test/macro_f1" in run.data.metrics


def test_evaluating_again_logs_nothing_twice(trained):
    from checkout import client_of

    client = client_of(trained)
    run_id = runs_of(client)[0].info.run_id
    trained.dvc("repro", "--force", "--single-item", "evaluate")
    for name in ("test/macro_f1", "val/loss", "lr"):
        points = client.get_metric_history(run_id, name)
        assert len({point.step for point in points}) == len(points), name
    assert len(client.search_model_versions(f"name = 'weldproof' and run_id = '{run_id}'")) == 1


def test_repro_with_a_server_that_is_down_and_all_of_it_sent_later(trained, tmp_path):
    from mlflow import MlflowClient

    server = MlflowServer(tmp_path)
    trained.environment["MLFLOW_TRACKING_URI"] = server.address
    output = trained.dvc("repro", "--force", "--single-item", "train") + trained.dvc("repro")
    assert trained.stages_run(output) == ["train", "evaluate", "report"]
    assert output.count("python -m pipeline sync") == 3
    done = trained.run("python", "-m", "pipeline", "sync", check=False)
    assert "error: MLflow at http://127.0.0.1:" in done
    assert "Traceback" not in done
    # What is sent is what was evaluated, whatever became of it meanwhile.
    shutil.rmtree(trained.folder / "models")
    shutil.rmtree(trained.folder / "reports")
    server.start()
    try:
        assert "nothing waits" in trained.run("python", "-m", "pipeline", "sync")
        client = MlflowClient(server.address)
        (run,) = runs_of(client)
        assert run.info.status == "FINISHED"
        assert "test/macro_f1/low" in run.data.metrics
        assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2]
        assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"reports", "training"}
        assert len(client.search_model_versions("name = 'weldproof'")) == 1
        assert any((tmp_path / "artifacts").rglob("model.safetensors"))
    finally:
        server.kill()
    assert not list((trained.folder / ".weldproof" / "tracking").glob("[0-9]*-*"))


def test_plain_mlflow_ui_in_the_project_shows_the_runs(project, start_mlflow):
    from mlflow import MlflowClient

    address = start_mlflow("ui", folder=project.folder)
    client = MlflowClient(address)
    run = runs_of(client)[0]
    assert "test/macro_f1" in run.data.metrics
    picture = f"{address}/get-artifact?path=reports/confusion.png&run_uuid={run.info.run_id}"
    with urllib.request.urlopen(picture, timeout=30) as answer:
        assert answer.read(8) == b"\x89PNG\r\n\x1a\n"


def test_trainings_at_once_on_one_fresh_store(project, tmp_path):
    """Several processes that meet a store that does not exist yet: none fails, none is lost."""
    code = "from pipeline.tracking import training_run\nwith training_run('x') as run: run.log_metrics({'a': 1.0}, 1)"
    count = 6
    with processes() as start:
        runs = [
            start([sys.executable, "-c", code], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        for run in runs:
            _, errors = run.communicate(timeout=300)
            assert run.returncode == 0, errors
    send_what_waits(tmp_path)
    assert rows_in(tmp_path / "mlflow.db") == (count,)
    assert not (tmp_path / "mlruns").exists()
