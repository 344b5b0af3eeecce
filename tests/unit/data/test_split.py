import hashlib
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from pydantic import ValidationError

from pipeline.data.assignment import PARTS, AssignmentRow
from pipeline.data.classes import ClassParams
from pipeline.data.packed import IndexRow
from pipeline.data.split import Former, SplitParams, read_former, split_index, write_split
from pipeline.data.ties import Tie
from pipeline.errors import DataError, ParameterError

CLASSES = ClassParams(drop=[], merge={}, least=1, below="fail", rest="other")
PARAMS = SplitParams(seed=0, val=0.15, test=0.15, folds=0, on_conflict="drop", allow_moves=False)


def changed(**changes):
    return SplitParams(**(PARAMS.model_dump() | changes))


def photograph(path, content=None, pixels=None):
    content = content or hashlib.sha256(path.encode()).hexdigest()
    return IndexRow(path, path.split("/")[0], content, pixels or f"pixels of {content}", "PNG", 1, 10, 10)


def index_of(counts):
    rows = [photograph(f"{name}/{number:04d}") for name, count in counts.items() for number in range(count)]
    return sorted(rows, key=lambda row: (row.class_name, row.path))


NOTHING = Former()


def split(index, former=NOTHING, params=PARAMS, ties=(), classes=CLASSES):
    return split_index(index, ties, former, params, classes)


def after(result, params=PARAMS):
    return Former(result.rows, params.shares)


def part_of(result):
    return {row.sha256: row.part for row in result.rows}


def by_class(result, column="part"):
    return Counter((row.path.split("/")[0], getattr(row, column)) for row in result.rows)


sizes = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(3, 60), min_size=2, max_size=5)
shares = st.floats(0.01, 0.48)


@given(sizes, st.integers(0, 5), shares, shares)
def test_every_class_stands_in_every_part_by_its_share(counts, seed, val, test):
    result = split(index_of(counts), params=changed(seed=seed, val=val, test=test))
    found = by_class(result)
    for name, count in counts.items():
        for part, share in zip(PARTS, (1 - val - test, val, test), strict=True):
            assert found[name, part] >= 1
            assert abs(found[name, part] - count * share) <= 2 or found[name, part] == 1


def test_shares_of_the_label_shape():
    counts = dict(zip("abcdefg", [500, 85, 37, 58, 116, 8, 19], strict=True))
    found = by_class(split(index_of(counts)))
    assert [found["a", part] for part in PARTS] == [350, 75, 75]
    assert [found["f", part] for part in PARTS] == [6, 1, 1]
    assert [found["g", part] for part in PARTS] == [13, 3, 3]


