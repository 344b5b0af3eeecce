"""What a stage tells the tracker, and what the default store, a database file, then has of it."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from functools import partial

import pytest
from conftest import environment
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import TrackingError
from pipeline.tracking import flatten, metric_name, run_of_training, training_run
from pipeline.tracking.journal import waiting
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.places import configured_address, shown_address, tracking_folder, tracking_uri
from pipeline.tracking.sender import beside, sync
from pipeline.tracking.store import IDENTITY, Store


@pytest.fixture
def place(tmp_path, monkeypatch, empty_store):
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, tmp_path)
    for name in ("MLFLOW_EXPERIMENT_NAME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    # Not relative, as it is by itself: MLflow keeps a store open by its address, and each test has another folder.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    # What is recorded is sent by hand: no process beside each, which takes a second to start.
    monkeypatch.setattr("pipeline.tracking.beside", lambda patient=False: nullcontext())
    return tmp_path


def sent(run):
    """Send all; return the run as the store has it."""
    sync(None, print)
    assert not waiting(tracking_folder())
    client = Store(tracking_uri()).client
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (found,) = client.search_runs(experiments, f"tags.{IDENTITY} = '{run.run_id}'")
    return found


def steps(name):
    """The steps of a metric in the order in which the store got them."""
    with sqlite3.connect("mlflow.db") as connection:
        return [step for (step,) in connection.execute("select step from metrics where key = ? order by rowid", [name])]


@given(st.lists(st.text(max_size=300) | st.text("ab/.", max_size=8), unique=True, max_size=5))
def test_metric_names_are_legal_and_distinct(names):
    from mlflow.utils.validation import validate_param_and_metric_name

    clean = [metric_name(name) for name in names]
    assert len(set(clean)) == len(names)
    assert all(len(name) <= 250 and (not name or validate_param_and_metric_name(name)) for name in clean)


@pytest.mark.parametrize("name", ["val/f1/crack", "lr", "val/f1/Riß in Naht", "val/f1/溶接"])
def test_ordinary_names_stay(name):
    assert metric_name(name) == name


def test_flatten():
    assert dict(flatten({"a": {"b": 1, "c": {"d": None}}, "e": [1], "f": {}})) == {
        "a.b": 1,
        "a.c.d": None,
        "e": [1],
        "f": {},
    }


def test_default_store_is_in_the_main_checkout(place, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri() == "sqlite:///mlflow.db"
    monkeypatch.setenv("DVC_ROOT", "/elsewhere/main")
    assert tracking_uri() == "sqlite:////elsewhere/main/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    assert tracking_uri() == "sqlite:////elsewhere/main/mine.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri() == "http://127.0.0.1:5000"


def test_password_is_not_shown():
    assert shown_address("https://me:secret@host/path@x") == "https://host/path@x"


@pytest.mark.parametrize(
    ("error", "status"), [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_run_ends_as_its_block_does(place, error, status):
    def block():
        with training_run("a name") as run:
            run.log_metrics({"train/loss": 1.0}, step=1)
            block.run = run
            if error:
                raise error

    if error:
        with pytest.raises(error):
            block()
    else:
        block()
    info = sent(block.run).info
    assert (info.status, info.run_name) == (status, "a name")


def test_odd_names_are_logged(place):
    names = ['a"b', "a'b", "new\nline", "100%", "c" * 255, "a#b", "no text \udcff"]
    with training_run("odd") as run:
        run.log_metrics({f"val/f1/{name}": number for number, name in enumerate(names)}, step=1)
        run.log_params({"folder": "no text \udcff", "long": "x" * 9000})
        run.set_tags({f"evaluate.costs.{name}.{name}": number for number, name in enumerate([*names, "a//b", "ü (x)"])})
    found = sent(run)
    assert sorted(int(value) for key, value in found.data.tags.items() if key.startswith("evaluate.costs")) == list(
        range(9)
    )
    assert sorted(found.data.metrics.values()) == list(range(len(names)))
    assert found.data.params["folder"] == "no text ?"


def test_what_is_given_twice_is_recorded_once_and_later_only_what_is_missing(place):
    with training_run("x") as run:
        for value in (3.0, 9.0):
            run.log_metrics({"train/loss": value, "lr": 0.1}, step=1)
    (place / "run.json").write_text(f'{{"run_id": "{run.run_id}"}}')
    for _ in range(2):
        with run_of_training(place) as again:
            again.mirror({1: {"train/loss": 9.0, "lr": 9.0}, 2: {"train/loss": 2.0, "lr": 0.1}})
            again.update_metrics({"test/f1": 0.5, "test/none": float("nan")})
            again.log_params({"new": 1})
    found = sent(run)
    assert steps("train/loss") == [1, 2]
    assert steps("test/f1") == steps("test/none") == [0]
    assert found.data.metrics["test/f1"] == 0.5
    assert found.info.status == "FINISHED"


def test_training_that_was_broken_off_goes_on_in_its_run(place):
    with suppress(KeyboardInterrupt), training_run("folds") as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
        with training_run("fold 0", run.run_id) as child:
            child.log_metrics({"train/loss": 1.0}, step=1)
            raise KeyboardInterrupt
    assert (sent(run).info.status, sent(child).info.status) == ("KILLED", "KILLED")
    with training_run("folds", again=run.run_id) as again:
        for step in (1, 2):
            again.log_metrics({"train/loss": 1.0, "val/loss": 1.0}, step=step)
        with training_run("fold 0", again.run_id) as part:
            part.log_metrics({"train/loss": 1.0}, step=2)
    assert (again.run_id, part.run_id) == (run.run_id, child.run_id)
    parent, child = sent(again), sent(part)
    assert steps("val/loss") == [1, 2]
    assert sorted(steps("train/loss")) == [1, 1, 2, 2]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {parent.info.status, child.info.status} == {"FINISHED"}


@pytest.mark.parametrize(
    "address", ["./mlruns", "sqlite:///file/mlflow.db", "http://127.0.0.1:9", "postgresql://127.0.0.1/x"]
)
def test_store_that_cannot_be_reached_costs_nothing(place, monkeypatch, caplog, address):
    monkeypatch.setattr("pipeline.tracking.beside", beside)
    (place / "file").write_text("not a folder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    start = time.monotonic()
    with training_run("x") as run:
        run.log_metrics({"a": 1.0}, step=1)
    assert time.monotonic() - start < 6
    assert "3 records of 1 run wait in" in caplog.messages[-1]
    with pytest.raises(TrackingError) as error:
        sync(None, print)
    assert f"MLflow at {address}: cannot be reached: " in str(error.value)
    assert "\n" not in str(error.value)
    sync(f"sqlite:///{place}/mlflow.db", print)
    assert steps("a") == [1]


@pytest.mark.parametrize("because", ["it is a folder", "another process holds it"])
def test_whoever_is_patient_with_a_store_does_not_wait_for_one_that_cannot_answer(place, monkeypatch, caplog, because):
    monkeypatch.setattr("pipeline.tracking.beside", partial(beside, patient=True))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/store.db")
    (place / "store.db").mkdir() if because == "it is a folder" else (place / "store.db").touch()
    start = time.monotonic()
    with FileLock(f"{place}/store.db.lock") if because != "it is a folder" else nullcontext(), training_run("x") as run:
        run.log_metrics({"a": 1.0}, step=1)
    # MLflow is loaded meanwhile, which is worth waiting for.
    assert time.monotonic() - start < 30
    assert "3 records of 1 run wait in" in caplog.messages[-1]


def test_description_ends_with_a_line(place):
    with training_run("x") as run:
        run._add("note", text="\n".join(["a line of a long description"] * 500))
    found = sent(run).data.tags["mlflow.note.content"]
    assert len(found) <= 8000
    assert found.endswith("a line of a long description\n\n(cut: the rest stands in reports/scores.txt)")


def test_run_that_the_store_refuses_does_not_hold_up_the_others(place, caplog):
    with training_run("refused") as run:
        run._add("tags", values={"x" * 300: "1"})
        run.log_metrics({"a": 1.0}, step=1)
    with training_run("x") as other:
        other.log_metrics({"b": 1.0}, step=1)
    with pytest.raises(TrackingError, match=r"cannot log tags: .*; 3 records of 1 run wait in"):
        sync(None, print)
    assert (steps("a"), steps("b")) == ([], [1])
    assert [each.run_id for each in waiting(tracking_folder())] == [run.run_id]


def test_disk_that_refuses_the_journal_costs_no_training(place, caplog):
    (place / ".weldproof").write_text("no folder")
    with training_run("x") as run:
        for step in (1, 2):
            run.log_metrics({"a": 1.0}, step=step)
    assert caplog.text.count("going on without") == 1


def test_sender_that_is_killed_while_it_makes_the_database_does_no_harm(tmp_path):
    command = [sys.executable, "-c", "from pipeline.tracking.store import Store; Store('sqlite:///mlflow.db')"]
    partial = tmp_path / ".mlflow.db.partial"
    with subprocess.Popen(command, cwd=tmp_path, env=environment()) as process:
        while process.poll() is None and not (partial.exists() and partial.stat().st_size > 300_000):
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "mlflow.db").exists()
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True)
    assert {file.name for file in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


def test_run_that_a_lost_request_makes_late_is_removed(place):
    store = Store(tracking_uri())
    with training_run("x") as run:
        outbox = Outbox(store, configured_address())
        outbox.send()
        run.log_metrics({"a": 1.0}, step=1)
        # As when the server was stopped with the first request for this run, which was given up on, in its queue.
        (experiment,) = store.client.search_experiments(filter_string="name = 'weldproof'")
        for _ in range(5):
            store.client.create_run(experiment.experiment_id, tags={IDENTITY: run.run_id})
    outbox.send()
    assert sent(run).info.run_name == "x"
    assert steps("a") == [1]
