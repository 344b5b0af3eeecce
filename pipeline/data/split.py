"""Divide a packed set into train, val and test, and into folds: stable while it grows, and what is alike on one side.

A photograph is known by its content. Once it has a part, it keeps it. Photographs form groups: those with the same
bytes, with the same pixels once packed, those that `group` tied, and those that were one group before. A group has one
part. Two groups in different parts stay apart: what would tie them is not used, but an old photograph keeps its part.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.data.assignment import NOT_LEARNT, PARTS, AssignmentRow, read_rows, write_assignment
from pipeline.data.classes import ClassParams, learnt_classes
from pipeline.data.components import Components
from pipeline.data.deal import Group, deal, surplus
from pipeline.data.packed import IndexRow
from pipeline.data.ties import Tie
from pipeline.errors import DataError, ParameterError
from pipeline.files import new_files, write_text
from pipeline.text import shown

ASSIGNMENT_FILE = "assignment.csv"
SHARES_FILE = "shares.json"

# Who keeps what is tied across parts, and where a class of few groups stands first.
_TIES_FOR = ("test", "val", "train")
_IMPORTANCE = ("train", "test", "val")
_LISTED = 20


class Shares(BaseModel):
    """What an assignment was dealt by; kept beside it, so that a change is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seed: int
    val: float
    test: float
    folds: int

    def parts(self) -> list[float]:
        """Return the share of each of `PARTS`."""
        return [1 - self.val - self.test, self.val, self.test]


