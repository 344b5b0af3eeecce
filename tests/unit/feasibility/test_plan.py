"""What is trained in the time there is: the arithmetic, and what no plan may break."""

import numpy as np
import pytest
from conftest import small_params
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.data.assignment import Assignment
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.errors import DataError, ParameterError
from pipeline.feasibility.plan import LEAST_SHOWN, RESERVE, Budget, make_plan
from pipeline.feasibility.recipes import another, as_probe, of_epochs, smaller, weaker
from pipeline.feasibility.study import FOLDS, new_study
from pipeline.feasibility.wanted import KINDS, SHARES, curve_shares, shuffled_labels
from pipeline.training.recipe import TrainParams


def recipe(**changes):
    return TrainParams.model_validate(small_params()["train"] | {"model": "resnet18", "epochs": 80} | changes)


def made_study(labels, groups=None, side=224, seed=0):
    """A study of photographs with these labels and groups, of which nothing but their number is looked at."""
    labels = np.array(labels, np.int64)
    count, names = len(labels), tuple(f"class {k}" for k in range(labels.max() + 1))
    index = tuple(
        IndexRow(f"{names[label]}/{row:05d}.png", names[label], f"{row:064x}", f"{row:064x}", "PNG", 1, 9, 9)
        for row, label in enumerate(labels.tolist())
    )
    packed = PackedSet(np.broadcast_to(np.uint8(0), (count, side, side)), labels, names, index)
    group = np.arange(count) if groups is None else np.array(groups, np.int64)
    table = Assignment(names, labels, np.full(count, "train"), np.full(count, -1), 0, group)
    return new_study(packed, table, seed)


