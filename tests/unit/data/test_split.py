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
    """A set that grows, shrinks and is renamed, with ties, keys and copies; whatever has a part keeps it."""

    def __init__(self):
        super().__init__()
        self.rows, self.ties, self.keys, self.removed = {}, {}, {}, []
        self.former, self.places = Former(), {}
        self.params = PARAMS
        self.number = 0

    @initialize(folds=st.sampled_from([0, 3, 4]), counts=st.lists(st.integers(1, 12), min_size=2, max_size=3))
    def begin(self, folds, counts):
        self.params = changed(folds=folds)
        for name, count in zip("abc", counts, strict=False):
            self.add(name, count, [], None)
        self.grow()

    def new_path(self, name):
        self.number += 1
        # So that what is new does not always stand last.
        return f"{name}/{self.number * 7919 % 10007:05d}"

    def add(self, name, count, tied, key):
        for _ in range(count):
            row = photograph(self.new_path(name), hashlib.sha256(str(self.number).encode()).hexdigest())
            self.rows[row.path] = row
            for other in tied:
                self.ties[frozenset((row.sha256, other))] = None
            if key:
                self.keys[row.sha256] = key

    @rule(name=st.sampled_from("abc"), count=st.integers(1, 6), key=st.sampled_from([None, None, 1, 2]), data=st.data())
    def new_photographs(self, name, count, key, data):
        contents = sorted({row.sha256 for row in self.rows.values()})
        tied = data.draw(st.lists(st.sampled_from(contents), max_size=2)) if contents else []
        self.add(name, count, tied, key)

    @rule(data=st.data())
    def remove(self, data):
        if len(self.rows) > 4:
            path = data.draw(st.sampled_from(sorted(self.rows)))
            if sum(row.class_name == self.rows[path].class_name for row in self.rows.values()) > 1:
                self.removed.append(self.rows.pop(path))

    @rule()
    def bring_back(self):
        for row in self.removed:
            self.rows[row.path] = row
        self.removed = []

    @rule(data=st.data())
    def find_an_old_tie(self, data):
        contents = sorted({row.sha256 for row in self.rows.values()})
        self.ties[frozenset(data.draw(st.lists(st.sampled_from(contents), min_size=2, max_size=2)))] = None

    @rule()
    def forget_the_ties(self):
        self.ties = {}

    @rule(data=st.data(), name=st.sampled_from("abc"))
    def rename_or_relabel(self, data, name):
        row = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        if sum(other.class_name == row.class_name for other in self.rows.values()) > 1:
            del self.rows[row.path]
            new = photograph(self.new_path(name), row.sha256, row.pixels)
            self.rows[new.path] = new

    @rule(data=st.data(), other_bytes=st.booleans())
    def copy(self, data, other_bytes):
        row = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        path = self.new_path(row.class_name)
        content = hashlib.sha256(str(self.number).encode()).hexdigest() if other_bytes else row.sha256
        self.rows[path] = photograph(path, content, row.pixels)

    def tied(self, index):
        paths = {row.sha256: row.path for row in reversed(index)}
        pairs = [sorted(paths[content] for content in pair if content in paths) for pair in self.ties]
        members = defaultdict(list)
        for row in index:
            if row.sha256 in self.keys:
                members[self.keys[row.sha256]].append(row.path)
        stars = [Tie(found[0], other, "key", 1.0) for found in members.values() for other in found[1:]]
        return [*(Tie(*pair, "near", 0.9) for pair in pairs if len(pair) == 2), *stars], members.values()

    @rule()
    def grow(self):
        index = sorted(self.rows.values(), key=lambda row: (row.class_name, row.path))
        if len({row.class_name for row in index}) < 2:
            return
        ties, keys = self.tied(index)
        try:
            result = split(index, self.former, self.params, ties)
        except DataError:  # All photographs of a class tie two parts.
            return
        self.check(result, ties, keys)
        # Another time with nothing new, nothing changes, but that a note may name one part more.
        again = split(index, after(result, self.params), self.params, ties)
        assert [bool(row.note) for row in again.rows] == [bool(row.note) for row in result.rows]
        assert [row[:6] for row in again.rows] == [row[:6] for row in result.rows]
        self.former = after(result, self.params)
        self.places = {row.sha256: (row.part, row.fold) for row in result.rows}

    def check(self, result, ties, keys):
        for row in result.rows:
            part, fold = self.places.get(row.sha256, ("", -1))
            assert row.part == part or not part
            assert row.fold == fold or fold < 0
            assert bool(row.class_name) != bool(row.note)
        used = {row.path: row for row in result.rows if row.class_name}
        pixels, groups = defaultdict(list), defaultdict(list)
        for path, row in used.items():
            pixels[self.rows[path].pixels].append(path)
            groups[row.group].append(path)
        together = [*([tie.a, tie.b] for tie in ties), *keys, *pixels.values(), *groups.values()]
        for paths in together:
            assert len({(used[path].part, used[path].fold) for path in paths if path in used}) <= 1


