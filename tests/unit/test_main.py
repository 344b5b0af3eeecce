import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from closure import ROOT
from conftest import assert_one_line_error, weldproof

from pipeline.data.adopt import home_of, plain_name
from pipeline.data.find import find_photographs
from pipeline.data.public_sets import ELPV_CLASSES, import_elpv
from pipeline.errors import DataError


def test_help_of_each_verb_is_its_manual():
    overview = weldproof("--help", folder=ROOT).stdout
    for verb, words in {"use": "dvc add", "import": "licence", "summary": "MLflow"}.items():
        assert verb in overview
        assert words in weldproof(verb, "--help", folder=ROOT).stdout


def test_installed_command_is_the_same():
    done = subprocess.run(
        [Path(sys.executable).with_name("weldproof"), "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout == weldproof("--help", folder=ROOT).stdout


def test_unknown_verb(tmp_path):
    done = weldproof("us", folder=ROOT)
    assert done.returncode == 2
    assert "invalid choice: 'us'" in done.stderr


def test_outside_a_project(tmp_path):
    assert_one_line_error(weldproof("summary", folder=tmp_path), "wanted a folder of the project")


def test_summary_before_the_first_run(tmp_path):
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert_one_line_error(weldproof("summary", folder=tmp_path / "deep" / "er"), "reports/scores.txt", "dvc repro")


@pytest.mark.parametrize(
    ("folder", "home"),
    [
        ("/elsewhere/My photos (2)", "data/raw/My_photos_2"),
        ("/elsewhere/...", "data/raw/photographs"),
        ("photos/in here", "photos/in here"),
        ("/elsewhere/schweißnähte", "data/raw/schweißnähte"),
    ],
)
def test_home_of_a_folder(tmp_path, monkeypatch, folder, home):
    monkeypatch.chdir(tmp_path)
    assert home_of(Path(folder), Path("data/raw"), []) == Path(home)


@pytest.mark.parametrize("folder", ['quo"te', "$HOME", "back`tick", "new\nline", "-dash"])
def test_home_that_no_command_can_name(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="plain name"):
        home_of(Path(folder), Path("data/raw"), [])


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (".", "holds this project"),
        ("..", "holds this project"),
        ("data", "stages write"),
        ("data/resized/crack", "stages write"),
    ],
)
def test_home_that_is_not_ones_own(tmp_path, monkeypatch, folder, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=words):
        home_of(Path(folder), Path("data/raw"), [Path("data/resized"), Path("models")])


@pytest.mark.parametrize("name", ["x$(touch PWNED)", "../../stolen", 'a"b', "", "...", "x" * 250, "ü b"])
def test_names_become_plain(name):
    assert re.fullmatch(r"\w[\w.-]{0,99}", plain_name(name))


def test_import_of_a_package_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr("pipeline.data.public_sets.find_spec", lambda _: None)
    with pytest.raises(DataError, match="pip install elpv-dataset"):
        import_elpv(tmp_path / "elpv")


def test_import_lays_out_a_folder_a_class(monkeypatch, tmp_path):
    """With the package's interface, not its photographs: they are under a licence that keeps them out of here."""
    images = np.random.default_rng(0).integers(0, 255, (8, 300, 300)).astype(np.uint8)
    package = tmp_path / "package" / "elpv_dataset"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "utils.py").write_text("data = None\ndef load_dataset():\n    return data\n")
    monkeypatch.syspath_prepend(package.parent)
    import elpv_dataset.utils

    elpv_dataset.utils.data = images, np.array([0, 1 / 3, 2 / 3, 1] * 2), np.array(["mono"] * 8)
    assert import_elpv(tmp_path / "elpv") == 8
    assert find_photographs(tmp_path / "elpv").counts() == dict.fromkeys(sorted(ELPV_CLASSES.values()), 2)
