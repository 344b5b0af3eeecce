import os
from pathlib import Path

import pytest
from conftest import files_below

from pipeline.errors import DataError
from pipeline.files import append_range, new_files, new_folder, read_columns, read_csv, write_bytes, write_csv


def test_new_folder_takes_the_place_of_the_old_one(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (place / "old").write_text("old")
    with new_folder(place) as folder:
        (folder / "new").write_text("new")
        assert files_below(place) == {"old"}
    assert files_below(tmp_path) == {"place/new"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("context", [new_folder, new_files])
def test_failure_leaves_the_place_as_it_was(tmp_path, error, context):
    place = tmp_path / "place"
    place.mkdir()
    (place / "old").write_text("old")

    def fail():
        with context(place) as folder:
            (folder / "half").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert files_below(tmp_path) == {"place/old"}
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_what_a_killed_process_left_is_cleared(tmp_path):
    (tmp_path / ".place.partial").mkdir()
    (tmp_path / ".place.partial" / "half").write_text("half")
    with new_folder(tmp_path / "place") as folder:
        (folder / "new").write_text("new")
    assert files_below(tmp_path) == {"place/new"}


def test_new_files_replaces_its_own_and_leaves_the_rest(tmp_path):
    place = tmp_path / "place"
    (place / "pictures").mkdir(parents=True)
    (place / "pictures" / "gone").write_text("")
    (place / "theirs").write_text("theirs")
    (place / "table").write_text("old")
    with new_files(place) as folder:
        (folder / "pictures").mkdir()
        (folder / "pictures" / "new").write_text("")
        (folder / "table").write_text("new")
    assert files_below(tmp_path) == {"place/theirs", "place/table", "place/pictures/new"}
    assert (place / "table").read_text() == "new"


@pytest.mark.parametrize(("old", "new"), [("file", "folder"), ("folder", "file"), ("folder", "folder")])
def test_new_files_replaces_a_folder_by_a_file_and_the_other_way(tmp_path, old, new):
    def make(place, kind):
        if kind == "folder":
            place.mkdir()
            place = place / kind
        place.write_text(kind)

    (tmp_path / "place").mkdir()
    make(tmp_path / "place" / "same", old)
    with new_files(tmp_path / "place") as folder:
        make(folder / "same", new)
    assert files_below(tmp_path) == {"place/same/folder" if new == "folder" else "place/same"}


def test_file_is_never_away_while_it_is_replaced(tmp_path, monkeypatch):
    """Whoever is killed just then leaves the old one or the new one."""
    table = tmp_path / "place" / "table"
    table.parent.mkdir()
    table.write_text("old")
    unlinked = []
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **options: unlinked.append(path) or unlink(path, **options))
    with new_files(table.parent) as folder:
        (folder / "table").write_text("new")
    assert table.read_text() == "new"
    assert unlinked
    assert table not in unlinked


def test_failed_write_leaves_the_former_file(tmp_path, monkeypatch):
    file = tmp_path / "file"
    write_bytes(file, b"former")
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        write_bytes(file, b"new")
    assert files_below(tmp_path) == {"file"}
    assert file.read_bytes() == b"former"


def test_failed_table_leaves_the_former_one(tmp_path):
    file = tmp_path / "table.csv"
    write_csv(file, ["a"], [[1]])

    def rows():
        yield [2]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_csv(file, ["a"], rows())
    assert read_csv(file, ["a"]) == [{"a": "1"}]
    assert files_below(tmp_path) == {"table.csv"}


def test_table_keeps_commas_quotes_and_line_ends(tmp_path):
    file = tmp_path / "table.csv"
    odd = 'a "quoted", odd\nname'
    write_csv(file, ["name", "other"], [[odd, "x"]])
    assert read_csv(file, ["name"]) == [{"name": odd, "other": "x"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "found nothing"),
        (b"a,c\n1,2\n", "missing b"),
        (b"a,b\n1,2\n3\n", "a row that is cut short"),
        (b"\xff\xfe\x00a", "wanted a CSV table"),
        (b"", "missing"),
    ],
)
@pytest.mark.parametrize("read", [read_csv, read_columns])
def test_table_that_is_none(tmp_path, content, words, read):
    file = tmp_path / "table.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=words):
        list(read(file, ["a", "b"]))


def test_columns_come_in_the_order_asked_for(tmp_path):
    file = tmp_path / "table.csv"
    file.write_bytes(b"a,b,c\n1,2,3\n\n4,5,6\n")
    assert list(read_columns(file, ["c", "a"])) == [("3", "1"), ("6", "4")]


@pytest.mark.parametrize("supported", [True, False])
def test_a_range_is_appended(tmp_path, monkeypatch, supported):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    if not supported:
        monkeypatch.setattr(os, "copy_file_range", refuse)
        monkeypatch.setattr("pipeline.files._CHUNK", 4)
    (tmp_path / "source").write_bytes(bytes(range(100)))
    with (tmp_path / "source").open("rb") as source, (tmp_path / "target").open("wb") as target:
        target.write(b"head")
        assert append_range(source.fileno(), 10, 30, target)
        target.write(b"tail")
        assert not append_range(source.fileno(), 90, 30, target)
    assert (tmp_path / "target").read_bytes() == b"head" + bytes(range(10, 40)) + b"tail" + bytes(range(90, 100))
