"""A tracker that fails costs no training: a real server that is down, hangs, dies, refuses, cuts and is slow."""

import json
import shutil
import signal
import subprocess
import time
from contextlib import suppress

import pytest
import warm
from conftest import environment
from servers import MlflowServer, free_port, refusing, unreliable

from pipeline.errors import TrackingError
from pipeline.tracking import run_of_training, training_run
from pipeline.tracking.journal import waiting
from pipeline.tracking.places import tracking_folder
from pipeline.tracking.sender import PATIENCE, sync

LOADED = 2.5
"""Seconds that a busy machine may add."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of a project; what a test leaves unsent does not concern the next."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_EXPERIMENT_NAME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def use(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)


def arrives(question, wanted, seconds=60):
    """It will be so, soon."""
    deadline = time.monotonic() + seconds
    while (found := question()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


class Clock:
    """The longest wait among the moments that are timed."""

    def __init__(self):
        self.longest = 0.0

    def __enter__(self):
        self._start = time.monotonic()

    def __exit__(self, *_):
        self.longest = max(self.longest, time.monotonic() - self._start)


def test_server_that_hangs_is_waited_for_five_seconds_in_all(server, place, monkeypatch, caplog):
    use(monkeypatch, server.address)
    server.signal(signal.SIGSTOP)
    start, during, total = time.monotonic(), Clock(), Clock()
    with total, training_run("hangs") as run:
        begun = time.monotonic() - start
        for step in range(100):
            with during:
                run.log_metrics({"a": 1.0}, step=step)
        for fold in range(3):
            with training_run(f"fold {fold}", run.run_id) as part:
                part.log_metrics({"a": 1.0}, step=1)
    (place / "run.json").write_text(json.dumps({"run_id": run.run_id}))
    evaluation = Clock()
    with evaluation, run_of_training(place) as evaluated:
        evaluated.mirror({step: {"a": 1.0, "b": 1.0} for step in range(100)})
    server.signal(signal.SIGCONT)
    print(f"start {begun:.3f} s, an epoch {during.longest:.6f} s, training {total.longest:.2f} s, "
          f"evaluation {evaluation.longest:.2f} s")  # fmt: skip
    assert begun < LOADED
    assert during.longest < LOADED
    assert total.longest < PATIENCE + LOADED
    assert evaluation.longest < PATIENCE + LOADED
    assert "wait in" in caplog.messages[-1]
    # The next training takes along what waits.
    with training_run("next"):
        arrives(lambda: server.points(run.run_id, "b"), list(range(100)))
        arrives(lambda: server.runs(part.run_id), [("fold 2", "FINISHED")])
    assert server.runs(run.run_id) == [("hangs", "FINISHED")]
    assert server.points(run.run_id, "a") == list(range(100))
    assert server.points(part.run_id, "a") == [1]


def test_server_that_dies_and_comes_back(server, place, monkeypatch, caplog):
    caplog.set_level("INFO")
    use(monkeypatch, server.address)
    with training_run("dies") as run:
        run.log_metrics({"a": 1.0}, step=1)
        arrives(lambda: server.points(run.run_id, "a"), [1])
        server.kill()
        run.log_metrics({"a": 1.0}, step=2)
        time.sleep(1.5)
        server.start()
        run.log_metrics({"a": 1.0}, step=3)
        arrives(lambda: server.points(run.run_id, "a"), [1, 2, 3])
    arrives(lambda: server.runs(run.run_id), [("dies", "FINISHED")])
    assert ["cannot" in message for message in caplog.messages] == [True, False]


@pytest.mark.parametrize("cut", [3, 4])
def test_answers_that_are_lost(server, place, monkeypatch, cut):
    with unreliable(server.port, cut=cut) as address:
        use(monkeypatch, address)
        with training_run("lost") as run:
            run.log_params({"a": 1})
            for step in range(10):
                run.log_metrics({"a": 1.0, "b": 1.0}, step=step)
        for _ in range(10):
            with suppress(TrackingError):
                sync(None, print)
    if waiting(tracking_folder()):
        sync(server.address, print)
    assert not waiting(tracking_folder())
    assert server.runs(run.run_id) == [("lost", "FINISHED")]
    assert server.points(run.run_id, "a") == server.points(run.run_id, "b") == list(range(10))


def test_evaluation_waits_for_a_store_that_is_slow_and_works(server, place, monkeypatch, caplog):
    with unreliable(server.port, delay=0.5) as address:
        use(monkeypatch, address)
        (place / "run.json").write_text(json.dumps({"run_id": "a" * 32}))
        clock = Clock()
        with clock, run_of_training(place) as run:
            for number in range(4):
                run.log_params({f"a{number}": 1})
        assert clock.longest > PATIENCE
        assert not waiting(tracking_folder())
    assert not caplog.messages


@pytest.mark.parametrize("status", [403, 500, 507])
def test_server_that_refuses(server, place, monkeypatch, caplog, status):
    with refusing(status) as address:
        use(monkeypatch, address)
        start = time.monotonic()
        with training_run("refused") as run:
            run.log_metrics({"a": 1.0}, step=1)
        assert time.monotonic() - start < PATIENCE + LOADED
        assert "python -m pipeline sync" in caplog.messages[-1]
        with pytest.raises(TrackingError, match=str(status)):
            sync(None, print)
    sync(server.address, print)
    assert server.points(run.run_id, "a") == [1]


TRAINING = """
import sys, time
from pathlib import Path
from pipeline.tracking import training_run
note, new = Path("checkpoint"), Path("new")
run_id, epoch = note.read_text().split() if note.exists() else (None, 0)
with training_run("killed", again=run_id) as run:
    for epoch in range(int(epoch) + 1, 31):
        run.log_metrics({"a": 1.0}, step=epoch)
        new.write_text(f"{run.run_id} {epoch // 3 * 3}")
        new.replace(note)
        time.sleep(0.1)