@given(sizes, st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_names_and_order_do_not_matter(counts, random):
    index = index_of(counts)
    renamed = list(index)
    random.shuffle(renamed)
    renamed = [
        IndexRow(
            f"{row.class_name}/{random.random()}",
            *[
                getattr(row, name)
                for name in ("class_name", "sha256", "pixels", "format", "size_bytes", "height", "width")
            ],
        )
        for row in renamed
    ]
    renamed.sort(key=lambda row: (row.class_name, row.path))
    assert part_of(split(index)) == part_of(split(renamed))


def test_another_seed_is_another_split_and_says_so():
    index = index_of({"a": 100, "b": 100})
    first = split(index)
    second = split(index, after(first), changed(seed=1))
    assert part_of(second) == part_of(split(index, params=changed(seed=1)))
    assert part_of(second) != part_of(first)
    assert any("another seed is another split" in warning for warning in second.warnings)


class GrowingSet(RuleBasedStateMachine):
    """A set that grows, shrinks and is renamed, with ties and copies; whatever has a part keeps it."""

    def __init__(self):
        super().__init__()
        self.rows, self.ties = {}, {}
        self.former, self.parts, self.folds = Former(), {}, {}
        self.params = PARAMS
        self.number = 0

    @initialize(folds=st.sampled_from([0, 3, 4]), counts=st.lists(st.integers(1, 12), min_size=2, max_size=3))
    def begin(self, folds, counts):
        self.params = changed(folds=folds)
        for name, count in zip("abc", counts, strict=False):
            self.add(name, count, [])
        self.grow()

    def add(self, name, count, tied):
        for _ in range(count):
            self.number += 1
            row = photograph(f"{name}/{self.number:05d}")
            self.rows[row.path] = row
            for other in tied:
                self.ties[frozenset((row.sha256, other))] = None

    @rule(name=st.sampled_from("abc"), count=st.integers(1, 6), data=st.data())
    def new_photographs(self, name, count, data):
        contents = sorted({row.sha256 for row in self.rows.values()})
        tied = data.draw(st.lists(st.sampled_from(contents), max_size=2)) if contents else []
        self.add(name, count, tied)

    @rule(data=st.data())
    def remove(self, data):
        if len(self.rows) > 4:
            path = data.draw(st.sampled_from(sorted(self.rows)))
            if sum(row.class_name == self.rows[path].class_name for row in self.rows.values()) > 1:
                del self.rows[path]

    @rule(data=st.data(), name=st.sampled_from("abc"))
    def rename_or_relabel(self, data, name):
        row = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        if sum(other.class_name == row.class_name for other in self.rows.values()) > 1:
            del self.rows[row.path]
            self.number += 1
            new = photograph(f"{name}/{self.number:05d}", row.sha256, row.pixels)
            self.rows[new.path] = new

    @rule(data=st.data())
    def copy(self, data):
        row = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        self.number += 1
        new = photograph(f"{row.class_name}/{self.number:05d}", row.sha256, row.pixels)
        self.rows[new.path] = new

    @rule()
    def grow(self):
        index = sorted(self.rows.values(), key=lambda row: (row.class_name, row.path))
        paths = {row.sha256: row.path for row in reversed(index)}
        ties = [
            Tie(*sorted(paths[content] for content in pair), "near", 0.9)
            for pair in self.ties
            if len(pair) == 2 and all(content in paths for content in pair)
        ]
        if len({row.class_name for row in index}) < 2:
            return
        result = split(index, self.former, self.params, ties)
        self.check(result, index, ties)
        self.former = after(result, self.params)
        self.parts = {row.sha256: row.part for row in result.rows if row.part}
        self.folds = {row.sha256: row.fold for row in result.rows if row.fold >= 0}

    def check(self, result, index, ties):
        now = {row.sha256: row for row in result.rows}
        for content, part in self.parts.items():
            assert content not in now or now[content].part == part
        for content, fold in self.folds.items():
            assert content not in now or now[content].fold == fold
        by_path = {row.path: row for row in result.rows}
        for tie in ties:
            a, b = by_path[tie.a], by_path[tie.b]
            assert not (a.part and b.part) or a.part == b.part
            assert a.fold < 0 or b.fold < 0 or a.fold == b.fold
        sides = defaultdict(set)
        for row in result.rows:
            sides[row.group].add(row.part)
            assert row.part or row.note
        assert all(len(found - {""}) <= 1 for found in sides.values())
        # As a build from nothing, the table is a function of content and former table alone.
        again = split(index, self.former, self.params, ties)
        assert again.rows == result.rows


def test_what_was_test_stays_test():
    run_state_machine_as_test(GrowingSet, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))


@given(sizes, sizes)
@settings(max_examples=40)
def test_growth_fills_the_parts_towards_their_shares(first, second):
    former = after(split(index_of(first)))
    counts = {name: max(first.get(name, 0), second.get(name, 0)) for name in first | second}
    found = by_class(split(index_of(counts), former))
    for name, count in counts.items():
        assert all(found[name, part] >= 1 for part in PARTS)
        for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
            assert abs(found[name, part] - count * share) <= 2


def test_new_class_joins():
    former = after(split(index_of({"a": 10, "b": 10})))
    found = by_class(split(index_of({"a": 10, "b": 10, "c": 3}), former))
    assert [found["c", part] for part in PARTS] == [1, 1, 1]


def test_renamed_and_relabelled_photographs_keep_their_part():
    index = index_of({"a": 20, "b": 20})
    first = split(index)
    moved = [photograph(f"b/moved {row.path[2:]}", row.sha256) if row.path < "a/0005" else row for row in index]
    second = split(sorted(moved, key=lambda row: (row.class_name, row.path)), after(first))
    assert part_of(second) == part_of(first)
    assert second.new == []


def first_in(result, part):
    return next(row for row in result.rows if row.part == part)


def test_new_photograph_that_ties_two_parts_is_kept_out():
    index = index_of({"a": 20, "b": 20})
    former = split(index)
    new = photograph("a/new")
    ties = [Tie(first_in(former, part).path, new.path, "near", 0.9) for part in ("train", "test")]
    grown = sorted([*index, new], key=lambda row: (row.class_name, row.path))
    result = split(grown, after(former), ties=ties)
    row = next(row for row in result.rows if row.path == new.path)
    assert (row.part, row.class_name, row.note) == ("", "", "ties train and test")
    assert any("a/new: ties train and test" in warning for warning in result.warnings)
    # Once one of the two is gone, it is an ordinary new photograph.
    left = [row for row in grown if row.path != first_in(former, "train").path]
    again = split(left, after(result), ties=ties)
    assert next(row for row in again.rows if row.path == new.path).part == "test"


