"""What is kept of trainings that were broken off, and for how long."""

import os
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.data.assignment import Assignment
from pipeline.errors import ModelError
from pipeline.training.device import Compute
from pipeline.training.unfinished import UnfinishedTraining
from pipeline.training.weights import learnt_by, save

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
    assert len(learnt_by(everything)) == len(LABELS)
    with pytest.raises(
        ModelError, match=r"^train.weights: wanted weights that have not learnt .*, found 5 of these 5 in"
    ):
        new(2, weights=everything)
    with pytest.raises(ModelError, match="found 12 of these 17 in"):
        new(2, folds=3, weights=judged)
    assert learnt_by(left(new(2, weights=judged, final="retrain").final(), tmp_path / "both")) == learnt_by(everything)


def test_weights_from_elsewhere_have_learnt_from_nothing_that_is_known(tmp_path):
    for name, content in {"a.pth": b"x", "b.safetensors": b"x"}.items():
        (tmp_path / name).write_bytes(content)
        assert learnt_by(str(tmp_path / name)) == frozenset()
    assert learnt_by("none") == learnt_by("nowhere.safetensors") == frozenset()


def test_nets_share_the_images_of_one_training(new):
    training = new(1)
    assert training.final()._images is training.final()._images