"""


def test_training_that_is_killed_goes_on_in_the_same_run(server, place, monkeypatch):
    command = [warm.python(), "-c", TRAINING]
    variables = environment(MLFLOW_TRACKING_URI=server.address)
    for seconds in (2.5, 0.5, 2.0):
        process = subprocess.Popen(command, cwd=place, env=variables)
        time.sleep(seconds)
        process.kill()
        process.wait()
    assert (place / "checkpoint").exists()
    subprocess.run(command, cwd=place, env=variables, check=True)
    run_id = (place / "checkpoint").read_text().split()[0]
    use(monkeypatch, server.address)
    arrives(lambda: sync(None, print) or waiting(tracking_folder()), [])
    assert server.runs(run_id) == [("killed", "FINISHED")]
    assert server.points(run_id, "a") == list(range(1, 31))


def test_store_on_a_full_disk(place, monkeypatch):
    disk = place / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        use(monkeypatch, f"sqlite:///{disk}/mlflow.db")
        with training_run("before"):
            pass
        sync(None, print)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(512)):
                pass
        with training_run("full") as run:
            for step in range(50):
                run.log_metrics({"a": 1.0}, step=step)
        with pytest.raises(TrackingError, match="full"):
            sync(None, print)
        filler.unlink()
        sync(None, print)
        server = MlflowServer(disk)
        server.database = disk / "mlflow.db"
        assert server.points(run.run_id, "a") == list(range(50))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_port_that_nobody_serves_is_told_in_one_line(place, monkeypatch, caplog):
    use(monkeypatch, f"http://127.0.0.1:{free_port()}")
    with training_run("down") as run:
        run.log_metrics({"a": 1.0}, step=1)
        time.sleep(3)
        assert len(caplog.messages) <= 1
    assert [("wait in" in message) for message in caplog.messages] == [False, True]