def test_new_photographs_that_tie_two_parts_only_together_are_kept_out():
    index = index_of({"a": 20, "b": 20})
    former = split(index)
    one, two = photograph("a/new1"), photograph("a/new2")
    ties = [
        Tie(first_in(former, "train").path, one.path, "near", 0.9),
        Tie(one.path, two.path, "near", 0.9),
        Tie(first_in(former, "val").path, two.path, "near", 0.9),
    ]
    result = split(sorted([*index, one, two], key=lambda row: (row.class_name, row.path)), after(former), ties=ties)
    assert {row.part for row in result.rows if row.path.startswith("a/new")} == {""}


def test_new_photograph_joins_the_part_of_its_group():
    index = index_of({"a": 20, "b": 20})
    former = split(index)
    for part in PARTS:
        new = photograph("b/new")
        old = first_in(former, part)
        result = split(
            sorted([*index, new], key=lambda r: (r.class_name, r.path)),
            after(former),
            ties=[Tie(old.path, "b/new", "near", 1)],
        )
        row = next(row for row in result.rows if row.path == "b/new")
        assert (row.part, row.group) == (part, old.group)


def test_old_photographs_found_to_be_tied_across_parts():
    index = index_of({"a": 20, "b": 20})
    former = split(index)
    train, test = first_in(former, "train"), first_in(former, "test")
    ties = [Tie(*sorted((train.path, test.path)), "key", 1.0)]
    result = split(index, after(former), ties=ties)
    assert part_of(result)[test.sha256] == "test"
    assert part_of(result)[train.sha256] == ""
    assert any("1 photographs lost their part" in warning for warning in result.warnings)
    agreed = split(index, after(former), changed(allow_moves=True), ties=ties)
    assert part_of(agreed)[train.sha256] == part_of(agreed)[test.sha256] == "test"


def test_other_shares_want_a_yes_and_move_as_few_as_possible():
    index = index_of({"a": 100, "b": 40})
    former = split(index)
    with pytest.raises(
        ParameterError, match=r"val 0.15, test 0.15\), found val 0.2, test 0.15: it would move 7 of 140 photographs"
    ):
        split(index, after(former), changed(val=0.2))
    result = split(index, after(former), changed(val=0.2, allow_moves=True))
    moved = [(a.part, b.part) for a, b in zip(former.rows, result.rows, strict=True) if a.part != b.part]
    assert set(moved) == {("train", "val")}
    assert by_class(result)["a", "val"] == 20
    assert by_class(result)["b", "val"] == 8


def test_folds_are_equal_and_stay():
    params = changed(folds=5)
    index = index_of({"a": 100, "b": 8, "c": 19})
    first = split(index, params=params)
    found = by_class(first, "fold")
    assert [found["a", fold] for fold in range(5)] == [20] * 5
    assert sorted(found["b", fold] for fold in range(5)) == [1, 1, 2, 2, 2]
    grown = split(index_of({"a": 130, "b": 12, "c": 19}), after(first, params), params)
    known = {row.sha256: row.fold for row in first.rows}
    assert all(known.get(row.sha256, row.fold) == row.fold for row in grown.rows)
    assert part_of(grown).items() >= part_of(first).items()


def test_folds_switched_on_and_off_move_nothing():
    index = index_of({"a": 30, "b": 30})
    first = split(index)
    with_folds = split(index, after(first), changed(folds=4))
    without = split(index, after(with_folds, changed(folds=4)))
    assert part_of(with_folds) == part_of(without) == part_of(first)
    assert {row.fold for row in without.rows} == {-1}


def test_another_number_of_folds_wants_a_yes():
    index = index_of({"a": 30, "b": 30})
    params = changed(folds=4)
    former = after(split(index, params=params), params)
    with pytest.raises(ParameterError, match=r"4 folds\), found 5 folds: it would move \d+ of 60 photographs"):
        split(index, former, changed(folds=5))
    assert {row.fold for row in split(index, former, changed(folds=5, allow_moves=True)).rows} == set(range(5))


def test_big_groups_do_not_fill_the_small_parts():
    index = index_of({"a": 60, "b": 60})
    ties = [Tie(f"a/{number:04d}", f"a/{number + 1:04d}", "near", 1.0) for number in range(30)]
    found = by_class(split(index, ties=ties))
    assert [found["a", part] for part in PARTS] == [42, 9, 9]


