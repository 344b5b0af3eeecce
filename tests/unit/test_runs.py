"""A run by its name, with the real git, the real dvc and a real MLflow store."""

import json
import shutil
import subprocess
import sys

import pytest
from conftest import assert_one_line_error, environment, weldproof
from mlflow import MlflowClient

from pipeline.errors import DataError
from pipeline.runs import Run, find_run

GOOD = "it's good"
HEADER = "path,actual,predicted,probability\n"


def rows(share_right):
    """Answers to 60 photographs of two classes; so many of ten are right."""
    classes = ("crack", "sound")
    return "".join(
        f"{name}/{k}.png,{name},{name if k % 10 < share_right else classes[1 - place]},0.9\n"
        for place, name in enumerate(classes)
        for k in range(30)
    )


# Stands in for the seven stages: writes the answers that the parameter says.
STAGE = """
import pathlib, ruamel.yaml
share = ruamel.yaml.YAML(typ="safe").load(pathlib.Path("params.yaml"))["right"]
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("reports/predictions.csv").write_text(pathlib.Path(f"answers/{share}.csv").read_text())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository in a folder with a space in its name: v1, main, an experiment, and four MLflow runs."""
    folder = tmp_path_factory.mktemp("a project")

    def run(*command):
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    def commit(message):
        run("git", "add", "-A")
        run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", message)

    run("git", "init", "-q", "-b", "main")
    run("dvc", "init", "-q")
    (folder / "answers").mkdir()
    for share in (5, 8, 9):
        (folder / "answers" / f"{share}.csv").write_text(HEADER + rows(share))
    (folder / "stage.py").write_text(STAGE)
    (folder / "dvc.yaml").write_text(
        f"stages:\n  evaluate:\n    cmd: '\"{sys.executable}\" stage.py'\n    params: [right]\n"
        "    outs: [reports/predictions.csv]\n"
    )
    (folder / "data" / "split").mkdir(parents=True)
    (folder / "data" / "split" / "assignment.csv").write_text(
        "path,class_name,sha256,group,part,fold,note\n"
        + "".join(
            f"{line.split(',')[0]},{line.split(',')[1]},0,{n // 2},test,,\n"
            for n, line in enumerate(rows(5).splitlines())
        )
    )
    (folder / ".gitignore").write_text("/mlflow.db*\n/mlartifacts\n")
    for tag, share in (("v1", 5), ("v2", 8)):
        (folder / "params.yaml").write_text(f"right: {share}\n")
        run("dvc", "repro", "-q")
        commit(tag)
        run("git", "tag", tag)
    run("dvc", "exp", "run", "-q", "-S", "right=9", "-n", "nine-of-ten")
    run("git", "checkout", "-q", "--force", "v2")
    run("dvc", "checkout", "-q")
    return folder


@pytest.fixture(scope="module")
def stored(project):
    """MLflow's ids of runs by the name: one good, two of one name, one without a table."""
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.create_experiment("weldproof", artifact_location=(project / "mlartifacts").as_uri())
    ids = {}
    for number, name in enumerate([GOOD, "twice", "twice", "not evaluated"]):
        run = client.create_run(experiment, run_name=name, tags={"trained_as": f"{number}" * 32})
        ids.setdefault(name, run.info.run_id)
        if name != "not evaluated":
            client.log_text(run.info.run_id, HEADER + rows(9), "reports/predictions.csv")
    return ids


@pytest.fixture
def here(project, monkeypatch):
    """The project as the current folder, with its own store."""
    monkeypatch.chdir(project)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    # In one process MLflow takes a relative address for that of the first folder in which it was used.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    return project


def compare(*runs, folder):
    return weldproof("compare", *runs, folder=folder)


def test_a_revision_against_an_experiment(project):
    done = compare("v1", "nine-of-ten", folder=project / "answers")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "B is better than A: of 60 photographs it gets 24 right that A gets wrong and 0 the other"
    )
    assert "60 photographs form 30 groups" in lines[1]
    assert "A  reports/predictions.csv at git v1 (" in done.stdout
    assert "B  reports/predictions.csv at DVC experiment nine-of-ten (" in done.stdout


