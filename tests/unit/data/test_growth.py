"""Whatever the history, `resize` and `pack_npy` leave the bytes that a build from nothing leaves."""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import encode, files_below, make_set, texture
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.data import fingerprints, pack, resize, squares
from pipeline.data.find import find_photographs
from pipeline.data.pack import pack as pack_squares
from pipeline.data.resize import ResizeParams, resize_photographs
from pipeline.errors import PipelineError

CLASSES = ("a", "b", "c")
NAMES = st.sampled_from([f"{stem}{ending}" for stem in ("x", "y", "z", "deep/x", "ü") for ending in (".png", ".jpg")])


def run(source, place, size, on_error="skip", verify=False):
    """Run both stages as their scripts do, with `place` as the project's folder; return the bytes of all outputs."""
    here = Path.cwd()
    os.chdir(place)
    try:
        listing = find_photographs(source)
        resize_photographs(source, listing, Path("resized"), ResizeParams(size=size, on_error=on_error), verify)
        pack_squares(Path("resized"), Path("packed"), verify)
    finally:
        os.chdir(here)
    return {
        (folder, path): (place / folder / path).read_bytes()
        for folder in ("resized", "packed")
        for path in files_below(place / folder)
    }


def run_or_fail(source, place, size, verify):
    """As `run`; the text of the error where there is one."""
    try:
        return run(source, place, size, verify=verify)
    except PipelineError as error:
        return str(error)


