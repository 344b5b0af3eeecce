import json
import re

import pytest
from closure import ROOT
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from pipeline.data.classes import ClassParams
from pipeline.data.find import DataParams
from pipeline.data.groups import GroupParams
from pipeline.data.resize import ResizeParams
from pipeline.data.sample import SampleParams
from pipeline.data.split import SplitParams
from pipeline.errors import ParameterError
from pipeline.evaluation.params import EvaluateParams
from pipeline.feasibility.params import FeasibilityParams
from pipeline.params import load_section, read_params, replace_value
from pipeline.report.params import ReportParams
from pipeline.training.recipe import TrainParams

SECTIONS = {
    "data": DataParams,
    "sample": SampleParams,
    "resize": ResizeParams,
    "group": GroupParams,
    "classes": ClassParams,
    "split": SplitParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "report": ReportParams,
    "feasibility": FeasibilityParams,
}


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    share: float = Field(ge=0, le=1)


class Example(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    epochs: int = Field(ge=1)
    lr: float = Field(gt=0)
    batch: str | int
    part: Part
    steps: dict[int, float]


GOOD = "x:\n  epochs: 3\n  lr: 1e-3\n  batch: all\n  part: {share: 0.5}\n  steps: {10: 0.1}\n"


def load(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    return load_section("x", Example, file)


def test_good_section(tmp_path):
    example = load(tmp_path, GOOD)
    assert (example.epochs, example.lr, example.batch, example.part.share) == (3, 0.001, "all", 0.5)
    assert example.steps == {10: 0.1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 3", "epochs: 0", "params.yaml: x.epochs: wanted a whole number >= 1, found 0"),
        ("epochs: 3", "epochs: 2.5", "x.epochs: wanted a whole number >= 1, found 2.5"),
        ("epochs: 3", "epochs: yes please", "x.epochs: wanted a whole number >= 1, found 'yes please'"),
        ("epochs: 3", "epochs:", "x.epochs: wanted a whole number >= 1, found null"),
        ("  epochs: 3\n", "", "x.epochs: wanted a whole number >= 1, found nothing"),
        ("epochs: 3", "epochs: 3\n  epoch: 3", "x.epoch: wanted no such key (perhaps `epochs`?), found it set to 3"),
        ("lr: 1e-3", "lr: fast", "x.lr: wanted a number > 0, found 'fast'"),
        ("batch: all", "batch: [1]", "x.batch: wanted text or a whole number, found [1]"),
        ("share: 0.5", "share: 1.5", "x.part.share: wanted a number >= 0 and <= 1, found 1.5"),
        ("share: 0.5", "shares: 0.5", "x.part.shares: wanted no such key (perhaps `share`?), found it set to 0.5"),
        ("{10: 0.1}", "{10: high}", "x.steps.10: wanted a number, found 'high'"),
        ("{10: 0.1}", "{ten: 0.1}", "x.steps: wanted other keys, found 'ten'"),
        ("part: {share: 0.5}", "part: 7", "x.part: wanted a mapping, found 7"),
        ("x:", "y:", "params.yaml: x: wanted a section of this name, found y"),
        ("epochs: 3", "epochs: [3", "params.yaml: wanted YAML, found line"),
        ("epochs: 3", "epochs: 3\n  epochs: 4", "params.yaml: wanted YAML, found line"),
    ],
)
def test_mistake_says_where_what_was_wanted_and_what_was_found(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(ParameterError) as error:
        load(tmp_path, GOOD.replace(old, new))
    assert message in str(error.value)


@pytest.mark.parametrize(("section", "found"), [("x:", "null"), ("x: []", "[]"), ("x: 3", "3"), ("x: all", "'all'")])
def test_a_section_that_is_none(tmp_path, section, found):
    with pytest.raises(ParameterError, match=re.escape(f"params.yaml: x: wanted a mapping, found {found}")):
        load(tmp_path, f"{section}\n")


def test_all_mistakes_at_once(tmp_path):
    with pytest.raises(ParameterError) as error:
        load(tmp_path, GOOD.replace("epochs: 3", "epochs: 0").replace("1e-3", "-1"))
    assert len(str(error.value).splitlines()) == 2


def test_missing_file(tmp_path):
    with pytest.raises(ParameterError, match="wanted the parameters file"):
        load_section("x", Example, tmp_path / "params.yaml")


def test_project_params_are_valid_and_every_section_has_a_reader():
    assert set(read_params(ROOT / "params.yaml")) == set(SECTIONS)
    for name, model in SECTIONS.items():
        load_section(name, model, ROOT / "params.yaml")


def test_original_recipe_in_the_docs_is_a_valid_section(tmp_path):
    document = (ROOT / "docs" / "original-recipe.md").read_text()
    block = document.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "params.yaml").write_text(block)
    recipe = load_section("train", TrainParams, tmp_path / "params.yaml")
    assert (recipe.model, recipe.batch_size, recipe.optimizer, recipe.lr) == ("resnet101", "all", "sgd", 0.001)
    assert recipe.normalization == "none"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sound_class", 1, "evaluate.sound_class: wanted text or null, found 1"),
        ("false_alarm_rate", 1.5, "evaluate.false_alarm_rate: wanted a number > 0 and < 1, found 1.5"),
        ("costs", {"crack": {"pore": -2.0}}, "evaluate.costs.crack.pore: wanted a number >= 0, found -2.0"),
        ("costs", {"crack": 20}, "evaluate.costs.crack: wanted a mapping, found 20"),
        ("costs", {1: {"pore": 2}}, "evaluate.costs: wanted other keys, found 1"),
        ("costs", "high", "evaluate.costs: wanted a mapping or null, found 'high'"),
    ],
)
def test_mistakes_in_how_to_evaluate(tmp_path, key, value, message):
    section = read_params(ROOT / "params.yaml")["evaluate"] | {key: value}
    (tmp_path / "params.yaml").write_text(json.dumps({"evaluate": section}).replace('{"1":', "{1:"))
    with pytest.raises(ParameterError) as error:
        load_section("evaluate", EvaluateParams, tmp_path / "params.yaml")
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["a:\n  b:\nc: 1\n", "a:\n  b:   # why\nc: 1\n", "a:\n  b: null\nc: 1\n"])
def test_replace_value_of_nothing(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    replace_value("a", "b", "new", file)
    assert read_params(file) == {"a": {"b": "new"}, "c": 1}
    assert ("# why" in text) == ("# why" in file.read_text())


def test_replace_value_by_null(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("a:\n  b: c # why\n")
    replace_value("a", "b", None, file)
    assert file.read_text() == "a:\n  b: null # why\n"
    replace_value("a", "b", "c", file)
    assert file.read_text() == "a:\n  b: c # why\n"


@given(value=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
def test_replace_value_changes_that_value_alone(tmp_path_factory, value):
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    before = "# head\na:\n  folder: old/place   # why\n  other: {x: 1,   y: 2}\nb:\n  folder: other\n"
    file.write_text(before)
    replace_value("a", "folder", value, file)
    assert read_params(file) == {"a": {"folder": value, "other": {"x": 1, "y": 2}}, "b": {"folder": "other"}}
    changed = [
        (old, new) for old, new in zip(before.split("\n"), file.read_text().split("\n"), strict=True) if old != new
    ]
    assert all(old.startswith("  folder: old/place") and new.endswith("   # why") for old, new in changed)


@pytest.mark.parametrize("text", ["a:\n  b:\nc: 1\n", "a:\n  b: |\n    text\nc: 1\n", "a:\nc: 1\n", "a: 3\n"])
def test_replace_value_that_cannot_be_replaced_in_its_place(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    try:
        replace_value("a", "b", "new", file)
    except ParameterError:
        assert file.read_text() == text
    else:
        assert read_params(file) == {"a": {"b": "new"}, "c": 1}


@pytest.mark.parametrize(
    "old",
    [
        "{}",
        "{1: 2}",
        "{30: 0.1,\n    40: [auto, 10]}",
        "\n    30: 0.1  # down\n    40:\n    - auto\n    - 10",
        "\n    30: 0.1\n    40: {x: 1}",
        "3",
    ],
)
def test_replace_value_by_a_table_keeps_what_follows(tmp_path, old):
    """As `weldproof lr keep` writes the moves, whatever way the former ones are written in."""
    file = tmp_path / "params.yaml"
    file.write_text(f"a:\n  steps: {old}\n  # of the next\n  b: 1\n# the end\nc: {{}}\n")
    value = {2: 0.1, 7: ["auto", 1e-05, "set 0.0003"], 9: "stop"}
    replace_value("a", "steps", value, file)
    assert read_params(file) == {"a": {"steps": value, "b": 1}, "c": {}}
    assert file.read_text().endswith("\n  # of the next\n  b: 1\n# the end\nc: {}\n")


def test_replace_value_of_a_missing_key(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("a:\n  b: c\n")
    with pytest.raises(ParameterError, match=r"a\.folder: wanted this key"):
        replace_value("a", "folder", "x", file)
    assert file.read_text() == "a:\n  b: c\n"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("drop", [0], "classes.drop.0: wanted text, found 0"),
        ("merge", {"a": ["b", True]}, "classes.merge.a.1: wanted text, found true"),
    ],
)
def test_folders_whose_names_yaml_takes_for_something_else(tmp_path, key, value, message):
    section = read_params(ROOT / "params.yaml")["classes"] | {key: value}
    (tmp_path / "params.yaml").write_text(json.dumps({"classes": section}))
    with pytest.raises(ParameterError, match=re.escape(message)):
        load_section("classes", ClassParams, tmp_path / "params.yaml")