def test_a_folder_against_an_mlflow_run_as_json(project, stored, tmp_path):
    shutil.copy(project / "answers" / "9.csv", tmp_path / "predictions.csv")
    done = compare(".", GOOD, "--json", folder=tmp_path)
    assert_one_line_error(done, "wanted a folder of the project")
    done = compare(tmp_path, GOOD, "--json", folder=project)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found = json.loads(done.stdout)
    assert found["run_a"] == str(tmp_path / "predictions.csv")
    assert found["run_b"] == f"reports/predictions.csv of MLflow run {stored[GOOD]}"
    assert (found["images"], found["groups"], found["differing"]) == (60, 30, 0)


def test_photographs_of_two_sets(project, tmp_path):
    for name, photograph in (("a", "here"), ("b", "there")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "predictions.csv").write_text(f"{HEADER}{photograph}/1.png,crack,sound,0.9\n")
    done = compare(tmp_path / "a", tmp_path / "b", folder=project)
    assert_one_line_error(done, "found none: 1 in A, such as here/1.png, and 1 in B, such as there/1.png")


def test_an_mlflow_run_by_any_of_its_names(here, stored):
    wanted = Run(f"reports/predictions.csv of MLflow run {stored[GOOD]}", HEADER + rows(9), find_run("v1").groups)
    for name in (GOOD, stored[GOOD], "0" * 32):
        assert find_run(name) == wanted


def test_a_folder_comes_first(here):
    (here / "v2").mkdir()
    try:
        assert find_run("v2").where.startswith("reports/predictions.csv at git v2 (")
        shutil.copy(here / "answers" / "5.csv", here / "v2" / "predictions.csv")
        found = find_run("v2")
        assert (found.where, found.predictions) == ("v2/predictions.csv", HEADER + rows(5))
    finally:
        shutil.rmtree(here / "v2")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "nowhere: wanted a folder with predictions.csv, a git revision, a DVC experiment, .*mlflow.db"),
        ("--help", "--help: wanted a folder"),
        ("", "wanted a folder"),
        ("a'b\"c", "a'b\"c: wanted a folder"),
        ("twice", "twice: wanted one MLflow run of that name, found 2: give one of "),
        ("not evaluated", "wanted it among the run's artifacts, found nothing"),
    ],
)
def test_what_is_no_run(here, stored, name, words):
    with pytest.raises(DataError, match=words):
        find_run(name)


def test_nothing_is_made_where_there_is_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(DataError, match="x: wanted a folder"):
        find_run("x")
    assert not list(tmp_path.iterdir())


def test_what_dvc_no_longer_has(here, tmp_path, monkeypatch):
    shutil.copytree(here, tmp_path / "copy", symlinks=True)
    shutil.rmtree(tmp_path / "copy" / ".dvc" / "cache")
    monkeypatch.chdir(tmp_path / "copy")
    with pytest.raises(DataError, match=r"at git v1 \(\w{7}\): wanted it from DVC's cache or remote, found: "):
        find_run("v1")


def test_a_table_that_is_no_text(here, tmp_path):
    (tmp_path / "predictions.csv").write_bytes(b"path,actual,predicted\n\xff,a,b\n")
    with pytest.raises(DataError, match="wanted a CSV table, found 'utf-8'"):
        find_run(str(tmp_path))


def test_two_experiments_of_one_name(here, tmp_path, monkeypatch):
    """Git's own refs, as DVC makes them on two baselines."""
    shutil.copytree(here, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    for number, revision in enumerate(("v1", "v2")):
        ref = f"refs/exps/0{number}/{'0' * 38}/twin"
        subprocess.run(["git", "update-ref", ref, revision], check=True)
    with pytest.raises(DataError, match="twin: wanted one DVC experiment, found 2: give one of "):
        find_run("twin")
