import re

import numpy as np
import pytest
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.data import groups
from pipeline.data.contact_sheet import write_contact_sheet
from pipeline.data.groups import (
    SURE,
    Crowd,
    Found,
    GroupParams,
    divide_crowds,
    identical_ties,
    key_ties,
    look_alike,
    near_ties,
    table_ties,
)
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.data.ties import Tie, groups_of, read_ties, write_ties
from pipeline.errors import DataError


@pytest.fixture(autouse=True)
def in_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def picture(seed, gain=1.0):
    return np.clip(texture(seed, 64, 64) * gain * 0.6 + texture(seed + 500, 64, 64)[::-1] * gain * 0.2, 0, 255).astype(
        np.uint8
    )


def packed_of(pictures, paths=None):
    paths = paths or [f"a/{number}.png" for number in range(len(pictures))]
    index = tuple(
        IndexRow(path, path.split("/")[0], path, f"{hash(image.tobytes()):x}", "PNG", 1, 64, 64)
        for path, image in zip(paths, pictures, strict=True)
    )
    return PackedSet(np.stack(pictures), np.zeros(len(pictures), np.int64), ("a",), index)


def ties_of(packed, threshold=0.35):
    return [(t.a, t.b) for t in near_ties(look_alike(packed, mirrored=False), packed.index) if t.score >= threshold]


def test_what_is_kept_gives_the_same_as_from_nothing(tmp_path, monkeypatch):
    pictures = [picture(seed) for seed in range(12)]
    pictures += [picture(seed, 0.7) for seed in (1, 5, 7)]
    ties_of(packed_of(pictures[:13]))
    grown = packed_of([*pictures[2:], pictures[0]], [f"b/{n}" for n in range(len(pictures) - 1)])
    found = ties_of(grown)
    (tmp_path / "fresh").mkdir()
    monkeypatch.chdir(tmp_path / "fresh")
    assert found == ties_of(grown)
    assert ("b/5", "b/12") in found


def test_only_new_pictures_are_looked_at(monkeypatch):
    looked = []
    extract = groups.extract
    monkeypatch.setattr(groups, "extract", lambda images, rows: looked.append(len(rows)) or extract(images, rows))
    pictures = [picture(seed) for seed in range(8)]
    ties_of(packed_of(pictures[:6]))
    ties_of(packed_of(pictures))
    ties_of(packed_of(pictures[3:]))
    assert looked == [6, 2, 0]


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_damaged_state_is_not_used(tmp_path, damage):
    packed = packed_of([picture(1), picture(1, 0.7), picture(2)])
    wanted = ties_of(packed)
    state = tmp_path / ".weldproof" / "group.npz"
    content = state.read_bytes()
    state.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert ties_of(packed) == wanted == [("a/0.png", "a/1.png")]


def test_identical_pictures_and_keys():
    packed = packed_of([picture(1), picture(1), picture(2)], ["a/part7_x.png", "a/part8_y.png", "b/part7_z.png"])
    assert identical_ties(packed.index) == [Tie("a/part7_x.png", "a/part8_y.png", "identical", 1.0)]
    assert key_ties(packed.index, r"part(\d+)") == [Tie("a/part7_x.png", "b/part7_z.png", "key", 1.0)]
    assert [(tie.a, tie.b) for tie in key_ties(packed.index, "^a")] == [("a/part7_x.png", "a/part8_y.png")]
    assert key_ties(packed.index, None) == key_ties(packed.index, "nowhere(.)|x(.)?$") == []


def test_own_table(tmp_path, caplog):
    packed = packed_of([picture(seed) for seed in range(4)])
    table = tmp_path / "groups.csv"
    table.write_text("path,group\na/0.png,p\na/3.png,p\na/1.png,\n")
    assert table_ties(packed.index, table) == [Tie("a/0.png", "a/3.png", "key", 1.0)]
    table.write_text("\ufeffpath,group\na/0.png,p\na/9.png,p\na/3.png,p\n")  # as a spreadsheet writes it
    assert table_ties(packed.index, table) == [Tie("a/0.png", "a/3.png", "key", 1.0)]
    assert "no use is made of what the packed set does not have: a/9.png" in caplog.text
    table.write_text("path,group\na/9.png,p\n")
    with pytest.raises(
        DataError, match=r"groups\.csv: wanted paths of photographs below the data folder, found a/9\.png"
    ):
        table_ties(packed.index, table)
    table.write_text("path,group\na/0.png,p\na/0.png,q\n")
    with pytest.raises(DataError, match=r"wanted one group for a/0\.png, found two"):
        table_ties(packed.index, table)


