"""The feasibility stage as a person runs it."""

import json

import pytest
from conftest import (
    assert_one_line_error,
    make_set,
    run_data_stages,
    run_stage,
    send_what_waits,
    small_params,
    write_params,
)
from mlflow import MlflowClient

FEASIBILITY = ("feasibility", "packed", "split/assignment.csv", "reports/feasibility.html", "reports/feasibility.json")


def asked(folder, **changes):
    params = small_params()
    params["feasibility"] |= {"minutes": 2} | changes
    write_params(folder, params)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("feasibility")
    make_set(folder / "in", {"crack": 8, "pore": 6, "sound": 5})
    asked(folder)
    run_data_stages(folder)
    result = run_stage(*FEASIBILITY, folder=folder, timeout=500)
    assert result.returncode == 0, result.stderr
    return folder, result


@pytest.mark.slow
def test_page_figures_and_runs(done):
    folder, _ = done
    figures = json.loads((folder / "reports" / "feasibility.json").read_text())
    assert set(figures["classes"]) == {"crack", "pore", "sound"}
    assert figures["signal"]["macro_f1"]["low"] <= figures["signal"]["macro_f1"]["value"]
    page = (folder / "reports" / "feasibility.html").read_text()
    assert "crack" in page
    send_what_waits(folder)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    (parent,) = [run for run in runs if run.info.run_name == "feasibility"]
    nested = {run.info.run_name for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id}
    assert {"overfit", "signal", "noise", "leaks"} <= nested
    (signal,) = [run for run in runs if run.info.run_name == "signal"]
    assert signal.data.metrics["macro_f1"] == pytest.approx(figures["signal"]["macro_f1"]["value"], abs=1e-3)
    assert parent.data.params["probe.model"] == "shufflenet_v2_x0_5"
    assert parent.data.tags["mlflow.source.name"] == "src/feasibility.py"
    assert parent.data.tags["verdict"] == figures["verdict"]["kind"]
    assert figures["verdict"]["headline"] in parent.data.tags["mlflow.note.content"]


@pytest.mark.slow
def test_second_run_trains_nothing_and_writes_the_same(done):
    folder, _ = done
    outputs = [folder / "reports" / name for name in ("feasibility.html", "feasibility.json")]
    before = [path.read_bytes() for path in outputs]
    again = run_stage(*FEASIBILITY, folder=folder)
    assert again.returncode == 0, again.stderr
    assert [path.read_bytes() for path in outputs] == before


@pytest.mark.slow
def test_too_little_time_is_one_line_that_says_what_would_be_enough(done):
    folder, _ = done
    asked(folder, minutes=0.01)
    assert_one_line_error(run_stage(*FEASIBILITY, folder=folder), "feasibility.minutes: wanted", "found 0.01")