def test_what_was_test_stays_test():
    run_state_machine_as_test(GrowingSet, settings=settings(max_examples=150, stateful_step_count=25, deadline=None))


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


def tied_across_parts(index, kind):
    """A split, one of its photographs in train and one in test, and a tie between these, found afterwards."""
    former = split(index)
    train, test = first_in(former, "train"), first_in(former, "test")
    return former, train, test, [Tie(*sorted((train.path, test.path)), kind, 1.0)]


def test_old_photographs_found_to_be_tied_across_parts():
    index = index_of({"a": 20, "b": 20})
    former, train, test, ties = tied_across_parts(index, "key")
    result = split(index, after(former), ties=ties)
    row = next(row for row in result.rows if row.sha256 == train.sha256)
    assert (row.part, row.class_name, row.note) == ("train", "", "tied to test")
    assert part_of(result) == part_of(former)
    assert any("1 photographs turned out to be tied to some in another part" in line for line in result.warnings)
    agreed = split(index, after(former), changed(allow_moves=True), ties=ties)
    assert part_of(agreed)[train.sha256] == part_of(agreed)[test.sha256] == "test"


def test_what_is_not_used_never_wanders_to_another_part():
    index = index_of({"a": 20, "b": 20})
    former, _, _, ties = tied_across_parts(index, "near")
    first = split(index, after(former), ties=ties)
    second = split([*index, photograph("b/z")], after(first), ties=ties)
    assert part_of(second).items() >= part_of(former).items()
    assert split(index, after(second)).rows == former.rows


def sorted_index(*rows):
    return sorted(rows, key=lambda row: (row.class_name, row.path))


def test_what_has_one_key_stays_together_when_the_first_of_it_is_kept_out():
    index = index_of({"a": 20, "b": 20})
    former = split(index)
    old, test = first_in(former, "train"), first_in(former, "test")
    first, others = photograph("a/+"), [photograph(f"b/new{number}") for number in range(9)]
    ties = [Tie("a/+", row.path, "key", 1.0) for row in (old, *others)] + [Tie("a/+", test.path, "near", 0.9)]
    rows = {row.path: row for row in split(sorted_index(first, *index, *others), after(former), ties=ties).rows}
    assert rows["a/+"].part == ""
    assert {rows[row.path].part for row in others} == {"train"}


def test_copies_of_what_ties_two_parts_are_kept_out_too():
    index = index_of({"a": 20, "b": 20})
    former = split(index)
    new = [photograph("a/+"), photograph("a/z", pixels=photograph("a/+").pixels)]
    ties = [Tie("a/+", first_in(former, part).path, "near", 0.9) for part in ("train", "test")]
    rows = {row.path: row for row in split(sorted_index(*index, *new), after(former), ties=ties).rows}
    assert rows["a/z"].note == rows["a/+"].note == "ties train and test"


def test_photograph_that_comes_back_belongs_to_the_group_that_bears_its_name():
    index = index_of({"a": 20, "b": 20})
    by_content = sorted(index, key=lambda row: row.sha256)
    for one, other in zip(by_content[:20], by_content[20:], strict=True):
        first = split(index, ties=[Tie(*sorted((one.path, other.path)), "near", 0.9)])
        new = [photograph(f"{one.class_name}/new{number}") for number in range(3)]
        without = split(sorted_index(*new, *[row for row in index if row != one]), after(first))
        again = {row.path: row for row in split(sorted_index(*new, *index), after(without)).rows}
        assert again[one.path].group == again[other.path].group
        assert again[one.path].part == again[other.path].part == part_of(first)[one.sha256]


def test_another_seed_forgets_the_groups_that_were():
    index = index_of({"a": 20, "b": 20})
    former = split(index, ties=[Tie("a/0000", "a/0001", "near", 0.9)])
    assert split(index, after(former), changed(seed=1)).rows == split(index, params=changed(seed=1)).rows


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


def parts_of_classes():
    """40 parts of welds, each photographed once for each of the defects that it has, and tied by its number."""
    defects = {"crack": 3, "pore": 1, "undercut": 5, "sound": 1}
    rows = [
        photograph(f"{name}/part{part:02d}")
        for name, every in defects.items()
        for part in range(40)
        if part % every == 0
    ]
    first = {}
    for row in rows:
        first.setdefault(row.path[-2:], row.path)
    ties = [Tie(first[row.path[-2:]], row.path, "key", 1.0) for row in rows if first[row.path[-2:]] != row.path]
    return sorted_index(*rows), ties