@pytest.mark.parametrize("changes", [{"key": "part("}, {"threshold": 0.1}, {"threshold": 2}, {"largest": 0.0}])
def test_params_that_make_no_sense(changes):
    with pytest.raises(ValidationError):
        GroupParams(**({"threshold": 0.4, "largest": 0.2, "mirrored": False, "key": None} | changes))


def test_ties_are_written_and_read_again(tmp_path):
    ties = [Tie("a/1", 'b/"2",\n', "near", 0.5), Tie("a/1", "a/3", "key", 1.0)]
    write_ties(tmp_path / "ties.csv", ties)
    assert read_ties(tmp_path / "ties.csv") == sorted(ties)
    assert groups_of([*ties, Tie("x", "y", "key", 1.0)]) == [["a/1", "a/3", 'b/"2",\n'], ["x", "y"]]


def test_page_shows_groups_and_near_misses_and_refers_to_nothing(tmp_path):
    paths = ["<script>alert(1)</script>/1.png", "<script>alert(1)</script>/2.png", "b/3.png", "b/4.png"]
    packed = packed_of([picture(seed) for seed in range(4)], paths)
    ties = [Tie(paths[0], paths[2], "near", 0.5)]
    write_contact_sheet(
        tmp_path / "page.html", packed, Found(ties, [*ties, Tie(paths[1], paths[3], "near", 0.3)], []), 0.35
    )
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "of several classes" in page
    assert "likeness 0.30" in page
    assert page.count("<img") == 4
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)


def chain(first, last, score, kind="near"):
    """Photographs tied one to the next."""
    return [Tie(f"a/{n:03d}", f"a/{n + 1:03d}", kind, score) for n in range(first, last)]


def test_crowds_are_divided_and_only_they():
    small, sure = chain(200, 204, 0.4), chain(300, 360, 0.8)
    crowd = [*chain(0, 9, 0.9), Tie("a/009", "a/010", "near", 0.5), *chain(10, 19, 0.9)]
    kept, crowds = divide_crowds([*crowd, *small, *sure], most=15, threshold=0.35)
    assert sorted(map(len, groups_of(kept)), reverse=True) == [61, 10, 10, 5]
    assert [(each.size, round(each.level, 2)) for each in crowds] == [(61, SURE), (20, 0.55)]
    assert divide_crowds([*crowd, *small], most=20, threshold=0.35) == ([*crowd, *small], [])


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(41, 80), st.floats(0.35, 1)), max_size=80),
    st.integers(2, 30),
)
def test_what_is_left_of_a_crowd_is_small_or_sure(pairs, most):
    ties = [Tie(f"a/{a:03d}", f"a/{b:03d}", "near", score) for a, b, score in pairs]
    kept, _ = divide_crowds(ties, most, 0.35)
    assert set(kept) <= set(ties)
    assert {tie for tie in ties if tie.score >= SURE} <= set(kept)
    for paths in groups_of(kept):
        assert len(paths) <= most or all(tie.score >= SURE for tie in kept if tie.a in paths)


def test_page_tells_of_crowds(tmp_path):
    packed = packed_of([picture(seed) for seed in range(4)])
    write_contact_sheet(tmp_path / "page.html", packed, Found([], [], [Crowd(40, 0.55)]), 0.35)
    assert "40 photographs hang together at a likeness of 0.35" in (tmp_path / "page.html").read_text()


def test_page_begins_with_the_largest_group_and_goes_on_with_the_most_doubtful(tmp_path):
    packed = packed_of([picture(seed) for seed in range(11)])
    near = [("0", "1", 0.9), ("2", "3", 0.5), ("4", "5", 0.7), ("4", "6", 0.7), ("7", "8", 0.4), ("7", "9", 0.4)]
    ties = [Tie(f"a/{a}.png", f"a/{b}.png", "near", score) for a, b, score in near]
    write_contact_sheet(tmp_path / "page.html", packed, Found(ties, [], []), 0.35)
    page = (tmp_path / "page.html").read_text()
    assert re.findall(r"(\d) photographs, weakest tie (\S+)", page) == [
        ("3", "0.40"),
        ("2", "0.50"),
        ("3", "0.70"),
        ("2", "0.90"),
    ]
