"""Photographs made for the purpose, and the project's scripts run as a person runs them."""

import pipeline.training  # noqa: F401 -- first: it says how the threads wait of whatever loads OpenMP

# isort: split

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import warm
from browser import chromium  # noqa: F401 -- a fixture
from closure import ROOT
from ruamel.yaml import YAML

SHARED_DATA = ROOT.parent / "shared" / "data"


def texture(seed, height=48, width=64):
    """A grey picture that is like no other: uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(image, ending=".png"):
    return cv2.imencode(ending, image)[1].tobytes()


def make_set(folder, counts):
    """Write `counts[name]` different photographs of each class, which has its own mean grey, so that a net can tell."""
    seed = 0
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image = np.clip(texture(seed) // 4 + 180 * number // max(1, len(counts) - 1), 0, 255).astype(np.uint8)
            (folder / name / f"{index:03d}.png").write_bytes(encode(image))
            seed += 1
    return folder


@pytest.fixture
def photographs(tmp_path):
    """A set of three classes, 6, 5 and 4 photographs of 64 x 48."""
    return make_set(tmp_path / "photographs", {"crack": 6, "pore": 5, "sound": 4})


def small_params():
    """The project's own parameters, with a net and pictures so small that a training takes seconds."""
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    params["resize"]["size"] = 32
    params["train"] |= {"model": "shufflenet_v2_x0_5", "resolution": 32, "epochs": 2, "batch_size": 8, "threads": 2}
    params["train"] |= {"warmup_epochs": 0, "device": "cpu", "final": "ensemble"}
    params["evaluate"]["sound_class"] = None  # most sets that are made here have no sound_bead
    return params


def write_params(folder, params):
    with (Path(folder) / "params.yaml").open("w") as file:
        YAML().dump(params, file)


def commit_params(folder):
    """Make `folder` a git repository whose only commit has its params.yaml."""
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "params.yaml"], [*author, "commit", "-qm", "parameters"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


@pytest.fixture
def workplace(tmp_path):
    """An empty folder with params.yaml in which stage scripts can be run."""
    folder = tmp_path / "work place"
    folder.mkdir()
    write_params(folder, small_params())
    return folder


def environment(**changes):
    """The environment without what a person, a CI or DVC may have set for MLflow and DVC."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DVC_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT)} | changes


def run_stage(stage, *arguments, folder, timeout=300, **changes):
    """Run src/<stage>.py in `folder`, and return the finished process with its text."""
    command = [ROOT / "src" / f"{stage}.py", *arguments]
    return warm.run(command, cwd=folder, env=environment(**changes), timeout=timeout)


def weldproof(*arguments, folder, text=True):
    """Run `weldproof` in `folder`, and return the finished process with its outputs."""
    return warm.run(["-m", "pipeline", *arguments], cwd=folder, env=environment(), text=text)


def send_what_waits(folder):
    """Send what a stage's five seconds were not enough for, on a busy machine, or its sender is still at, after a kill."""
    code = (
        "import time; from pipeline.promotion import judge\n"
        "from pipeline.tracking.sender import sync, tracking_folder, waiting\n"
        "while waiting(tracking_folder()): sync(None, print, judge); time.sleep(0.1)"
    )
    done = warm.run(["-c", code], cwd=folder, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr


TRAIN = ("train", "packed", "split/assignment.csv", "models")
EVALUATE = ("evaluate", "models", "resized", "packed", "split/assignment.csv", "reports")
REPORT = ("report", "models", "resized", "packed", "split/assignment.csv", "reports/answers.npz", "reports/report.html")
"""What `run_stage` takes after `run_data_stages`."""


def change_recipe(folder, **train):
    """Write params.yaml anew, with the small recipe but for `train`."""
    params = small_params()
    params["train"] |= train
    write_params(folder, params)


def run_data_stages(folder, source="in", last="split"):
    """Run resize to `last` in `folder`, below which the outputs go; return what the last one said."""
    (folder / "groups.csv").write_text("path,group\n")
    for stage, *arguments in (
        ("resize", source, "resized"),
        ("pack_npy", "resized", "packed"),
        ("group", "packed", "groups.csv", "grouped"),
        ("split", "packed/index.csv", "grouped/ties.csv", "split"),
    ):
        done = run_stage(stage, *arguments, folder=folder)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1].startswith(f"{stage}: ")
        if stage == last:
            return done
    raise AssertionError(f"no stage {last}")


def assert_one_line_error(done, *words):
    """The process ended with 1 and one `error:` line that has all of `words`; no traceback."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert word in done.stderr, (word, done.stderr)


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A tracker's store without a run: to make its tables takes a second or more."""
    from pipeline.tracking.store import Store

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    Store(f"sqlite:///{file}")
    return file
