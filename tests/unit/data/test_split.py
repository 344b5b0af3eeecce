from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.data.packed import IndexRow
from pipeline.data.split import (
    PARTS,
    SplitParams,
    assign_parts,
    label_conflicts,
    read_assignment,
    write_assignment,
)
from pipeline.errors import DataError

PARAMS = SplitParams(seed=0, val=0.15, test=0.15)


def make_index(counts, copies=()):
    """One row a photograph of distinct content; `copies` are (class, content of class, number)."""
    rows = [
        IndexRow(f"{name}/{number:04d}.png", name, f"{name}-{number}")
        for name, n in counts.items()
        for number in range(n)
    ]
    rows += [IndexRow(f"{name}/copy{k}.png", name, content) for name, content, n in copies for k in range(n)]
    return sorted(rows, key=lambda row: (row.class_name, row.path))


def parts_by_content(index, params=PARAMS):
    return {row.sha256: part for row, part in zip(index, assign_parts(index, params), strict=True)}


sizes = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(3, 60), min_size=2, max_size=5)
shares = st.floats(0.01, 0.48)


@given(sizes, st.integers(0, 5), shares, shares)
def test_every_class_stands_in_every_part_by_its_share(counts, seed, val, test):
    index = make_index(counts)
    parts = assign_parts(index, SplitParams(seed=seed, val=val, test=test))
    by_class = Counter((row.class_name, part) for row, part in zip(index, parts, strict=True))
    for name, count in counts.items():
        assert all(by_class[name, part] >= 1 for part in PARTS)
        assert by_class[name, "val"] <= max(1, round(count * val))
        assert by_class[name, "test"] <= max(1, round(count * test))
        if count >= 50:
            assert by_class[name, "test"] == max(1, round(count * test))


@given(sizes, st.data())
@settings(max_examples=50)
def test_same_bytes_are_always_on_one_side(counts, data):
    contents = [f"{name}-{number}" for name, count in counts.items() for number in range(count)]
    copies = data.draw(
        st.lists(st.tuples(st.sampled_from(sorted(counts)), st.sampled_from(contents), st.just(1)), max_size=10)
    )
    index = make_index(counts, dict.fromkeys(copies))
    try:
        parts = assign_parts(index, PARAMS)
    except DataError:
        return
    sides = {}
    for row, part in zip(index, parts, strict=True):
        assert sides.setdefault(row.sha256, part) == part


@given(sizes, st.randoms(use_true_random=False))
def test_names_of_files_do_not_matter(counts, random):
    index = make_index(counts)
    names = [f"{random.random()}.png" for _ in index]
    renamed = [IndexRow(f"{r.class_name}/{n}", r.class_name, r.sha256) for r, n in zip(index, names, strict=True)]
    renamed.sort(key=lambda row: (row.class_name, row.path))
    assert parts_by_content(index) == parts_by_content(renamed)


def test_another_seed_is_another_split():
    index = make_index({"a": 40, "b": 40})
    assert assign_parts(index, PARAMS) != assign_parts(index, SplitParams(seed=1, val=0.15, test=0.15))


def test_shares_of_the_original_set():
    counts = dict(zip("abcdefg", [500, 85, 37, 58, 116, 8, 19], strict=True))
    index = make_index(counts)
    by_class = Counter(zip((row.class_name for row in index), assign_parts(index, PARAMS), strict=True))
    assert [by_class[name, "test"] for name in "abcdefg"] == [75, 13, 6, 9, 17, 1, 3]
    assert [by_class[name, "val"] for name in "abcdefg"] == [75, 13, 6, 9, 17, 1, 3]


@pytest.mark.parametrize(
    ("counts", "copies", "words"),
    [
        ({"a": 9, "b": 2}, (), r"found fewer of b \(2\)$"),
        ({"a": 1, "b": 2, "c": 9}, (), r"found fewer of a \(1\), b \(2\)$"),
        ({"a": 9, "b": 1}, [("b", "b-0", 5)], r"found fewer of b \(1\)$"),
        ({"a": 9}, [("b", "a-0", 3)], r"found fewer of b \(0\)$"),
    ],
)
def test_class_with_fewer_pictures_than_parts(counts, copies, words):
    with pytest.raises(DataError, match=words):
        assign_parts(make_index(counts, copies), PARAMS)


def test_label_conflicts():
    index = make_index({"a": 5, "b": 5}, [("b", "a-1", 1), ("a", "a-2", 1)])
    assert label_conflicts(index) == [("a/0001.png", "b/copy0.png")]


def test_shares_must_leave_something_to_train_on():
    with pytest.raises(ValidationError, match=r"wanted val \+ test < 1, found 0.5 \+ 0.5"):
        SplitParams(seed=0, val=0.5, test=0.5)


def test_assignment_comes_back(tmp_path):
    index = make_index({"a": 10, "b": 7})
    parts = assign_parts(index, PARAMS)
    write_assignment(tmp_path / "assignment.csv", index, parts)
    read = read_assignment(tmp_path / "assignment.csv", index)
    for name in PARTS:
        rows = getattr(read, name)
        assert rows.dtype == np.int64
        assert [index[row] for row in rows] == [row for row, part in zip(index, parts, strict=True) if part == name]


def test_assignment_of_another_set_is_refused(tmp_path):
    index = make_index({"a": 10, "b": 7})
    write_assignment(tmp_path / "assignment.csv", index, assign_parts(index, PARAMS))
    with pytest.raises(DataError, match="run split again"):
        read_assignment(tmp_path / "assignment.csv", index[1:])


def test_assignment_with_an_unknown_part_is_refused(tmp_path):
    index = make_index({"a": 3, "b": 3})
    write_assignment(tmp_path / "assignment.csv", index, ["train", "val", "test", "tset", "val", "test"])
    with pytest.raises(DataError, match="found tset"):
        read_assignment(tmp_path / "assignment.csv", index)
