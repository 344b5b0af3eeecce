"""A checkout of this project in a folder of its own, in which the real `dvc` and the real MLflow run."""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import warm
from closure import ROOT
from conftest import environment, small_params, write_params


class Project:
    """A checkout with small parameters: seven classes, few pictures, a small net."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {}

    def run(self, *command, check=True):
        """Run a command in the checkout, and return its stdout and stderr together.

        `python` and `dvc` are those of `warm.py`.
        """
        variables = environment(PYTHONPATH="") | self.environment
        variables["PATH"] = f"{warm.folder_of_programs()}{os.pathsep}{variables['PATH']}"
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def dvc(self, *arguments, check=True):
        return self.run("dvc", *arguments, check=check)

    def commit(self, message):
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", message)

    def stages_run(self, output):
        """The stages that a `dvc repro` or `dvc exp run` really ran."""
        return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def checkout(folder, sample_counts):
    """Copy the project's files (not what git ignores) to `folder`, and commit them with small parameters."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "data/split/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    params = small_params()
    params["sample"]["counts"] = sample_counts
    write_params(folder, params)
    project = Project(folder)
    project.run("git", "init", "-q", "-b", "main")
    project.commit("small")
    return project


SAMPLE_COUNTS = {
    "sound_bead": 12,
    "porosity": 6,
    "crack": 5,
    "undercut": 5,
    "lack_of_fusion": 5,
    "burn_through": 3,
    "spatter": 3,
}


@contextmanager
def processes():
    """Yield a function that starts a process, and end all that it started."""
    started = []

    def start(command, **options):
        started.append(subprocess.Popen(command, **options))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=30)


def client_of(project):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{Path(project.folder) / 'mlflow.db'}")


def runs_of(client):
    ids = [experiment.experiment_id for experiment in client.search_experiments() if experiment.name == "weldproof"]
    return client.search_runs(ids, order_by=["attributes.start_time ASC"])