def test_same_bytes_and_same_pixels_are_one_group():
    index = index_of({"a": 20, "b": 20})
    index += [
        photograph("a/copy", index[0].sha256, index[0].pixels),
        photograph("a/other bytes", "other", index[1].pixels),
    ]
    index.sort(key=lambda row: (row.class_name, row.path))
    rows = {row.path: row for row in split(index).rows}
    assert rows["a/copy"].group == rows["a/0000"].group
    assert rows["a/other bytes"].part == rows["a/0001"].part


def conflict():
    index = index_of({"a": 20, "b": 20})
    return sorted(
        [*index, photograph("b/as a", index[0].sha256, index[0].pixels)], key=lambda row: (row.class_name, row.path)
    )


def test_one_picture_under_two_classes():
    with pytest.raises(DataError) as error:
        split(conflict(), params=changed(on_conflict="fail"))
    assert "2 photographs stand under several classes" in str(error.value)
    assert "b/as a: the same picture as a/0000" in str(error.value)
    rows = {row.path: row for row in split(conflict()).rows}
    assert rows["a/0000"].class_name == rows["b/as a"].class_name == ""
    assert rows["b/as a"].note == "the same picture as a/0000"
    merged = ClassParams(drop=[], merge={"ab": ["a", "b"], "c": ["c"]}, least=1, below="fail", rest="x")
    index = sorted([*conflict(), *index_of({"c": 5})], key=lambda row: (row.class_name, row.path))
    assert all(row.class_name for row in split(index, params=changed(on_conflict="fail"), classes=merged).rows)


def test_classes_of_one_and_two_groups_are_said_aloud():
    result = split(index_of({"a": 20, "one": 1, "two": 2}))
    found = by_class(result)
    assert found["one", "train"] == found["two", "train"] == found["two", "test"] == 1
    assert "one: none in val and test: it has 1 group of photographs" in result.warnings
    assert "two: none in val: it has 2 groups of photographs" in result.warnings


def test_choosing_other_classes_moves_nothing():
    index = index_of({"a": 30, "b": 30, "c": 30, "d": 30})
    first = split(index)
    fewer = ClassParams(drop=["a"], merge={"cd": ["c", "d"]}, least=1, below="fail", rest="other")
    second = split(index, after(first), classes=fewer)
    assert part_of(second) == part_of(first)
    assert {row.class_name for row in second.rows} == {"", "b", "cd"}


def test_written_and_read_again(tmp_path):
    result = split(index_of({"a": 20, "b": 20}), params=changed(folds=3))
    write_split(tmp_path, result, changed(folds=3))
    assert read_former(tmp_path) == Former(result.rows, changed(folds=3).shares)
    assert read_former(tmp_path / "nothing") == Former()


def test_growth_is_a_few_lines_of_difference(tmp_path):
    first = split(index_of({"a": 20, "b": 20}))
    write_split(tmp_path, first, PARAMS)
    before = (tmp_path / "assignment.csv").read_text().splitlines()
    write_split(tmp_path, split(index_of({"a": 22, "b": 20}), after(first)), PARAMS)
    now = (tmp_path / "assignment.csv").read_text().splitlines()
    assert len(set(now) - set(before)) == 2
    assert set(before) <= set(now)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("assignment.csv", "path,part\n", "missing class_name"),
        ("assignment.csv", "", "missing"),
        ("shares.json", "{", "wanted what the split was made by"),
        ("shares.json", '{"seed": 1}', "wanted what the split was made by"),
    ],
)
def test_damaged_former_assignment(tmp_path, file, content, words):
    write_split(tmp_path, split(index_of({"a": 5, "b": 5})), PARAMS)
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=words) as error:
        read_former(tmp_path)
    assert "git checkout" in str(error.value)


@pytest.mark.parametrize("change", [{"val": 0.6, "test": 0.5}, {"folds": 2}, {"val": 0}, {"on_conflict": "skip"}])
def test_params_that_make_no_sense(change):
    with pytest.raises(ValidationError):
        changed(**change)


def test_a_part_edited_by_hand_to_something_unknown(tmp_path):
    row = AssignmentRow("a/1", "a", "x", "g", "tset", -1, "")
    write_split(tmp_path, type("S", (), {"rows": [row]}), PARAMS)
    with pytest.raises(DataError, match="wanted the parts train, val, test, found tset"):
        read_former(tmp_path)
