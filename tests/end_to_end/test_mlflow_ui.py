"""What a person sees of two trainings in the MLflow UI: a real server, and a real browser."""

from contextlib import nullcontext
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from closure import ROOT
from conftest import (
    EVALUATE,
    TRAIN,
    change_recipe,
    commit_params,
    make_set,
    run_data_stages,
    small_params,
    write_params,
)
from servers import MlflowServer

from pipeline.tracking import EXPERIMENT
from pipeline.tracking.sender import sync
from pipeline.tracking.views import view_of

RUNS = {"epochs=3 lr=0.001": (0.001, 3), "epochs=4 lr=0.004": (0.004, 4)}
CARD = "experiment-view-compare-runs-card"


def run_here(stage, *arguments):
    """Run a stage in this process: what it imports takes longer to load than two small nets to train."""
    spec = spec_from_file_location(f"stage_{stage}", ROOT / "src" / f"{stage}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(*map(Path, arguments))


def train_two():
    folder = Path.cwd()
    make_set(folder / "in", {"crack": 8, "pore": 6, "sound": 5})
    write_params(folder, small_params())
    run_data_stages(folder)
    commit_params(folder)
    for rate, epochs in RUNS.values():
        change_recipe(folder, lr=rate, epochs=epochs)
        run_here(*TRAIN)
        run_here(*EVALUATE)


@pytest.fixture(scope="module")
def server(chromium, tmp_path_factory):
    """A server that has two trainings, whose parameters differ from the committed ones and from each other."""
    server = MlflowServer(tmp_path_factory.mktemp("store"))
    try:
        server.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", server.address)
            # Sent once at the end, and not by a process beside each stage, which takes seconds to start.
            patch.setattr("pipeline.tracking.beside", lambda patient=False: nullcontext())
            patch.chdir(tmp_path_factory.mktemp("work"))
            train_two()
            sync(None, print)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def experiment(server):
    from mlflow import MlflowClient

    client = MlflowClient(server.address)
    found = client.get_experiment_by_name(EXPERIMENT)
    runs = {run.info.run_name: run for run in client.search_runs([found.experiment_id])}
    assert set(runs) == set(RUNS)
    return found.experiment_id, runs


@pytest.fixture(scope="module")
def page(server, chromium):
    """A page that is wide, because the table draws only the columns that are in sight."""
    page = chromium.new_page(viewport={"width": 2600, "height": 1400})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def opened(page, server, experiment, charts=False):
    page.goto("about:blank")  # or else another part of the same page is no new page
    page.goto(f"{server.address}/{view_of(experiment[0], charts)}")
    for name in RUNS:
        page.get_by_role("link", name=name).wait_for()
    return page


def test_table_has_best_values_data_set_and_model(page, server, experiment):
    table = opened(page, server, experiment)
    for name, run in experiment[1].items():
        row = table.locator(f"[row-id='{run.info.run_id}']")

        def cell(column, row=row):
            return row.locator(f"[col-id='{column}']").inner_text()

        assert cell("attributes.`Run Name`").endswith(name)
        assert "data/sample" in cell("attributes.`Dataset`")
        assert cell("attributes.`Models`").split() == ["weldproof", f"v{1 + list(RUNS).index(name)}"]
        for metric in ("best/val/macro_f1", "best/val/loss", "test/macro_f1", "test/macro_f1/low"):
            assert float(cell(f"metrics.`{metric}`")) == pytest.approx(run.data.metrics[metric])
        assert cell("params.`train.lr`") == str(RUNS[name][0])


def test_two_runs_are_compared(page, server, experiment):
    table = opened(page, server, experiment)
    for run in experiment[1].values():
        row = table.locator(f"[row-id='{run.info.run_id}']")
        row.get_by_label("toggle row selection").check(force=True)  # its picture lies over it
    table.get_by_role("button", name="Compare", exact=True).or_(table.get_by_role("link", name="Compare")).first.click()
    page.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
    page.get_by_role("tab", name="Parallel Coordinates Plot").wait_for()
    axes = page.locator(".js-plotly-plot .axis-title")
    axes.first.wait_for()
    # Those that differ, by themselves.
    assert {"train.epochs", "train.lr"} <= set(axes.all_text_contents())
    for name in RUNS:
        page.get_by_role("cell", name=name).first.wait_for()


def test_curves_lie_over_each_other(page, server, experiment):
    charts = opened(page, server, experiment, charts=True)
    for metric in ("lr", "val/macro_f1", "train/loss", "val/loss"):
        plot = charts.get_by_test_id(CARD).filter(has_text=metric).first.locator(".js-plotly-plot")
        plot.locator(".scatterlayer .trace").nth(1).wait_for(state="attached")
        curves = plot.evaluate("plot => Object.fromEntries(plot.data.map(line => [line.name, line.y]))")
        assert {name: len(values) for name, values in curves.items()} == {name: n for name, (_, n) in RUNS.items()}
        if metric == "lr":
            assert {name: values[0] for name, values in curves.items()} == {name: lr for name, (lr, _) in RUNS.items()}
    charts.get_by_test_id(CARD).filter(has_text="Parallel Coordinates").get_by_text("train.lr").first.wait_for()


def test_run_shows_its_pictures_and_its_model(page, server, experiment):
    run_id = experiment[1]["epochs=4 lr=0.004"].info.run_id
    opened(page, server, experiment).get_by_role("link", name="epochs=4 lr=0.004").click()
    page.get_by_role("heading", name="Registered models").wait_for()
    assert "/models/weldproof" in page.get_by_role("link", name="weldproof").last.get_attribute("href")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("reports", exact=True).click()
    page.get_by_text("confusion.png").click()
    picture = page.locator(f"img[src*='{run_id}'], img[src^='blob:']").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 300
