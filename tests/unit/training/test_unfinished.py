"""What is kept of trainings that were broken off, and for how long."""

import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.assignment import Assignment
from pipeline.errors import ModelError
from pipeline.training.device import Compute
from pipeline.training.unfinished import UnfinishedTraining
from pipeline.training.weights import known_as, learnt_by, save

LABELS = [0] * 9 + [1] * 5 + [2] * 3
CPU = Compute(torch.device("cpu"), "fp32")


@pytest.fixture
def new(make_packed, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packed = make_packed(LABELS)
    part = np.array((["train"] * 2 + ["val"]) * 5 + ["train"] * 2)
    count = len(LABELS)
    table = Assignment(packed.class_names, packed.labels, part, np.full(count, -1), 0, np.arange(count))
    (tmp_path / "input").write_text("of all")

    def new(seed, folds=0, **changes):
        dealt = replace(table, num_folds=folds, fold=np.arange(count) % folds) if folds else table
        return UnfinishedTraining(recipe(seed=seed, **changes), packed, dealt, [tmp_path / "input"], CPU)

    return new


class Killed(BaseException):
    """What no `except` of the project catches, as a kill."""


def killed(training):
    with suppress(Killed), training.alone():
        training.note_run(f"run of {training.title}")
        raise Killed


def test_two_that_were_killed_together_both_go_on(new):
    first, second = new(1), new(2)
    killed(first)
    killed(second)
    with new(1).alone():
        assert new(1).run_id
        assert new(2).run_id
    assert new(1).run_id is None  # it is done
    assert new(2).run_id


@pytest.mark.parametrize(("days", "kept"), [(6.9, True), (7.1, False)])
def test_one_that_nobody_goes_on_with_is_forgotten_after_a_week(new, tmp_path, days, kept):
    killed(new(1))
    before = time.time() - days * 86400
    for path in [*(tmp_path / ".weldproof/training").rglob("*")]:
        os.utime(path, (before, before))
    with new(2).alone():
        pass
    assert bool(new(1).run_id) == kept


def left(trainer, folder):
    for _ in trainer.epochs():
        pass
    save(folder, trainer.kept)
    return str(folder / "model.safetensors")


def test_no_net_begins_as_one_that_has_learnt_from_what_it_is_judged_by(new, tmp_path):
    """Also where that one had itself begun so."""
    judged = left(new(1).final(), tmp_path / "judged")
    everything = left(new(1, final="retrain").final(), tmp_path / "everything")
    again = left(new(2, weights=judged).final(), tmp_path / "again")
    assert learnt_by(again) == learnt_by(judged) < learnt_by(everything)
    assert len(learnt_by(everything)) == 2 * len(LABELS)
    with pytest.raises(
        ModelError, match=r"^train.weights: wanted weights that have not learnt .*, found 5 of these 5 among"
    ):
        new(2, weights=everything)
    with pytest.raises(ModelError, match="found 12 of these 17 among"):
        new(2, folds=3, weights=judged)
    assert learnt_by(left(new(2, weights=judged, final="retrain").final(), tmp_path / "both")) == learnt_by(everything)


@pytest.mark.parametrize("other", ["sha256", "pixels"])
def test_a_photograph_is_known_again_as_another_file_and_at_another_size(make_packed, other):
    packed = make_packed(LABELS)
    changed = replace(packed, index=tuple(row._replace(**{other: "f" * 64}) for row in packed.index))
    assert not set(known_as(packed, 3)).isdisjoint(known_as(changed, 3))
    assert set(known_as(packed, 3)).isdisjoint(known_as(packed, 4))


def test_weights_from_elsewhere_have_learnt_from_nothing_that_is_known(tmp_path):
    for name, content in {"a.pth": b"x", "b.safetensors": b"x"}.items():
        (tmp_path / name).write_bytes(content)
        assert learnt_by(str(tmp_path / name)) == frozenset()
    assert learnt_by("none") == learnt_by("nowhere.safetensors") == frozenset()


def test_nets_that_failed_are_kept_for_a_week(new, tmp_path):
    old, recent = ((tmp_path / ".weldproof/diverged" / name) for name in ("old", "recent"))
    for folder, days in ((old, 7.1), (recent, 6.9)):
        (folder / "final").mkdir(parents=True)
        for path in (folder / "final", folder):
            os.utime(path, (time.time() - days * 86400,) * 2)
    with new(1).alone():
        assert (old.exists(), recent.exists()) == (False, True)


def test_a_training_that_ends_while_another_begins_does_not_stop_it(new, monkeypatch):
    killed(new(1))
    monkeypatch.setattr("pipeline.training.unfinished.is_at_work", lambda _: False)
    monkeypatch.setattr(Path, "rglob", lambda *_: iter([Path("gone")]))
    with new(2).alone():
        pass


def test_nets_share_the_images_of_one_training(new, monkeypatch):
    for module in ("unfinished", "loop"):  # on a GPU, each call makes a copy
        monkeypatch.setattr(f"pipeline.training.{module}.resident", lambda images, _: images.copy())
    training = new(1)
    assert training.final()._images is training.final()._images
