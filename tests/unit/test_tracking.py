import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import TrackingError
from pipeline.tracking import flatten, metric_name, new_run, tracking_uri, training_run


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@given(st.lists(st.text(max_size=300), unique=True, max_size=5))
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


def test_default_store_is_in_the_main_checkout(store, monkeypatch):
    assert tracking_uri() == "sqlite:///mlflow.db"
    monkeypatch.setenv("DVC_ROOT", "/elsewhere/main")
    assert tracking_uri() == "sqlite:////elsewhere/main/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    assert tracking_uri() == "sqlite:////elsewhere/main/mine.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri() == "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("error", "status"), [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_run_ends_as_its_block_does(store, error, status):
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
    info = block.run.client.get_run(block.run.run_id).info
    assert (info.status, info.run_name) == (status, "a name")


def test_odd_class_names_are_logged(store):
    run = new_run("odd")
    names = ['a"b', "a'b", "new\nline", "100%", "c" * 255, "a#b"]
    run.log_metrics({f"val/f1/{name}": number for number, name in enumerate(names)}, step=1)
    assert sorted(run.client.get_run(run.run_id).data.metrics.values()) == list(range(len(names)))


def test_training_goes_on_when_the_store_fails_and_what_was_kept_is_sent_later(store, monkeypatch, caplog):
    from mlflow import MlflowException

    with training_run("x") as run:
        working = run.client.log_batch
        monkeypatch.setattr(run.client, "log_batch", lambda *_, **__: (_ for _ in ()).throw(MlflowException("gone")))
        run.log_metrics({"train/loss": 3.0}, step=1)
        assert "cannot log metrics: gone" in caplog.text
        monkeypatch.setattr(run.client, "log_batch", working)
        run.log_metrics({"train/loss": 2.0}, step=2)
    history = run.client.get_metric_history(run.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 3.0), (2, 2.0)]


def test_mirror_sends_only_what_is_missing(store):
    run = new_run("x")
    run.log_metrics({"train/loss": 3.0, "lr": 0.1}, step=1)
    run.mirror({1: {"train/loss": 9.0, "lr": 9.0}, 2: {"train/loss": 2.0, "lr": 0.1}})
    history = run.client.get_metric_history(run.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 3.0), (2, 2.0)]


def test_training_that_was_broken_off_goes_on_in_its_run(store):
    parent = new_run("folds", strict=False)
    parent.log_metrics({"train/loss": 1.0}, step=1)
    child = new_run("fold 0", strict=False, parent=parent.run_id)
    with training_run("folds", again=parent.run_id) as again:
        for step in (1, 2):
            again.log_metrics({"train/loss": 1.0, "val/loss": 1.0}, step=step)
    assert again.run_id == parent.run_id
    for name in ("train/loss", "val/loss"):
        assert [metric.step for metric in parent.client.get_metric_history(parent.run_id, name)] == [1, 2]
    assert parent.client.get_run(child.run_id).info.status == "KILLED"
    assert parent.client.get_run(parent.run_id).info.status == "FINISHED"


@pytest.mark.parametrize(
    "address", ["./mlruns", "sqlite:///file/mlflow.db", "ftp://x", "http://127.0.0.1:9", "postgresql://127.0.0.1/x"]
)
def test_store_that_cannot_be_reached(store, monkeypatch, address):
    (store / "file").write_text("not a folder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError) as error:
        new_run("x")
    assert "MLflow at" in str(error.value)
    assert "\n" not in str(error.value)
