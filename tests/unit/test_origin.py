"""What a run is called by: what differs from the committed parameters."""

import pytest
from conftest import commit_params
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.origin import _cut, _differences, run_name

TITLE = "resnet18 64px adamw lr 0.0005"
COMMITTED = """\
data: {folder: data/sample}
split: {folds: 0, seed: 0}
train: {model: resnet18, epochs: 20, lr: 5e-4, lr_steps: {}, test_time_flips: true, augment: {blur: 0.0, erase: 0.2}}
evaluate: {seed: 0}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    (folder / "params.yaml").write_text(COMMITTED)
    commit_params(folder)
    return folder


@pytest.fixture
def here(repository, monkeypatch):
    monkeypatch.chdir(repository)
    for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)


def params(**train):
    recipe = {"model": "resnet18", "epochs": 20, "lr": 5e-4, "lr_steps": {}, "test_time_flips": True}
    recipe |= {"augment": {"blur": 0.0, "erase": 0.2}} | train
    return {
        "data": {"folder": "data/sample"},
        "split": {"folds": 0, "seed": 0},
        "train": recipe,
        "evaluate": {"seed": 0},
    }


@pytest.mark.parametrize(
    ("train", "name"),
    [
        ({"lr": 0.001}, "lr=0.001"),
        ({"lr": 1e-3, "epochs": 40}, "epochs=40 lr=0.001"),
        ({"lr_steps": {30: 0.1, 40: "auto"}}, "lr_steps={30: 0.1, 40: 'auto'}"),
        ({"augment": {"blur": 1.0, "erase": 0.2}}, "augment.blur=1"),
        ({"test_time_flips": False}, "test_time_flips=false"),
        ({"model": None}, "model=null"),
        ({"epochs": 20.0}, TITLE),
    ],
)
def test_name_says_what_differs(here, train, name):
    assert run_name(TITLE, params(**train)) == name


def test_other_sections_are_named_after_train_and_what_no_training_depends_on_not_at_all(here):
    now = params(lr=0.001)
    now["split"]["folds"] = 5
    now["evaluate"]["seed"] = 9
    assert run_name(TITLE, now) == "lr=0.001 split.folds=5"


def test_experiment_that_changes_no_parameter_has_its_name(here, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "gouty-twin")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "HEAD")
    assert run_name(TITLE, params()) == f"gouty-twin: {TITLE}"
    assert run_name(TITLE, params(lr=0.001)) == "lr=0.001"
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0" * 40)
    assert run_name(TITLE, params(lr=0.001)) == f"gouty-twin: {TITLE}"


@pytest.mark.parametrize("text", [None, "a: [", "- a\n- b\n", "", "a: &a\n  b: *a\n", b"a: \xff\n"])
def test_no_params_to_compare_with_cost_nothing(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    if text is not None:
        (tmp_path / "params.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        commit_params(tmp_path)
    assert run_name(TITLE, {}) == TITLE


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_no_difference_is_hidden(now, then):
    assert not list(_differences(now, now, ()))
    if _without_nulls(now) != _without_nulls(then):
        assert list(_differences(now, then, ()))


def _without_nulls(value):
    return {k: _without_nulls(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value


@given(st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=60), min_size=1, max_size=20))
def test_long_names_are_cut_between_two_parameters(told):
    name = _cut(told)
    assert len(name) <= 100 + len(" and 19 more")
    assert name.startswith(told[0])
    left = int(name.rpartition(" and ")[2].split()[0]) if name != " ".join(told) else 0
    assert name == " ".join(told[: len(told) - left]) + (f" and {left} more" if left else "")
