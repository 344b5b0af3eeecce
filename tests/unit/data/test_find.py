import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.find import Photograph, find_images, find_photographs
from pipeline.errors import DataError
from pipeline.text import shown


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    return folder


def test_classes_are_first_folders_and_the_order_is_by_class_then_path(tmp_path):
    touch(
        tmp_path, "b/2.png", "b/10.png", "a/deep/er/x.JPG", "a/z.tif", "a b/q.webp", "a/y.bmp", "b/1.jpeg", "b/0.tiff"
    )
    assert find_photographs(tmp_path).photographs == (
        Photograph("a", "a/deep/er/x.JPG"),
        Photograph("a", "a/y.bmp"),
        Photograph("a", "a/z.tif"),
        Photograph("a b", "a b/q.webp"),
        Photograph("b", "b/0.tiff"),
        Photograph("b", "b/1.jpeg"),
        Photograph("b", "b/10.png"),
        Photograph("b", "b/2.png"),
    )
    assert find_photographs(tmp_path).counts() == {"a": 3, "a b": 1, "b": 4}


def test_what_is_not_a_photograph_is_reported_with_its_reason(tmp_path):
    touch(
        tmp_path,
        "a/1.png",
        "b/1.png",
        "root.png",
        "a/notes.txt",
        "a/none",
        "a/.hidden.png",
        ".git/x.png",
        "a/Thumbs.db",
    )
    assert find_photographs(tmp_path).ignored == (
        (".git", "hidden"),
        ("a/.hidden.png", "hidden"),
        ("a/Thumbs.db", "ending '.db'"),
        ("a/none", "no ending"),
        ("a/notes.txt", "ending '.txt'"),
        ("root.png", "not in a class folder"),
    )


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ((), "found none"),
        (("root.png",), "such as root.png (not in a class folder)"),
        (("a/1.png", "a/2.png"), "found one: a (2)"),
        (("a/1.gif", "b/1.gif"), r"such as a/1.gif (ending '.gif')"),
    ],
)
def test_no_classes(tmp_path, paths, words):
    touch(tmp_path, *paths)
    with pytest.raises(DataError) as error:
        find_photographs(tmp_path)
    assert words in str(error.value)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_no_folder(tmp_path, name):
    touch(tmp_path, "file")
    with pytest.raises(DataError, match="found no such folder"):
        find_photographs(tmp_path / name)


def test_links_out_of_the_folder_in_a_loop_or_broken_are_all_refused_by_name(tmp_path):
    data = touch(tmp_path / "data", "a/1.png", "b/1.png")
    touch(tmp_path, "outside.png", "elsewhere/1.png")
    (data / "a" / "out.png").symlink_to(tmp_path / "outside.png")
    (data / "a" / "loop.png").symlink_to("loop.png")
    (data / "a" / "broken.png").symlink_to("nothing.png")
    (data / "b" / "up").symlink_to(data, target_is_directory=True)
    (data / "c").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(DataError) as error:
        find_photographs(data)
    lines = str(error.value).splitlines()
    assert lines[0].endswith("5 names cannot be used:")
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "a/broken.png",
        "a/loop.png",
        "a/out.png",
        "b/up",
        "c",
    ]


def test_links_inside_the_folder_and_into_the_cache_of_dvc_are_files(tmp_path):
    data = touch(tmp_path / "data", "a/1.png", "b/1.png")
    cached = tmp_path / "cache" / "files" / "md5" / "0a" / ("1" * 30)
    touch(cached.parent, cached.name)
    (data / "a" / "2.png").symlink_to("1.png")
    (data / "b" / "2.png").symlink_to(cached)
    assert find_photographs(data).counts() == {"a": 2, "b": 2}


def test_carriage_return_is_refused_by_name(tmp_path):
    touch(tmp_path, "a/x\ry.png", "b/1.png")
    with pytest.raises(DataError, match=r"a/x\\ry\.png: wanted a name without a carriage return"):
        find_photographs(tmp_path)


def test_empty_folders_and_hidden_links_are_reported(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "c").mkdir()
    (tmp_path / "a" / ".link").symlink_to("/etc")
    assert find_photographs(tmp_path).ignored == (("a/.link", "hidden"), ("c", "an empty folder"))


def test_special_file_is_refused(tmp_path):
    data = touch(tmp_path / "data", "a/1.png", "b/1.png")
    os.mkfifo(data / "a" / "pipe.png")
    with pytest.raises(DataError, match=r"a/pipe\.png: wanted a file or a folder, found a special file"):
        find_photographs(data)


def test_name_that_is_not_utf8_is_refused_by_name(tmp_path):
    data = touch(tmp_path / "data", "a/1.png", "b/1.png")
    Path(os.fsdecode(os.fsencode(data / "a") + b"/bad\xff.png")).write_bytes(b"x")
    with pytest.raises(DataError, match=r"a/bad\\xff\.png: wanted a name in UTF-8"):
        find_photographs(data)


@pytest.mark.parametrize(
    "name", ["a b", 'quo"te', "it's", "großmütterlich", "溶接", "-dash", "new\nline", "$HOME", "a,b;c"]
)
def test_odd_names_work(tmp_path, name):
    touch(tmp_path, f"{name}/{name}.png", "other/1.png")
    assert Photograph(name, f"{name}/{name}.png") in find_photographs(tmp_path).photographs


@given(st.text())
def test_shown_is_one_printable_line(text):
    assert shown(text).isprintable()


def test_images_to_be_asked_about_stand_anywhere_and_have_any_name(tmp_path):
    touch(
        tmp_path / "in", "root.png", "a/deep/x.JPG", "a/notes.txt", ".git/x.png", "a/.hidden.png", "a/line\nbreak.png"
    )
    touch(tmp_path / "elsewhere", "linked.png")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "elsewhere" / "linked.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "loop.png").symlink_to("loop.png")
    (tmp_path / "in" / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    paths, ignored = find_images(tmp_path / "in")
    assert paths == sorted(paths)
    # What cannot be opened is listed: whoever opens it says why.
    assert set(paths) == {
        "root.png",
        "a/deep/x.JPG",
        "a/line\nbreak.png",
        "link.png",
        "loop.png",
        os.fsdecode(b"\xff.png"),
    }
    assert ignored == [
        (".git", "hidden"),
        ("a/.hidden.png", "hidden"),
        ("a/notes.txt", "ending '.txt'"),
        ("folder", "a symbolic link to a folder"),
    ]
