"""One's own photographs: `weldproof use`, growing, and going back."""

import pytest
from checkout import checkout
from conftest import SHARED_DATA, encode, files_below, make_set, texture

from pipeline.data.packed import open_packed
from pipeline.params import read_params, replace_value


@pytest.fixture
def fresh(tmp_path):
    project = checkout(tmp_path / "project", {"crack": 3, "sound_bead": 3})
    replace_value("evaluate", "sound_class", "sound_bead", project.folder / "params.yaml")
    project.commit("the sample set's sound class")
    return project


def test_use_grow_and_see_what_changed(fresh, tmp_path):
    theirs = make_set(tmp_path / "Their photos", {"good": 8, "bad ones": 6})
    (theirs / "good" / "notes.txt").write_text("not a photograph")
    before = files_below(theirs)
    output = fresh.run("python", "-m", "pipeline", "use", theirs)
    assert "14 photographs of 2 classes, copied to data/raw/Their_photos" in output
    assert "dvc repro" in output
    assert files_below(theirs) == before
    assert files_below(fresh.folder / "data" / "raw" / "Their_photos") == before - {"good/notes.txt"}
    params = read_params(fresh.folder / "params.yaml")
    assert params["data"]["folder"] == "data/raw/Their_photos"
    assert params["evaluate"]["sound_class"] is None
    fresh.dvc("repro", "split")
    assert len(open_packed(fresh.folder / "data" / "packed").index) == 14
    fresh.commit("first photographs")

    (fresh.folder / "data" / "raw" / "Their_photos" / "good" / "new.png").write_bytes(encode(texture(500)))
    output = fresh.dvc("repro", "split")
    assert fresh.stages_run(output)[-4:] == ["resize", "pack_npy", "group", "split"]
    assert len(open_packed(fresh.folder / "data" / "packed").index) == 15
    changed = fresh.dvc("diff", "HEAD")
    assert "data/raw/Their_photos/good/new.png" in changed
    fresh.commit("one more")

    output = fresh.run("python", "-m", "pipeline", "use", "data/sample")
    assert "sample" in output
    assert read_params(fresh.folder / "params.yaml")["evaluate"]["sound_class"] == "sound_bead"
    fresh.dvc("repro", "split")
    assert len(open_packed(fresh.folder / "data" / "packed").index) == 6


def test_folder_inside_the_project_is_used_where_it_is(fresh):
    make_set(fresh.folder / "photos" / "mine", {"a": 4, "b": 4})
    replace_value("evaluate", "sound_class", "b", fresh.folder / "params.yaml")
    output = fresh.run("python", "-m", "pipeline", "use", "photos/mine")
    assert read_params(fresh.folder / "params.yaml")["evaluate"]["sound_class"] == "b"
    assert "used where it is, photos/mine" in output
    assert (fresh.folder / "photos" / "mine.dvc").is_file()
    fresh.dvc("repro", "split")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder.mkdir(), "found none"),
        (lambda folder: make_set(folder, {"only": 3}), "found one: only (3)"),
        (lambda folder: None, "no such folder"),
    ],
)
def test_use_of_what_is_no_set_changes_nothing(fresh, tmp_path, make, words):
    make(tmp_path / "theirs")
    output = fresh.run("python", "-m", "pipeline", "use", tmp_path / "theirs", check=False)
    assert output.startswith("error: ")
    assert words in output
    assert fresh.run("git", "status", "--porcelain") == ""


def test_use_twice_never_replaces_a_copy(fresh, tmp_path):
    theirs = make_set(tmp_path / "theirs", {"a": 3, "b": 3})
    fresh.run("python", "-m", "pipeline", "use", theirs)
    output = fresh.run("python", "-m", "pipeline", "use", theirs, check=False)
    assert "wanted a free place" in output
    fresh.run("python", "-m", "pipeline", "use", theirs, "--name", "again")


@pytest.mark.parametrize("name", ["xsdd_weld7", "weld_xray_4c"])
def test_real_photographs_go_through_the_data_stages(fresh, name):
    if not (SHARED_DATA / name).is_dir():
        pytest.skip(f"the real photographs of {name} are not beside this checkout")
    fresh.run("python", "-m", "pipeline", "use", SHARED_DATA / name)
    fresh.dvc("repro", "split")
    packed = open_packed(fresh.folder / "data" / "packed")
    assert len(packed.index) == {"xsdd_weld7": 623, "weld_xray_4c": 140}[name]