def test_groups_of_several_classes_stand_in_every_part_by_their_shares():
    index, ties = parts_of_classes()
    found = by_class(split(index, ties=ties))
    for name, count in Counter(row.class_name for row in index).items():
        for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
            assert found[name, part] >= 1
            assert abs(found[name, part] - count * share) <= 2.5


def test_groups_of_several_classes_move_to_other_shares():
    index, ties = parts_of_classes()
    former = split(index, ties=ties)
    with pytest.raises(ParameterError, match="it would move"):
        split(index, after(former), changed(test=0.3), ties=ties)
    found = by_class(split(index, after(former), changed(test=0.3, allow_moves=True), ties=ties))
    assert 10 <= found["sound", "test"] <= 14


def test_class_of_three_groups_that_all_hold_another_class_too():
    index = index_of({"a": 31, "b": 36, "z": 80})
    shared = [[f"{name}/{10 * part + n:04d}" for name in "ab" for n in range(10)] for part in range(3)]
    rest = [[f"b/{number:04d}" for number in (*range(30, 36), 0)]]
    ties = [Tie(paths[0], path, "key", 1.0) for paths in (*shared, *rest) for path in paths[1:] if path != paths[0]]
    found = by_class(split(index, ties=ties))
    assert all(found[name, part] for name in "abz" for part in PARTS)


def test_merged_class_stands_in_every_part_though_its_folders_cannot():
    index = index_of({"a": 30, "b": 30, "x": 1, "y": 1, "z": 1})
    merged = ClassParams(drop=[], merge={"rare": ["x", "y", "z"]}, least=1, below="fail", rest="other")
    result = split(index, classes=merged)
    assert Counter(row.part for row in result.rows if row.class_name == "rare") == dict.fromkeys(PARTS, 1)
    alone = split(index)
    assert [row.part for row in alone.rows if row.class_name in "ab"] == [
        row.part for row in result.rows if row.class_name in "ab"
    ]


def test_classes_chosen_and_back_leave_the_very_same_bytes(tmp_path):
    params = changed(folds=5)
    index = sorted_index(*conflict(), *index_of({"c": 8, "d": 2}))
    plain = split(index, params=params)
    write_split(tmp_path, plain, params)
    before = (tmp_path / "assignment.csv").read_bytes()
    for choice in (
        {"drop": ["a"]},
        {"merge": {"ab": ["a", "b"]}},
        {"least": 9, "below": "merge"},
        {"least": 9, "below": "drop", "merge": {"new": ["b", "d"]}},
    ):
        other = split(index, read_former(tmp_path), params, classes=CLASSES.model_copy(update=choice))
        assert {row.sha256: row.fold for row in plain.rows}.items() <= {
            row.sha256: row.fold for row in other.rows
        }.items()
        write_split(tmp_path, other, params)
        write_split(tmp_path, split(index, read_former(tmp_path), params), params)
        assert (tmp_path / "assignment.csv").read_bytes() == before, choice


def test_class_of_which_nothing_is_left():
    index = index_of({"a": 9, "b": 9})
    index += [photograph(f"c/{number}", row.sha256, row.pixels) for number, row in enumerate(index[:3])]
    with pytest.raises(
        DataError, match=r"wanted photographs of c, found that all are kept out \(c/0: the same picture"
    ):
        split(index)


def test_small_classes_in_folds():
    index = index_of({"a": 30, "one": 1, "two": 2})
    for count, unseen in ((5, "0"), (4, "0"), (3, "0")):
        result = split(index, params=changed(folds=count))
        assert f"one: the net of fold {unseen} is trained without it: it has 1 group of photographs" in result.warnings
        assert any(line.startswith("two: ") for line in result.warnings) == (count == 3)


def test_folds_without_photographs_are_told():
    index = index_of({"a": 20, "b": 20})
    params = changed(folds=5)
    whole = split(index, params=params)
    assert not any("folds, found" in line for line in whole.warnings)
    fold = {row.path: row.fold for row in whole.rows}
    for gone, words in (
        (4, "for 5 folds, found some for 4: so many nets"),
        (2, "in each of 5 folds, found none in fold 2:"),
    ):
        left = [row for row in index if fold[row.path] != gone]
        warnings = split(left, after(whole, params), params).warnings
        assert [words in line for line in warnings if "folds, found" in line] == [True]


@pytest.mark.parametrize("shares", [changed(folds=3).shares, None])
def test_a_table_of_more_folds_than_there_are_is_a_mistake(shares):
    index = index_of({"a": 9, "b": 9})
    old = split(index, params=changed(folds=5))
    with pytest.raises(DataError, match=r"wanted places below 3 in assignment.csv, found fold 4; it and shares.json"):
        split(index, Former(old.rows, shares), changed(folds=3))


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