class Growth(RuleBasedStateMachine):
    """A folder of photographs and its outputs, to which everything happens that can."""

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.source, self.place = self.root / "in", self.root / "place"
        self.place.mkdir()
        self.size = 16
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(fingerprints, "SETTLED", 10_000_000)
        # Sheets of up to 9, so that few photographs make several.
        self.patch.setattr(resize.sheets, "SHEET_SIDE", 48)
        self.count = 0

    @initialize()
    def begin(self):
        make_set(self.source, dict.fromkeys(CLASSES, 4))
        run(self.source, self.place, self.size)

    def teardown(self):
        self.patch.undo()
        shutil.rmtree(self.root)

    def photographs(self):
        return sorted(path for path in self.source.rglob("*") if path.is_file())

    def choose(self, data, folder=None):
        found = self.photographs() if folder is None else sorted(p for p in folder.rglob("*") if p.is_file())
        return data.draw(st.sampled_from(found)) if found else None

    @rule(name=NAMES, class_name=st.sampled_from(CLASSES), seed=st.integers(0, 5))
    def add_or_change(self, name, class_name, seed):
        path = self.source / class_name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(texture(seed, 20 + seed, 30), path.suffix))

    @rule(data=st.data())
    def change_in_place_and_set_the_time_back(self, data):
        path = self.choose(data)
        before = path.stat()
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(data=st.data(), name=NAMES, class_name=st.sampled_from(CLASSES))
    def rename_or_relabel(self, data, name, class_name):
        target = self.source / class_name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        self.choose(data).rename(target)

    @rule(data=st.data())
    def copy(self, data):
        path = self.choose(data)
        self.count += 1
        shutil.copy2(path, path.with_name(f"copy{self.count}{path.suffix}"))

    @rule(data=st.data())
    def remove(self, data):
        path = self.choose(data)
        if sum(p.parent == path.parent for p in self.photographs()) > 2:
            path.unlink()

    @rule(data=st.data())
    def make_unreadable(self, data):
        self.choose(data).write_bytes(b"no picture")

    @precondition(lambda self: (self.place / "packed").exists())
    @rule(data=st.data(), folder=st.sampled_from(["resized", "packed"]), how=st.sampled_from(["flip", "cut", "remove"]))
    def damage_an_output(self, data, folder, how):
        path = self.choose(data, self.place / folder)
        if path is None:
            return
        content = bytearray(path.read_bytes())
        if how == "remove":
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif content:
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] ^= 0xFF
            path.write_bytes(content)

    @precondition(lambda self: (self.place / "resized").exists())
    @rule(data=st.data())
    def edit_a_sheet_by_hand(self, data):
        sheets = sorted((self.place / "resized").rglob("*.png"))
        if sheets:
            path = data.draw(st.sampled_from(sheets))
            sheet = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if sheet is not None:
                path.write_bytes(encode(255 - sheet))

    @rule(folder=st.sampled_from(["resized", "packed"]))
    def put_something_else_beside(self, folder):
        if (self.place / folder).is_dir():
            (self.place / folder / ("a" if folder == "resized" else "notes.txt")).with_suffix(".txt").write_text("mine")

    @rule(size=st.sampled_from([16, 24]))
    def change_the_size(self, size):
        self.size = size

    @rule(level=st.integers(0, 2))
    def change_the_code(self, level):
        def read(data, size):
            seen = READ(data, size)
            return seen._replace(square=seen.square // (level + 1))

        self.patch.setattr(resize, "code_version", lambda modules, packages: f"version {level}")
        self.patch.setattr(squares, "read_photograph", read)

    @rule()
    def let_time_pass(self):
        time.sleep(0.015)

    @rule(after=st.integers(0, 6))
    def interrupt(self, after):
        calls = iter(range(after))

        def write(path, data, write=resize.write_bytes):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            write(path, data)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(resize, "write_bytes", write)
            with suppress(KeyboardInterrupt, PipelineError):
                run(self.source, self.place, self.size)

    @rule(verify=st.booleans())
    def build_and_compare(self, verify):
        fresh = Path(tempfile.mkdtemp(dir=self.root))
        wanted, found = (run_or_fail(self.source, place, self.size, verify) for place in (fresh, self.place))
        if isinstance(wanted, str):
            assert found == wanted
            return
        ours = {key: data for key, data in found.items() if key[1] != "notes.txt"}
        assert ours.keys() == wanted.keys()
        assert [key for key in wanted if ours[key] != wanted[key]] == []

    @invariant()
    def photographs_are_never_written_to(self):
        assert not list(self.source.rglob(".*")) if self.source.exists() else True


READ = squares.read_photograph


def test_any_history_ends_as_a_build_from_nothing():
    run_state_machine_as_test(
        Growth,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.fixture
def decoded(monkeypatch):
    """The number of photographs that were decoded, in a list that grows."""
    calls = []
    monkeypatch.setattr(squares, "read_photograph", lambda data, size: calls.append(size) or READ(data, size))
    return calls


@pytest.fixture
def built(photographs, tmp_path, decoded):
    place = tmp_path / "place"
    place.mkdir()
    run(photographs, place, 32)
    decoded.clear()
    return place


def test_only_what_is_new_is_decoded(photographs, built, decoded):
    (photographs / "crack" / "new.png").write_bytes(encode(texture(77)))
    (photographs / "pore" / "001.png").write_bytes(encode(texture(78)))
    run(photographs, built, 32)
    assert len(decoded) == 2


def test_renaming_relabelling_and_removing_decode_nothing(photographs, built, decoded):
    (photographs / "crack" / "000.png").rename(photographs / "crack" / "zz.png")
    (photographs / "crack" / "001.png").rename(photographs / "sound" / "001 from crack.png")
    (photographs / "pore" / "001.png").unlink()
    run(photographs, built, 32)
    assert decoded == []


def test_renaming_a_class_decodes_nothing_and_leaves_its_sheets(photographs, built, decoded):
    before = {path.read_bytes() for path in (built / "resized" / "crack").iterdir()}
    (photographs / "crack").rename(photographs / "split")
    run(photographs, built, 32)
    assert decoded == []
    assert {path.read_bytes() for path in (built / "resized" / "split").iterdir()} == before


def test_a_damaged_sheet_is_made_again_from_its_own_photographs_alone(photographs, built, decoded):
    sheet = next((built / "resized" / "pore").iterdir())
    sheet.write_bytes(sheet.read_bytes()[:-30])
    run(photographs, built, 32)
    assert 1 <= len(decoded) <= 5


def test_another_size_and_other_code_decode_everything(photographs, built, decoded, monkeypatch):
    run(photographs, built, 48)
    assert len(decoded) == 15
    monkeypatch.setattr(resize, "code_version", lambda *_: "another")
    run(photographs, built, 48)
    assert len(decoded) == 30


def test_nothing_is_written_where_nothing_is_new(photographs, built):
    sheets = {path: path.stat().st_ino for path in (built / "resized").rglob("*.png")}
    run(photographs, built, 32)
    assert {path: path.stat().st_ino for path in (built / "resized").rglob("*.png")} == sheets


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_outputs_that_are_links_are_never_written_through(photographs, built, tmp_path, link):
    """As DVC leaves them with `cache.type hardlink` or `symlink`: what they lead to is another version's data."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for number, path in enumerate(sorted(p for p in built.rglob("*") if p.is_file() and p.parent.name != ".weldproof")):
        kept = path.rename(cache / str(number))
        kept.chmod(0o444)
        link(kept, path)
    before = {path: path.read_bytes() for path in cache.iterdir()}
    (photographs / "crack" / "new.png").write_bytes(encode(texture(77)))
    (photographs / "pore" / "001.png").unlink()
    grown = run(photographs, built, 32)
    assert {path: path.read_bytes() for path in cache.iterdir()} == before
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert grown == run(photographs, fresh, 32)


def test_verify_reads_what_looks_untouched(photographs, built, decoded, monkeypatch):
    """A disk that lies: the bytes are others, and size, times and inode are what they were."""
    known = fingerprints.signature_of
    run(photographs, built, 32)
    victim = next((built / "resized").rglob("*.png"))
    untouched = known(victim)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    lie = lambda path: untouched if str(path).endswith(victim.name) else known(path)  # noqa: E731
    monkeypatch.setattr(fingerprints, "signature_of", lie)
    run(photographs, built, 32)
    assert victim.read_bytes() == content
    monkeypatch.setattr(
        fingerprints,
        "_signature",
        lambda status: untouched if status.st_ino == victim.stat().st_ino else SIGNATURE(status),
    )
    run(photographs, built, 32, verify=True)
    assert victim.read_bytes() != content


SIGNATURE = fingerprints._signature


def test_photograph_that_changes_while_it_is_read(photographs, tmp_path, monkeypatch):
    victim = photographs / "crack" / "003.png"

    def read(data, size):
        if victim.stat().st_size < 10**6:
            victim.write_bytes(b"x" * 10**6)
        return READ(data, size)

    monkeypatch.setattr(squares, "read_photograph", read)
    with pytest.raises(PipelineError, match=r"crack/003.png changed meanwhile|crack/003.png: wanted a BMP"):
        run(photographs, tmp_path, 32, on_error="fail")
    assert not (tmp_path / "resized").exists()


@pytest.mark.parametrize("how", ["replaced", "written to", "touched back"])
def test_photograph_that_changes_after_it_was_read(photographs, built, monkeypatch, how):
    """The former outputs stay, and the next run takes what is there then.

    Whether it is still being read when it changes is a matter of which thread comes first.
    """
    before = {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}
    victim = photographs / "crack" / "000.png"
    (photographs / "sound" / "new.png").write_bytes(encode(texture(77)))

    def read(data, size):
        times = victim.stat().st_atime_ns, victim.stat().st_mtime_ns
        if how == "replaced":
            other = photographs.parent / "other.png"
            other.write_bytes(encode(texture(78)))
            other.replace(victim)
        else:
            victim.write_bytes(encode(texture(78)))
        if how == "touched back":
            os.utime(victim, ns=times)
        return READ(data, size)

    with monkeypatch.context() as patch:
        patch.setattr(squares, "read_photograph", read)
        with pytest.raises(PipelineError, match=r"crack/000.png(: wanted a file at rest| changed meanwhile)"):
            run(photographs, built, 32)
    assert {path: path.read_bytes() for path in before} == before
    fresh = photographs.parent / "fresh"
    fresh.mkdir()
    assert run(photographs, built, 32) == run(photographs, fresh, 32)


def test_photograph_that_is_away_for_a_moment_is_not_skipped(photographs, tmp_path, monkeypatch):
    """Some programs remove a file before they write it anew. `skip` is for what cannot be read."""
    victim = photographs / "crack" / "003.png"
    content = victim.read_bytes()
    read = fingerprints.Fingerprints.read

    def away(self, path):
        if path != str(victim):
            return read(self, path)
        victim.unlink()
        try:
            return read(self, path)
        finally:
            victim.write_bytes(content)

    monkeypatch.setattr(fingerprints.Fingerprints, "read", away)
    with pytest.raises(PipelineError, match=r"crack/003.png changed meanwhile"):
        run(photographs, tmp_path, 32, on_error="skip")


@pytest.mark.parametrize("what", ["comes", "goes"])
def test_photograph_that_comes_or_goes_meanwhile(photographs, tmp_path, monkeypatch, what):
    victim = photographs / "crack" / ("new.png" if what == "comes" else "000.png")

    def read(data, size):
        if what == "comes":
            victim.write_bytes(encode(texture(9)))
        else:
            victim.unlink(missing_ok=True)
        return READ(data, size)

    monkeypatch.setattr(squares, "read_photograph", read)
    with pytest.raises(
        PipelineError, match=f"crack/{victim.name}.*(changed meanwhile|No such file|changing while it was read)"
    ):
        run(photographs, tmp_path, 32, on_error="fail")


def test_clock_that_goes_back(photographs, built, decoded):
    """Files from the future, as after a clock was set back, are read again each time, and a change is seen."""
    future = time.time_ns() + 10**13
    for path in photographs.rglob("*.png"):
        os.utime(path, ns=(future, future))
    run(photographs, built, 32)
    assert decoded == []
    path = photographs / "crack" / "000.png"
    path.write_bytes(encode(texture(55)))
    os.utime(path, ns=(future, future))
    run(photographs, built, 32)
    assert len(decoded) == 1


def test_rows_come_from_the_former_array(photographs, built, monkeypatch):
    def refuse(path):
        raise AssertionError(f"{path} was decoded")

    monkeypatch.setattr(pack, "_read_sheet", refuse)
    (photographs / "crack" / "000.png").rename(photographs / "sound" / "moved.png")
    run(photographs, built, 32)
    images = np.load(built / "packed" / "images.npy")
    assert len(images) == 15