def uneven(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def budget(minutes=30.0, workers=2, speed=105.0):
    """Slower for larger nets and pictures, as real ones are; `speed`: of ResNet-18 at 96 px."""
    nets = {"resnet18": 1.0, "resnet34": 0.55, "resnet101": 0.28}
    return Budget(60 * minutes, workers, lambda model, side: speed * nets.get(model, 1.0) * (96 / side) ** 2)


XSDD = uneven(300, 116, 85, 58, 37, 19, 8)

sets = st.integers(2, 5).flatmap(
    lambda classes: st.lists(
        st.tuples(st.integers(0, classes - 1), st.integers(1, 4)), min_size=classes + 2, max_size=60
    )
)
"""(class, size) of each group."""


def study_of(groups):
    labels = [label for label, size in groups for _ in range(size)]
    numbers = [number for number, (_, size) in enumerate(groups) for _ in range(size)]
    classes = {label: place for place, label in enumerate(sorted(set(labels)))}
    return made_study([classes[label] for label in labels], numbers)


@settings(max_examples=40, deadline=None)
@given(sets, st.floats(0.05, 60), st.integers(1, 16), st.floats(5, 5000))
@example([*[(0, 1)] * 13, (1, 2)], 6.0, 5, 11.0)  # time is left for the smallest folds of a question alone
def test_no_plan_is_over_budget_and_all_photographs_are_judged_by_nets_that_have_not_seen_their_group(
    groups, minutes, workers, speed
):
    study = study_of(groups)
    allowed = budget(minutes, workers, speed)
    if len(study.class_names) < 2:
        return
    try:
        plan = make_plan(study, recipe(resolution=96), allowed)
    except ParameterError:
        return
    own = allowed.speed(plan.recipe.model, plan.recipe.resolution)
    sure = [each for each in plan.trainings if each.kind not in plan.if_time]
    seconds = sum(
        each.recipe.epochs * len(each.taught) / allowed.speed(each.recipe.model, each.recipe.resolution)
        for each in sure
    )
    # Epochs are whole: of another net half of one more may be.
    rest = sum(len(each.taught) for each in sure if each.kind == "nets") / own * 4
    assert seconds <= workers * allowed.seconds * (1 - RESERVE) + rest
    assert plan.seconds <= allowed.seconds * (1 - RESERVE)
    takes = sum(takes for each, takes in zip(plan.trainings, plan.takes, strict=True) if each in sure)
    assert takes / workers <= plan.seconds + 1e-6

    together = {}
    for each in plan.trainings:
        together.setdefault((each.kind, each.setting), []).append(each)
        assert not set(each.taught) & set(each.judged)
        assert not set(study.group[each.taught]) & set(study.group[each.judged])
    for (kind, _), trainings in together.items():
        judged = np.sort(np.concatenate([each.judged for each in trainings]))
        if kind != "nets":
            assert judged.tolist() == study.rows.tolist()
        assert len(set(judged.tolist())) == len(judged)
    # The last ones wait for time that is left.
    assert [kind for kind in KINDS if kind not in plan.if_time] + list(plan.if_time) == list(KINDS)
    assert [each.kind for each in plan.trainings] == sorted((each.kind for each in plan.trainings), key=KINDS.index)


@settings(max_examples=30, deadline=None)
@given(sets)
def test_smaller_shares_are_parts_of_larger_ones_in_whole_groups(groups):
    study = study_of(groups)
    for fold in range(FOLDS):
        larger = study.taught(fold)
        for share in sorted(SHARES.values(), reverse=True):
            rows = study.taught_share(fold, share)
            assert set(rows) <= set(larger)
            outside = np.setdiff1d(study.taught(fold), rows)
            assert not set(study.group[rows]) & set(study.group[outside])
            larger = rows


@settings(max_examples=30, deadline=None)
@given(sets)
def test_shuffled_labels_go_from_group_to_group(groups):
    study = study_of(groups)
    labels = shuffled_labels(study)
    given_, dealt = [], []
    for number in np.unique(study.group[study.rows]):
        rows = study.rows[study.group[study.rows] == number]
        (label,) = set(labels[rows].tolist())
        dealt.append(label)
        given_.append(int(study.packed.labels[rows[0]]))
    assert sorted(dealt) == sorted(given_)


def test_thirty_minutes_on_two_cores_answer_everything():
    plan = make_plan(made_study(XSDD), recipe(resolution=96), budget())
    assert plan.if_time == ()
    assert plan.recipe.resolution == 96
    assert 15 <= plan.recipe.epochs <= 40
    assert plan.overfit == ("resnet18", "resnet101")
    kinds = [each.kind for each in plan.trainings]
    assert {kind: kinds.count(kind) for kind in KINDS} == {"folds": 5, "curve": 15, "shuffled": 5, "nets": 6}
    epochs = {each.setting: each.recipe.epochs for each in plan.trainings if each.kind == "curve"}
    assert epochs["1/8"] > epochs["1/4"] > epochs["1/2"] > plan.recipe.epochs


def test_with_less_time_epochs_then_resolution_then_questions_go():
    study = made_study(XSDD)
    plans = [make_plan(study, recipe(resolution=96), budget(minutes)) for minutes in (500, 60, 20, 11, 7, 4)]
    assert plans[0].recipe.epochs == 80
    assert plans[0].if_time == ()
    asked = [(len(KINDS) - len(plan.if_time), plan.recipe.resolution, plan.recipe.epochs) for plan in plans]
    assert asked == sorted(asked, reverse=True)
    assert plans[-1].if_time
    with pytest.raises(ParameterError, match=r"feasibility.minutes: wanted \d+ or more for 623 photographs"):
        make_plan(study, recipe(resolution=96), budget(1))


def test_time_that_is_asked_for_is_enough():
    study = made_study(XSDD)
    with pytest.raises(ParameterError) as error:
        make_plan(study, recipe(resolution=96), budget(0.5))
    minutes = int(str(error.value).split("wanted ")[1].split()[0])
    assert make_plan(study, recipe(resolution=96), budget(minutes)).trainings


def test_tiny_set_is_shown_for_several_times_as_many_epochs():
    plan = make_plan(made_study(uneven(10, 8, 6)), recipe(resolution=96), budget())
    folds = [each for each in plan.trainings if each.kind == "folds"]
    assert {each.recipe.epochs for each in folds} == {plan.recipe.epochs}
    assert 80 < plan.recipe.epochs <= 4 * 80
    assert all(each.recipe.epochs * len(each.taught) >= LEAST_SHOWN for each in folds)


def test_share_that_is_no_other_one_is_left_out():
    assert curve_shares(made_study(uneven(40, 40))) == ["1/2", "1/4", "1/8"]
    assert curve_shares(made_study(uneven(5, 5))) == ["1/2", "1/8"]
    assert curve_shares(made_study(uneven(2, 2))) == ["1/8"]


def test_other_nets_take_the_time_of_the_recipes_own():
    plan = make_plan(made_study(XSDD), recipe(resolution=96), allowed := budget())
    own = plan.recipe.epochs / allowed.speed("resnet18", 96)
    nets = {each.setting: each.recipe for each in plan.trainings if each.kind == "nets"}
    assert list(nets) == ["resnet18 128 px", "resnet34 96 px", "resnet34 128 px"]
    for net in nets.values():
        one_epoch = 1 / allowed.speed(net.model, net.resolution)
        assert abs(net.epochs * one_epoch - own) <= 0.501 * one_epoch


def test_net_that_cannot_be_trained_here_is_left_out():
    known = budget()
    allowed = Budget(
        known.seconds, known.workers, lambda net, side: 0.0 if net == "resnet34" else known.speed(net, side)
    )
    plan = make_plan(made_study(XSDD), recipe(resolution=96), allowed)
    assert {each.setting for each in plan.trainings if each.kind == "nets"} == {"resnet18 128 px"}


def test_speeds_that_no_plan_needs_are_not_asked_for():
    asked, known = set(), budget()

    def speed(net, side):
        asked.add((net, side))
        return known.speed(net, side)

    make_plan(made_study(XSDD), recipe(resolution=96), Budget(known.seconds, 2, speed))
    assert ("resnet18", 64) not in asked


@pytest.mark.parametrize(("labels", "groups"), [([0] * 9, None), ([0, 1] * 4, [0] * 8)])
def test_what_cannot_be_studied_is_said(labels, groups):
    with pytest.raises(DataError, match="feasibility: wanted"):
        make_plan(made_study(labels, groups), recipe(), budget())


def test_probe_follows_the_recipe_but_for_what_needs_validation_or_another_process():
    given_ = recipe(mode="overfit", final="retrain", schedule="plateau", launcher="torchrun", compile=True, threads=8)
    probe = as_probe(given_, seed=7)
    assert (probe.mode, probe.schedule, probe.launcher, probe.compile, probe.threads) == (
        "normal",
        "cosine",
        "python",
        False,
        1,
    )
    assert probe.seed == 7
    assert weaker(probe, given_) == ("schedule cosine, not plateau",)
    assert weaker(of_epochs(probe, 27), recipe()) == ("27 epochs, not 80",)


def test_moves_of_the_rate_come_after_the_same_share_of_the_epochs():
    given_ = recipe(warmup_epochs=2, schedule="steps", lr_steps={41: 0.1, 61: [10, 0.5], 90: 0.1})
    short = of_epochs(as_probe(given_, 0), 20)
    assert short.lr_steps == {11: (0.1,), 16: (10.0, 0.5)}
    assert (short.epochs, short.warmup_epochs) == (20, 1)


def test_stop_ends_the_probe():
    probe = as_probe(recipe(schedule="steps", lr_steps={20: 0.1, 41: "stop", 60: 0.1}), 0)
    assert (probe.epochs, probe.lr_steps) == (40, {20: (0.1,)})


@given(st.integers(32, 600), st.integers(32, 600))
def test_resolution_to_compare_with_is_stored(resolution, stored):
    other = another(resolution, max(resolution, stored))
    assert 32 <= other <= max(resolution, stored)
    assert smaller(resolution) <= max(32, resolution)