class SplitParams(BaseModel):
    """The `split` section of params.yaml; what each key does stands there."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seed: int = Field(ge=0)
    val: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    folds: int = Field(ge=0)
    on_conflict: Literal["fail", "drop"]
    allow_moves: bool

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Self:
        if self.val + self.test >= 1:
            raise ValueError(f"wanted val + test < 1, found {self.val:g} + {self.test:g}")
        if self.folds in (1, 2):
            raise ValueError(f"wanted folds: 0, or 3 or more (train, val and test take one each), found {self.folds}")
        return self

    @property
    def shares(self) -> Shares:
        """What an assignment by these parameters is dealt by."""
        return Shares(seed=self.seed, val=self.val, test=self.test, folds=self.folds)


class Former(NamedTuple):
    """An assignment that stands already: its rows, and what it was dealt by."""

    rows: Sequence[AssignmentRow] = ()
    shares: Shares | None = None


@dataclass
class Split:
    """A new assignment and what is to be said of it.

    Attributes
    ----------
    rows : one a row of the index
    new : the rows that had no part before and have one now
    warnings : lines for people
    """

    rows: list[AssignmentRow] = field(default_factory=list)
    new: list[AssignmentRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_former(folder: Path) -> Former:
    """Read the assignment that stands in `folder`; an empty one if there is none.

    Raises
    ------
    DataError
        If it is damaged: then it must be restored, since nobody else knows which photograph had which part.
    """
    table, shares = folder / ASSIGNMENT_FILE, folder / SHARES_FILE
    if not table.exists():
        return Former()
    hint = f"restore it (git checkout -- {shown(folder)}), or remove {shown(folder)} to divide anew"
    try:
        rows = read_rows(table)
        return Former(rows, Shares.model_validate_json(shares.read_bytes()) if shares.exists() else None)
    except DataError as error:
        raise DataError(f"{error}; {hint}") from None
    except ValidationError as error:
        raise DataError(
            f"{shown(shares)}: wanted what the split was made by, found {error.errors()[0]['msg']}; {hint}"
        ) from None


def write_split(folder: Path, split: Split, params: SplitParams) -> None:
    """Write ``assignment.csv`` and ``shares.json``, both or none."""
    with new_files(folder) as both:
        write_assignment(both / ASSIGNMENT_FILE, split.rows)
        write_text(both / SHARES_FILE, json.dumps(params.shares.model_dump(), indent=2) + "\n")


def split_index(
    index: Sequence[IndexRow], ties: Iterable[Tie], former: Former, params: SplitParams, classes: ClassParams
) -> Split:
    """Give every row of a packed set a part, and a fold where folds are asked for.

    From nothing (an empty `former`, or one by another seed) it depends on content, ties, classes and seed alone.

    Raises
    ------
    ParameterError
        If other shares or another number of folds would move photographs, and ``allow_moves`` is not set.
    DataError
        If one picture stands under two classes that are learnt (with ``on_conflict="fail"``), or a class is too small.
    """
    split = Split()
    learnt = learnt_classes([row.class_name for row in index], classes)
    conflicts = _conflicts(index, learnt)
    if conflicts and params.on_conflict == "fail":
        raise DataError(_conflict_text(conflicts, index))
    reseeded = former.shares is not None and former.shares.seed != params.seed
    contents = _Contents(index, ties, () if reseeded else former.rows, conflicts, learnt)
    former_parts = {row.sha256: PARTS.index(row.part) for row in former.rows if row.part}
    parts = _Dealer("part", PARTS, params.shares.parts(), _IMPORTANCE, params, split.warnings)
    before = former.shares.parts() if former.shares else None
    parts.settle(contents, former_parts, before, reseeded)
    if params.folds:
        names = [f"fold {number}" for number in range(params.folds)]
        # A class of few groups does not stand in two folds that follow each other: the second chooses the epoch for
        # the first, and none would be left to train on.
        spread = [*names[::2], *names[1::2]]
        folds = _Dealer("fold", names, [1 / params.folds] * params.folds, spread, params, split.warnings)
        former_folds = {row.sha256: row.fold for row in former.rows if row.fold >= 0}
        known = former.shares.folds if former.shares else 0
        folds.settle(contents, former_folds, [1 / known] * known if known else None, reseeded)
        # A new photograph that ties two folds gets no part; an old one keeps its own.
        parts.notes |= {content: note for content, note in folds.notes.items() if content not in parts.given}
    part = parts.deal(contents)
    fold = folds.deal(contents.only(part)) if params.folds else {}
    notes = folds.notes | parts.notes if params.folds else parts.notes
    # What only photographs that are not used hold together, across two folds, is two groups.
    contents.name_groups(
        {content: place * (params.folds + 1) + fold.get(content, params.folds) for content, place in part.items()}
    )
    for entry in index:
        row = _row(entry, learnt, conflicts, contents.group_of, part, fold, notes)
        split.rows.append(row)
        if row.part and row.sha256 not in former_parts:
            split.new.append(row)
    split.warnings += _kept_out(split.rows)
    split.warnings += _fold_warnings(split.rows, params.folds) if params.folds else _part_warnings(split.rows)
    _check_all_are_there(split.rows, learnt)
    return split


def _row(
    entry: IndexRow,
    learnt: Mapping[str, str],
    conflicts: Mapping[str, str],
    groups: Mapping[str, str],
    part: Mapping[str, int],
    fold: Mapping[str, int],
    notes: Mapping[str, str],
) -> AssignmentRow:
    content = entry.sha256
    name = learnt[entry.class_name]
    note = conflicts.get(entry.path) or notes.get(content, "") or ("" if name else NOT_LEARNT)
    return AssignmentRow(
        path=entry.path,
        class_name=name if content in part and not note else "",
        sha256=content,
        group=groups[content],
        part=PARTS[part[content]] if content in part else "",
        fold=fold.get(content, -1),
        note=note,
    )


def _kept_out(rows: Sequence[AssignmentRow]) -> list[str]:
    out = [row for row in rows if row.note not in ("", NOT_LEARNT)]
    lines = [f"kept out: {shown(row.path)}: {row.note}" for row in out[:_LISTED]]
    return [*lines, f"and {len(out) - _LISTED} more kept out"] if len(out) > _LISTED else lines


def _groups_of_classes(
    rows: Iterable[AssignmentRow], column: Literal["part", "fold"]
) -> dict[str, dict[str | int, set[str]]]:
    """Return class -> part or fold -> the groups that it has there, of what is used."""
    groups: dict[str, dict[str | int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        if row.class_name:
            groups[row.class_name][getattr(row, column)].add(row.group)
    return groups


def _part_warnings(rows: Iterable[AssignmentRow]) -> list[str]:
    """Say which classes are missing in a part."""
    warnings = []
    for name, by_part in sorted(_groups_of_classes(rows, "part").items()):
        missing = [part for part in PARTS if part not in by_part]
        if missing:
            warnings.append(f"{shown(name)}: none in {' and '.join(missing)}: it has {_count(by_part)}")
    return warnings


def _fold_warnings(rows: Sequence[AssignmentRow], folds: int) -> list[str]:
    """Say which folds are empty, and which classes are judged by a net that was trained without them."""
    used = {row.fold for row in rows if row.class_name}
    trained = max(used, default=-1) + 1
    empty = [fold for fold in range(trained) if fold not in used]
    warnings = []
    if trained < folds:
        warnings.append(f"wanted photographs for {folds} folds, found some for {trained}: so many nets are trained")
    if empty:
        warnings.append(
            f"wanted photographs in each of {trained} folds, found none in fold {', '.join(map(str, empty))}: nothing "
            "calibrates the net whose val it is; take fewer split.folds, or more photographs"
        )
    for name, by_fold in sorted(_groups_of_classes(rows, "fold").items()):
        unseen = [fold for fold in range(folds) if fold in by_fold and not by_fold.keys() - {fold, (fold + 1) % folds}]
        if unseen:
            where = ", ".join(map(str, unseen))
            warnings.append(f"{shown(name)}: the net of fold {where} is trained without it: it has {_count(by_fold)}")
    return warnings


def _count(groups: Mapping[str | int, set[str]]) -> str:
    count = len(set().union(*groups.values()))
    return f"{count} {'group' if count == 1 else 'groups'} of photographs"


def _check_all_are_there(rows: Sequence[AssignmentRow], learnt: Mapping[str, str]) -> None:
    for name in sorted(set(learnt.values()) - {""} - {row.class_name for row in rows}):
        row = next(row for row in rows if learnt[row.path.partition("/")[0]] == name)
        raise DataError(
            f"split: wanted photographs of {shown(name)}, found that all are kept out ({shown(row.path)}: {row.note}); "
            "classes.drop learns without it, classes.merge joins it with another"
        )


def _conflict_text(conflicts: Mapping[str, str], index: Sequence[IndexRow]) -> str:
    lines = [f"{shown(row.path)}: {conflicts[row.path]}" for row in index if row.path in conflicts]
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    head = (
        f"split: {len(lines)} photographs stand under several classes (split.on_conflict: fail; drop leaves them out):"
    )
    return "\n  ".join([head, *lines[:_LISTED], *more])


class _Contents:
    """The distinct contents of an index, what binds them, and the groups that they form.

    Attributes
    ----------
    sizes : content -> class folder -> its photographs there
    unused : contents that stand under several classes, or are tied to others in another place
    bonds : contents of which each belongs together with each, whatever becomes of the others
    apart : contents that bind nothing, since they would bind what has to stay apart
    """

    def __init__(
        self,
        index: Sequence[IndexRow],
        ties: Iterable[Tie],
        former: Sequence[AssignmentRow],
        conflicts: Collection[str],
        learnt: Mapping[str, str],
    ) -> None:
        self._learnt = learnt
        self.sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in index:
            self.sizes[row.sha256][row.class_name] += 1
        self.unused = {row.sha256 for row in index if row.path in conflicts}
        self._former_group = {row.sha256: row.group for row in former}
        sets = [*_tied_sets(index, ties), *self._former_groups()]
        self.bonds = sorted({tuple(sorted(members)) for members in sets if len(members) > 1})
        self.apart: set[str] = set()
        self.group_of: dict[str, str] = {}

    def _former_groups(self) -> Iterable[set[str]]:
        groups: dict[str, set[str]] = defaultdict(set)
        for content in self.sizes:
            # One that comes back belongs to the group that bears its name.
            groups[self._former_group.get(content, _name(content))].add(content)
        return groups.values()

    def only(self, chosen: Mapping[str, int]) -> "_Contents":
        """Return a copy with the contents in `chosen` alone."""
        fewer = copy(self)
        fewer.sizes = {content: sizes for content, sizes in self.sizes.items() if content in chosen}
        fewer.bonds = [tuple(member for member in bond if member in chosen) for bond in self.bonds]
        return fewer

    def groups(self, apart: Collection[str], given: Mapping[str, int]) -> list[list[str]]:
        """Return the groups, each a list of contents.

        Those `apart` are groups of their own, and bind nothing; no bond goes from one `given` place to another.
        """
        edges = []
        for bond in self.bonds:
            inside = sorted((given.get(member, -1), member) for member in bond if member not in apart)
            edges += [(a, b) for (at, a), (to, b) in pairwise(inside) if at in (-1, to)]
        return list(Components(sorted(self.sizes), edges).members().values())

    def card(self, members: Sequence[str], seed: int) -> Group:
        """Return a group as it is dealt: by what is used of it, if anything is."""
        sizes: Counter[str] = Counter()
        for member in [member for member in members if member not in self.unused] or members:
            sizes.update(self.sizes[member])
        # No folder has a slash in its name.
        merged = {f"/{self._learnt[folder]}" for folder in sizes if self._learnt[folder] not in ("", folder)}
        return Group(hashlib.sha256(f"{seed}:{min(members)}".encode()).digest(), sizes, frozenset(merged))

    def name_groups(self, given: Mapping[str, int]) -> None:
        """Give every group the id that most of its members had, or else the head of its smallest content."""
        for members in self.groups(self.apart, given):
            known = Counter(self._former_group[member] for member in members if member in self._former_group)
            name = min(known, key=lambda name: (-known[name], name)) if known else _name(min(members))
            for member in members:
                self.group_of[member] = name


def _name(content: str) -> str:
    return content[:16]


def _tied_sets(index: Sequence[IndexRow], ties: Iterable[Tie]) -> list[set[str]]:
    """Return sets of contents that belong together pairwise: of the same pixels, alike, or with one key of the user's.

    Of pictures with the same pixels one stands for all in `ties`, and of those with one key the first is tied to all.
    """
    by_pixels: dict[str, set[str]] = defaultdict(set)
    for row in index:
        by_pixels[row.pixels].add(row.sha256)
    same = {row.path: by_pixels[row.pixels] for row in index}
    keys: dict[str, set[str]] = defaultdict(set)
    alike = []
    for tie in ties:
        if tie.a not in same or tie.b not in same:
            continue
        if tie.kind == "key":
            keys[tie.a] |= same[tie.a] | same[tie.b]
        else:
            alike.append(same[tie.a] | same[tie.b])
    return [*by_pixels.values(), *alike, *keys.values()]


class _Dealer:
    """Gives each content its place among parts, or among folds."""

    def __init__(
        self,
        what: str,
        names: Sequence[str],
        shares: Sequence[float],
        importance: Sequence[str],
        params: SplitParams,
        warnings: list[str],
    ) -> None:
        self._what, self._names, self._shares, self._params = what, names, shares, params
        self._importance = [list(names).index(name) for name in importance]
        self._ties_for = [names.index(n) for n in _TIES_FOR] if what == "part" else list(range(len(names)))
        self._warnings = warnings
        self.given: dict[str, int] = {}
        self.notes: dict[str, str] = {}

    def settle(
        self, contents: _Contents, former: Mapping[str, int], shares_before: Sequence[float] | None, reseeded: bool
    ) -> None:
        """Find out which contents have a place, and which are kept out, for the reasons in `notes`."""
        self._former, self._shares_before, self._reseeded = former, shares_before, reseeded
        if not reseeded and (shares_before is None or len(shares_before) == len(self._shares)):
            self.given = {content: former[content] for content in contents.sizes if content in former}
        if max(self.given.values(), default=0) >= len(self._shares):
            raise DataError(
                f"split: wanted places below {len(self._shares)} in assignment.csv, found {self._what} "
                f"{max(self.given.values())}; it and {SHARES_FILE} are not of one commit"
            )
        self._settle_old(contents, self.given)
        self._keep_out(contents, self.given)
        contents.unused |= self.notes.keys()
        contents.apart |= self.notes.keys() - self.given.keys()

    def deal(self, contents: _Contents) -> dict[str, int]:
        """Return content -> place; new ones that are kept out are missing."""
        given, before = self.given, self._shares_before
        groups = [members for members in contents.groups(contents.apart, given) if members[0] not in contents.apart]
        # What is used for nothing (a picture under two classes) comes last, and takes no place from others.
        groups.sort(key=contents.unused.issuperset)
        used = sum(not contents.unused.issuperset(members) for members in groups)
        cards = [contents.card(members, self._params.seed) for members in groups]
        places = [next((given[m] for m in members if m in given), -1) for members in groups]
        if before is not None and list(before) != list(self._shares) and given:
            for number in surplus(cards[:used], places[:used], self._shares):
                places[number] = -1
        places[:used] = deal(cards[:used], places[:used], self._shares, self._importance)
        dealt = deal(cards, places, self._shares, self._importance)
        result = given | {member: place for members, place in zip(groups, dealt, strict=True) for member in members}
        self._account(contents, result)
        return result

    def _settle_old(self, contents: _Contents, given: dict[str, int]) -> None:
        """Contents that have places and turn out to be tied across them: the most important place uses its own."""
        across = [bond for bond in contents.bonds if len({given[m] for m in bond if m in given}) > 1]
        if not across:
            return
        if self._params.allow_moves:
            self._move_together(contents, given)
            return
        for bond in across:
            first = min((given[m] for m in bond if m in given), key=self._ties_for.index)
            tied = [m for m in bond if m in given and given[m] != first]
            self.notes |= dict.fromkeys(tied, f"tied to {self._names[first]}")
        self._warnings.append(
            f"{len(self.notes)} photographs turned out to be tied to some in another {self._what}, and are not used; "
            "split.allow_moves: true moves them there instead"
        )

    def _move_together(self, contents: _Contents, given: dict[str, int]) -> None:
        for members in contents.only(given).groups((), {}):
            held = [sum(given[m] == place for m in members) for place in range(len(self._names))]
            best = max(self._ties_for, key=lambda place: (held[place], -self._ties_for.index(place)))
            given |= dict.fromkeys(members, best)

    def _keep_out(self, contents: _Contents, given: Mapping[str, int]) -> None:
        """New contents that tie groups in different places, directly or, in the second round, through others."""
        touching: dict[str, set[int]] = defaultdict(set)
        for bond in contents.bonds:
            places = {given[member] for member in bond if member in given}
            for member in bond:
                if member not in given:
                    touching[member] |= places
        self._note_ties({content: places for content, places in touching.items() if len(places) > 1})
        for members in contents.groups(self.notes.keys() - given.keys(), given):
            places = {given[member] for member in members if member in given}
            if len(places) > 1:
                self._note_ties({member: places for member in members if member not in given})

    def _note_ties(self, tied: Mapping[str, set[int]]) -> None:
        for content, places in tied.items():
            if content not in self.notes:
                self.notes[content] = f"ties {' and '.join(self._names[place] for place in sorted(places))}"

    def _account(self, contents: _Contents, result: Mapping[str, int]) -> None:
        """Say how many contents moved, and refuse unless that was asked for."""
        former = self._former.items()
        moved = sum(result.get(content, place) != place for content, place in former if content in contents.sizes)
        if not moved:
            return
        count = f"{moved} of {len(contents.sizes)} photographs"
        if self._reseeded:
            self._warnings.append(f"another seed is another split: {count} changed their {self._what}")
        elif not self._params.allow_moves:
            before = _words(self._shares_before or [])
            raise ParameterError(
                f"params.yaml: split: wanted the shares that the split was made by ({before}), found "
                f"{_words(self._shares)}: it would move {count} to another {self._what}; to agree, set "
                "split.allow_moves: true"
            )
        else:
            self._warnings.append(f"{count} changed their {self._what} (split.allow_moves: true)")


def _words(shares: Sequence[float]) -> str:
    if len(shares) == len(PARTS) and len(set(shares)) > 1:
        return f"val {shares[1]:g}, test {shares[2]:g}"
    return f"{len(shares)} folds"


def _conflicts(index: Sequence[IndexRow], learnt: Mapping[str, str]) -> dict[str, str]:
    """Return the paths of pictures that stand under two classes that are learnt -> a note that names another path."""
    by_pixels: dict[str, list[IndexRow]] = defaultdict(list)
    for row in index:
        if learnt[row.class_name]:
            by_pixels[row.pixels].append(row)
    conflicts: dict[str, str] = {}
    for rows in by_pixels.values():
        if len({learnt[row.class_name] for row in rows}) > 1:
            for row in rows:
                other = next(o for o in rows if learnt[o.class_name] != learnt[row.class_name])
                conflicts[row.path] = f"the same picture as {shown(other.path)}"
    return conflicts
