"""Learning a handful by heart, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import small_params
from judged_sets import text

from pipeline.errors import ModelError
from pipeline.feasibility.overfit import PER_CLASS, check, few, overfit_section
from pipeline.training import overfit
from pipeline.training.device import Compute
from pipeline.training.recipe import TrainParams

CPU = Compute(torch.device("cpu"), "fp32")
RECIPE = TrainParams.model_validate(small_params()["train"] | {"threads": 1, "lr": 5e-3})


@pytest.fixture(scope="module")
def study(made_study):
    return made_study([9, 6, 5])


@pytest.mark.parametrize(("counts", "each"), [([9, 6, 5], PER_CLASS), ([9, 2], 2), ([1, 7], 1)])
def test_as_many_of_each_class(made_study, counts, each):
    study = made_study(counts)
    rows = few(study)
    assert np.bincount(study.packed.labels[rows]).tolist() == [each] * len(counts)
    assert len(set(rows.tolist())) == len(rows)


def test_only_what_is_studied_is_learnt(study):
    some = replace(study, rows=study.rows[1:])
    assert 0 in few(study)
    assert 0 not in few(some)


def test_a_net_that_learns(study):
    (found,) = check(study, RECIPE, [RECIPE.model], CPU)
    assert found.passed
    assert (found.model, found.resolution, found.pictures) == ("shufflenet_v2_x0_5", 32, 12)
    assert found.losses[-1] == found.loss < 0.01 < found.losses[0]
    assert len(found.losses) == found.steps
    section = overfit_section([found])
    assert "learnt 12 pictures by heart" in text(section)
    assert section.pictures[0].svg.startswith("<svg")


def test_time_that_is_over_says_nothing_against_a_net(study):
    own, other = check(study, RECIPE, [RECIPE.model, "squeezenet1_1"], CPU, seconds=0)
    assert (own.passed, own.steps, own.cause) == (None, 1, "")
    assert other.model == "squeezenet1_1"
    section = overfit_section([own, other])
    assert [row[-1] for row in section.table.rows] == ["not finished", "not finished"]
    assert "nothing against it" in text(section)


def test_contradicting_labels_are_named(study, monkeypatch):
    monkeypatch.setattr(overfit, "STEPS", 20)  # no more would help
    images = study.packed.images.copy()
    images[study.packed.labels == 1] = images[0]
    contradicting = replace(study, packed=replace(study.packed, images=images))
    (found,) = check(contradicting, RECIPE, [RECIPE.model], CPU)
    assert found.passed is False
    assert "look the same at 32 px" in found.cause
    assert f"Likely cause: {found.cause}" in text(overfit_section([found]))


def test_loss_that_is_no_number_is_a_failure_with_its_cause(study):
    (found,) = check(study, RECIPE.model_copy(update={"lr": 1e30}), [RECIPE.model], CPU)
    assert found.passed is False
    assert "wanted a finite training loss" in found.cause
    assert overfit_section([found]).pictures[0].svg.startswith("<svg")


def test_unknown_net(study):
    with pytest.raises(ModelError, match="resnet1001"):
        check(study, RECIPE, ["resnet1001"], CPU)


def test_weights_are_of_the_recipes_own_net(study, tmp_path):
    with_weights = RECIPE.model_copy(update={"weights": str(tmp_path / "gone.pth")})
    assert check(study, with_weights, ["squeezenet1_1"], CPU, seconds=0)[0].steps == 1
    with pytest.raises(ModelError, match=r"gone\.pth"):
        check(study, with_weights, [RECIPE.model], CPU)
