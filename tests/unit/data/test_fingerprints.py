"""A file that is not what it was is read again, whatever its size and times pretend; one that changes is refused."""

import os
import shutil
import time

import pytest

from pipeline.data import fingerprints
from pipeline.data.fingerprints import Fingerprints
from pipeline.errors import DataError

HOUR = 3600 * 10**9


@pytest.fixture
def photograph(tmp_path, monkeypatch):
    """A file of ten bytes that has been left alone for long enough to be trusted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fingerprints, "SETTLED", 20_000_000)
    path = tmp_path / "photograph"
    path.write_bytes(b"0123456789")
    time.sleep(0.05)
    return path


def learn(path):
    known = Fingerprints("table")
    known.read(str(path))
    known.save()


def other_bytes(path):
    path.write_bytes(b"9876543210")


def change_in_place(path):
    before = path.stat()
    other_bytes(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_by_a_copy_that_keeps_times(path):
    """cp -p other photograph"""
    other = path.with_name("other")
    other_bytes(other)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    shutil.copy2(other, path)


def change_by_rename(path):
    """rsync -a, tar, mv: another file with its times takes the place."""
    other = path.with_name("other")
    other_bytes(other)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def change_by_link(path):
    """cp -l: the same, by a second name of a file that stood there long before."""
    other = path.with_name("other")
    path.unlink()
    os.link(other, path)


@pytest.mark.parametrize(
    "change", [change_in_place, change_by_a_copy_that_keeps_times, change_by_rename, change_by_link]
)
def test_change_that_keeps_size_and_time_of_modification(photograph, change):
    other = photograph.with_name("other")
    other_bytes(other)
    os.utime(other, ns=(photograph.stat().st_atime_ns, photograph.stat().st_mtime_ns))
    time.sleep(0.05)
    learn(photograph)
    modified = photograph.stat().st_mtime_ns
    change(photograph)
    assert (photograph.stat().st_size, photograph.stat().st_mtime_ns) == (10, modified)
    assert Fingerprints("table").known(str(photograph)) is None


def test_untouched_file_is_known(photograph):
    """So that the tests around this one could fail."""
    learn(photograph)
    assert Fingerprints("table").known(str(photograph)) is not None


@pytest.mark.parametrize("hours", [-1, 1])
def test_time_that_was_set_by_hand(photograph, hours):
    """touch -d, also into the future, is a change; one from the future is trusted at no time."""
    learn(photograph)
    os.utime(photograph, ns=(0, time.time_ns() + hours * HOUR))
    assert Fingerprints("table").known(str(photograph)) is None
    time.sleep(0.05)
    learn(photograph)
    assert (Fingerprints("table").known(str(photograph)) is None) == (hours > 0)


def test_clock_that_was_set_back_before_the_file_was_read(photograph, monkeypatch):
    """The file's times then lie ahead: it may be written again within the same tick, and is read again."""
    monkeypatch.setattr(time, "time_ns", lambda: photograph.stat().st_mtime_ns - HOUR)
    learn(photograph)
    assert Fingerprints("table").known(str(photograph)) is None


def test_clock_that_was_set_back_after_the_file_was_read(photograph, monkeypatch):
    learn(photograph)
    monkeypatch.setattr(time, "time_ns", lambda: photograph.stat().st_mtime_ns - HOUR)
    assert Fingerprints("table").known(str(photograph)) is not None
    change_in_place(photograph)
    assert Fingerprints("table").known(str(photograph)) is None


def grow(path):
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path):
    os.truncate(path, 4)


@pytest.mark.parametrize(
    "change", [grow, shrink, change_in_place, change_by_rename, lambda path: path.unlink()], ids=lambda c: c.__name__
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_file_that_changes_while_it_is_read(photograph, monkeypatch, change, moment):
    """Just before, or just after its bytes are read, while it is open."""

    class Reader:
        def __init__(self, path, mode):
            self.file = open(path, mode)  # noqa: PTH123, SIM115

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def fileno(self):
            return self.file.fileno()

        def read(self):
            if moment == "before":
                change(photograph)
            data = self.file.read()
            if moment == "after":
                change(photograph)
            return data

    monkeypatch.setattr(fingerprints, "open", Reader, raising=False)
    with pytest.raises(DataError, match="photograph: wanted a file at rest, found it changing while it was read"):
        Fingerprints("table").read(str(photograph))


def test_table_that_cannot_be_kept_is_warned_of(photograph, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fingerprints, "write_bytes", full)
    learn(photograph)
    assert caplog.messages == [".weldproof/table.csv: No space left on device; the next run reads everything again"]
