"""Photographs that come, go or change between `resize` and `pack_npy`."""

import os
from pathlib import Path

import pytest
from conftest import encode, files_below, make_set, texture

from pipeline.data import fingerprints
from pipeline.data.at_rest import NOTE_NAME, check_at_rest
from pipeline.data.find import find_photographs
from pipeline.data.manifest import read_manifest
from pipeline.data.pack import pack
from pipeline.data.resize import ResizeParams, resize_photographs
from pipeline.errors import DataError

SOURCE, RESIZED = Path("photographs"), Path("resized")
VICTIM = SOURCE / "crack" / "000.png"


def resize():
    resize_photographs(SOURCE, find_photographs(SOURCE), RESIZED, ResizeParams(size=32, on_error="skip"))


def check():
    check_at_rest(SOURCE, RESIZED, read_manifest(RESIZED))


@pytest.fixture(autouse=True)
def resized(tmp_path, monkeypatch):
    """Two classes, one file of which is no photograph, as `resize` left them."""
    monkeypatch.chdir(tmp_path)
    make_set(SOURCE, {"crack": 4, "sound": 5})
    (SOURCE / "crack" / "broken.png").write_bytes(b"none")
    resize()


@pytest.mark.parametrize("name", ["crack/new.png", "crack/000.png", "sound/004.png", "crack/broken.png"])
@pytest.mark.parametrize("how", ["comes or changes", "as old as before", "goes", "moves"])
def test_photograph_that_is_not_what_resize_saw(name, how):
    path = SOURCE / name
    if how in {"goes", "moves"} and not path.exists():
        pytest.skip("nothing there")
    if how == "goes":
        path.unlink()
    elif how == "moves":
        path.rename(path.with_name("moved.png"))
    else:
        times = path.stat().st_mtime_ns if path.exists() else 0
        path.write_bytes(encode(texture(77)))
        if how == "as old as before":
            os.utime(path, ns=(times, times))
    with pytest.raises(DataError, match=r"photographs: wanted photographs at rest, found .* changed meanwhile"):
        pack(RESIZED, Path("packed"), source=SOURCE)
    assert not Path("packed").exists()
    assert name in (RESIZED / NOTE_NAME).read_text().splitlines()
    resize()
    check()
    assert NOTE_NAME not in files_below(RESIZED)


def test_photographs_that_were_written_again_are_read_again():
    """A checkout of the same data gives other times and inodes, and the same photographs."""
    for path in SOURCE.rglob("*.png"):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    check()
    # Also where nothing is known of them.
    (fingerprints.STATE_FOLDER / "resize.csv").unlink()
    check()
    assert NOTE_NAME not in files_below(RESIZED)


def test_photographs_that_nobody_touched_are_not_read(monkeypatch):
    for path in SOURCE.rglob("*.png"):
        os.utime(path, ns=(0, 0))
    monkeypatch.setattr(fingerprints, "SETTLED", 0)
    resize()
    read = []
    monkeypatch.setattr(fingerprints.Fingerprints, "read", lambda _self, path: read.append(path))
    check()
    assert read == []


def test_photograph_that_changes_at_this_moment(monkeypatch):
    VICTIM.write_bytes(encode(texture(78)))

    def changing(_self, path):
        raise DataError(f"{path}: changing while it was read")

    monkeypatch.setattr(fingerprints.Fingerprints, "read", changing)
    with pytest.raises(DataError, match=r"found crack/000.png.* changed meanwhile"):
        check()


def test_only_what_resize_made_is_here():
    """As after `dvc pull` of the sheets alone, for `dvc repro --allow-missing`."""
    SOURCE.rename("elsewhere")
    check()
    assert len(pack(RESIZED, Path("packed"), source=SOURCE).labels) == 9
