"""Trainings side by side: the same answers as one alone, kept, and gone on with after a kill."""

import json
import logging
import multiprocessing
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import warm
from closure import ROOT, import_closure
from conftest import environment, small_params

from pipeline.data.assignment import NO_ROWS, Assignment
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.errors import PipelineError
from pipeline.feasibility.kept import MAKERS, Kept
from pipeline.feasibility.study import new_study
from pipeline.feasibility.trainings import StudyTrainings
from pipeline.training.device import choose_compute, cpu_threads
from pipeline.training.loop import Trainer
from pipeline.training.predict import class_probabilities, predict_logits
from pipeline.training.recipe import TrainParams

COUNTS = (9, 7, 5)
SIDE = 40
MINUTES = 6.0  # too few for resnet101, too
SPEED = 1.8  # images a second, as if measured: at it the scores fit into the time, and nothing else does


@pytest.fixture(scope="module", autouse=True)
def _workers_that_start_at_once():
    multiprocessing.set_executable(warm.python())
    yield
    multiprocessing.set_executable(sys.executable)


def recipe(**changes):
    return TrainParams.model_validate(small_params()["train"] | changes)


def opened(folder):
    """A set of pictures whose brightness tells the class, packed in `folder`."""
    path = folder / "images.npy"
    labels = np.repeat(np.arange(len(COUNTS)), COUNTS)
    if not path.exists():
        noise = np.random.default_rng(0).integers(0, 60, (len(labels), SIDE, SIDE))
        np.save(path, (noise + 90 * labels[:, None, None]).astype(np.uint8))
    names = tuple(f"class {k}" for k in range(len(COUNTS)))
    index = tuple(
        IndexRow(f"{names[label]}/{row}.png", names[label], f"{row:064x}", f"{row:064x}", "PNG", 1, 9, 9)
        for row, label in enumerate(labels.tolist())
    )
    packed = PackedSet(np.load(path, mmap_mode="r"), labels, names, index)
    count = len(labels)
    table = Assignment(names, labels, np.full(count, "train"), np.full(count, -1), 0, np.arange(count))
    return new_study(packed, table, 0)


def trainings(folder, minutes=MINUTES, measured=SPEED, gone=0.68, **changes):
    """The trainings of the study in the current folder: speeds are known already, and so much of the time is gone."""
    wanted, compute = recipe(**changes), choose_compute("cpu", "fp32")
    kept = Kept(opened(folder), wanted, minutes, compute)
    if not kept.seconds:
        kept.seconds = gone * 60 * minutes
        for model, side in ((wanted.model, wanted.resolution), ("resnet18", wanted.resolution)):
            kept.speeds[f"{model}, {side} px"] = measured
        kept.note()
    return StudyTrainings(opened(folder), folder / "images.npy", wanted, minutes, compute, 2)


def files(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / ".weldproof" / "feasibility").glob("*.npz")}


def workers_of(pid=None):
    """The processes that train for one, by default for this one."""
    found = []
    for each in psutil.Process(pid).children():
        with suppress(psutil.Error):  # it has just ended
            found += [each] if "spawn_main" in " ".join(each.cmdline()) else []
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which all is trained, and what came of it."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, trainings(folder).run()


def test_all_photographs_are_answered_for_by_the_nets_of_the_folds(done):
    folder, trained = done
    study, found = opened(folder), trained.answers["folds"][""]
    assert found.rows.tolist() == study.rows.tolist()
    assert found.y_true.tolist() == study.labels.tolist()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert trained.seen.rows.tolist() == study.rows.tolist()
    assert trained.seen.y_true.tolist() == study.labels.tolist()
    assert set(trained.answers) == {"folds"}
    assert trained.probe.left_out == ("curve", "shuffled", "nets")
    assert trained.probe.trainings == 5
    assert [each.model for each in trained.overfit] == [trained.probe.recipe.model]


def test_answers_are_those_of_a_net_that_is_trained_alone(done):
    folder, trained = done
    study, found = opened(folder), trained.answers["folds"][""]
    trainer = Trainer(study.packed, study.taught(0), NO_ROWS, trained.probe.recipe, choose_compute("cpu", "fp32"))
    for _ in trainer.epochs():
        pass
    asked = np.concatenate([study.judged(0), study.judged(1)])
    with cpu_threads(1):
        alone = class_probabilities(predict_logits(trainer.kept, study.packed.images, asked))
    both = found.probabilities[study.judged(0)], trained.seen.probabilities[study.judged(1)]
    assert np.array_equal(np.concatenate(both), alone)


def test_nothing_is_trained_twice(done, monkeypatch):
    folder, trained = done
    monkeypatch.chdir(folder)
    before = files(folder)
    again = trainings(folder).run()
    assert files(folder) == before
    assert again.probe == trained.probe
    assert np.array_equal(again.answers["folds"][""].probabilities, trained.answers["folds"][""].probabilities)


def test_answers_are_known_by_all_the_code_that_makes_them():
    makers = {Path(module.__file__).relative_to(ROOT).as_posix() for module in MAKERS}
    makes = {
        path for path in import_closure(ROOT / "pipeline/feasibility/jobs.py") if path.startswith("pipeline/training/")
    }
    assert makers >= makes - {"pipeline/training/__init__.py"}


def test_what_the_recipe_forces_trains_nothing_again(done, monkeypatch):
    folder, _ = done
    monkeypatch.chdir(folder)
    before = files(folder)
    trainings(folder, final="retrain", seed=5, threads=7, launcher="torchrun").run()
    assert files(folder) == before


def test_answers_that_no_plan_asks_for_are_removed_and_broken_ones_made_anew(done, monkeypatch):
    folder, trained = done
    monkeypatch.chdir(folder)
    stray = folder / ".weldproof" / "feasibility" / "0123456789abcdef.npz"
    stray.write_bytes(b"old")
    victim = next(path for path in stray.parent.glob("*.npz") if path != stray)
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    again = trainings(folder).run()
    assert not stray.exists()
    assert np.array_equal(again.answers["folds"][""].probabilities, trained.answers["folds"][""].probabilities)


def test_when_the_time_is_up_nothing_begins_and_what_is_missing_is_said(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    late = trainings(tmp_path)
    late.kept.seconds = 60 * MINUTES
    late.kept.note()
    with caplog.at_level(logging.WARNING):
        trained = trainings(tmp_path).run()
    assert trained.answers == {}
    assert trained.probe.left_out == ("folds", "curve", "shuffled", "nets")
    assert "no time was left for folds; curve; shuffled; nets" in caplog.text
    assert not files(tmp_path)


def test_time_that_is_left_pays_for_what_was_not_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = trainings(tmp_path, measured=4.4, gone=0.1).run()
    assert set(trained.answers) == {"folds", "curve", "shuffled", "nets"}
    assert trained.probe.left_out == ()
    assert trained.probe.minutes > trained.probe.used


def test_mistake_in_the_recipe_ends_it_with_its_own_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="wanted a finite training loss"):
        trainings(tmp_path, lr=1e30, schedule="constant", optimizer="sgd").run()
    assert not workers_of()


def test_net_that_cannot_be_trained_is_done_without(tmp_path, monkeypatch, caplog):
    """Both workers fail to measure it; what they say of it is not taken for an answer to what comes next."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.feasibility.wanted._COMMON_NET", "resnet17")
    trained = trainings(tmp_path, measured=4.4).run()
    assert "without resnet17" in caplog.text
    assert set(trained.answers) == {"folds"}


STUDY = """
import logging, multiprocessing, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
from pipeline.stage import errors_as_lines

if __name__ == "__main__":
    from test_trainings import trainings
    multiprocessing.set_executable({python!r})
    with errors_as_lines():
        trainings(Path.cwd(), measured={measured}, epochs={epochs}).run()
    print("done")
"""


def started(folder, measured=SPEED, epochs=2):
    script = folder / "study.py"
    script.write_text(
        STUDY.format(
            tests=str(ROOT / "tests"),
            here=str(ROOT / "tests/unit/feasibility"),
            python=warm.python(),
            measured=measured,
            epochs=epochs,
        )
    )
    return subprocess.Popen(
        [sys.executable, script],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true, process):
    until = time.monotonic() + 240
    while not true():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)


def test_killed_it_leaves_no_worker_and_goes_on(tmp_path, done):
    (tmp_path / "images.npy").write_bytes((done[0] / "images.npy").read_bytes())
    with started(tmp_path) as process:
        wait_until(lambda: files(tmp_path), process)
        workers = workers_of(process.pid)
        process.kill()
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    first = files(tmp_path)
    assert 0 < len(first) < 5
    with started(tmp_path) as process:
        out, err = process.communicate(timeout=240)
    assert out == "done\n", err
    last = files(tmp_path)
    assert first.items() <= last.items()
    assert last.keys() == files(done[0]).keys()
    notes = json.loads((tmp_path / ".weldproof" / "feasibility" / "speeds.json").read_text())
    assert notes["seconds"] > 0


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, "interrupted"), (signal.SIGKILL, "ended by the system (SIGKILL)")]
)
def test_end_of_it_or_of_a_worker_is_one_line(tmp_path, done, number, words):
    (tmp_path / "images.npy").write_bytes((done[0] / "images.npy").read_bytes())
    with started(tmp_path, measured=1000, epochs=2000) as process:
        wait_until(lambda: len(workers_of(process.pid)), process)
        workers = workers_of(process.pid)
        for each in [*workers, psutil.Process(process.pid)] if number == signal.SIGINT else workers[:1]:
            each.send_signal(number)
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert (out, [line for line in err.splitlines() if not line.startswith("feasibility: ")][1:]) == ("", [])
    assert err.splitlines()[-1].startswith("error: ")
    assert words in err.splitlines()[-1]
    assert not psutil.wait_procs(workers, timeout=60)[1]
