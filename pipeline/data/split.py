"""Divide a packed set into train, val and test, and into folds: stable while it grows, and what is alike on one side.

A photograph is known by its content. Once it has a part, it keeps it. Photographs form groups: those with the same
bytes, with the same pixels once packed, those that `group` tied, and those that were one group before. A group has one
part. Two groups in different parts stay apart: what would tie them is kept out.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.data.assignment import PARTS, AssignmentRow, read_rows, write_assignment
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
    contents = _Contents(index, ties, former.rows, {row.sha256 for row in index if row.path in conflicts})
    former_parts = {row.sha256: PARTS.index(row.part) for row in former.rows if row.part}
    parts = _Dealer("part", PARTS, params.shares.parts(), _IMPORTANCE, params, split.warnings)
    before = former.shares.parts() if former.shares else None
    reseeded = former.shares is not None and former.shares.seed != params.seed
    parts.settle(contents, former_parts, before, reseeded)
    if params.folds:
        names = [f"fold {number}" for number in range(params.folds)]
        folds = _Dealer("fold", names, [1 / params.folds] * params.folds, names, params, split.warnings)
        former_folds = {row.sha256: row.fold for row in former.rows if row.fold >= 0}
        known = former.shares.folds if former.shares else 0
        folds.settle(contents, former_folds, [1 / known] * known if known else None, reseeded)
        # A new photograph that ties two folds is of no use; an old one keeps its part.
        parts.notes |= {content: note for content, note in folds.notes.items() if content not in parts.given}
        contents.apart |= folds.notes.keys()
    contents.apart |= parts.notes.keys()
    part = parts.deal(contents)
    fold = folds.deal(contents.only(part)) if params.folds else {}
    notes = folds.notes | parts.notes if params.folds else parts.notes
    contents.name_the_rest()
    for entry in index:
        row = _row(entry, learnt, conflicts, contents.group_of, part, fold, notes)
        split.rows.append(row)
        if row.part and row.sha256 not in former_parts:
            split.new.append(row)
    split.warnings += _kept_out(split.rows)
    split.warnings += _class_warnings(split.rows)
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
    note = conflicts.get(entry.path) or notes.get(content, "") or ("" if name else "class not learnt")
    return AssignmentRow(
        path=entry.path,
        class_name=name if content in part and entry.path not in conflicts else "",
        sha256=content,
        group=groups[content],
        part=PARTS[part[content]] if content in part else "",
        fold=fold.get(content, -1),
        note=note,
    )


def _kept_out(rows: Sequence[AssignmentRow]) -> list[str]:
    out = [row for row in rows if row.note and row.note != "class not learnt"]
    lines = [f"kept out: {shown(row.path)}: {row.note}" for row in out[:_LISTED]]
    return [*lines, f"and {len(out) - _LISTED} more kept out"] if len(out) > _LISTED else lines


def _class_warnings(rows: Sequence[AssignmentRow]) -> list[str]:
    """Say which classes have too few groups for all parts, or are missing in one."""
    groups: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        if row.class_name:
            groups[row.class_name][row.part].add(row.group)
    warnings = []
    for name, by_part in sorted(groups.items()):
        missing = [part for part in PARTS if part not in by_part]
        if missing:
            count = sum(len(members) for members in by_part.values())
            word = "group" if count == 1 else "groups"
            warnings.append(f"{shown(name)}: none in {' and '.join(missing)}: it has {count} {word} of photographs")
    return warnings


def _conflict_text(conflicts: Mapping[str, str], index: Sequence[IndexRow]) -> str:
    lines = [f"{shown(row.path)}: {conflicts[row.path]}" for row in index if row.path in conflicts]
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    head = (
        f"split: {len(lines)} photographs stand under several classes (split.on_conflict: fail; drop leaves them out):"
    )
    return "\n  ".join([head, *lines[:_LISTED], *more])


class _Contents:
    """The distinct contents of an index, what ties them, and the groups that they form."""

    def __init__(
        self, index: Sequence[IndexRow], ties: Iterable[Tie], former: Sequence[AssignmentRow], unused: set[str]
    ) -> None:
        self.sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        first_with: dict[str, str] = {}
        self.edges: list[tuple[str, str]] = []
        for row in index:
            sizes = self.sizes[row.sha256]
            if row.sha256 not in unused:
                sizes[row.class_name] += 1
            self.edges.append((first_with.setdefault(row.pixels, row.sha256), row.sha256))
        by_path = {row.path: row.sha256 for row in index}
        self.edges += [(by_path[tie.a], by_path[tie.b]) for tie in ties if tie.a in by_path and tie.b in by_path]
        self.former_group = {row.sha256: row.group for row in former}
        first_of: dict[str, str] = {}
        for content in sorted(self.sizes):
            group = self.former_group.get(content)
            if group is not None:
                self.edges.append((first_of.setdefault(group, content), content))
        self.edges = sorted({(min(a, b), max(a, b)) for a, b in self.edges if a != b})
        self.apart: set[str] = set()
        self.group_of: dict[str, str] = {}

    def only(self, chosen: Mapping[str, int]) -> "_Contents":
        """Return a copy with the contents in `chosen` alone."""
        copy: _Contents = object.__new__(_Contents)
        copy.sizes = {content: sizes for content, sizes in self.sizes.items() if content in chosen}
        copy.edges = [(a, b) for a, b in self.edges if a in chosen and b in chosen]
        copy.former_group, copy.apart, copy.group_of = self.former_group, self.apart, {}
        return copy

    def groups(self, apart: Collection[str]) -> list[list[str]]:
        """Return the groups, each a list of contents; those `apart` are groups of their own, and tie nothing."""
        edges = [(a, b) for a, b in self.edges if a not in apart and b not in apart]
        return list(Components(sorted(self.sizes), edges).members().values())

    def name_groups(self, groups: Iterable[Sequence[str]]) -> None:
        """Give every group the smallest id that any of its members had, or else the head of its smallest content."""
        for members in groups:
            known = [self.former_group[member] for member in members if member in self.former_group]
            name = min(known) if known else min(members)[:16]
            for member in members:
                self.group_of[member] = name

    def name_the_rest(self) -> None:
        """What is kept out is in no group but its own."""
        self.name_groups([content] for content in self.sizes if content not in self.group_of)


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
        self._settle_old(contents, self.given)
        self._keep_out(contents, self.given)

    def deal(self, contents: _Contents) -> dict[str, int]:
        """Return content -> place; what is kept out is missing."""
        given, before = self.given, self._shares_before
        groups = [members for members in contents.groups(contents.apart) if members[0] not in self.notes]
        contents.name_groups(groups)
        # What is used for nothing (a picture under two classes) has no claim to a place, but keeps the one it has.
        unused = {content: place for content, place in given.items() if not contents.sizes[content]}
        groups = [members for members in groups if any(contents.sizes[member] for member in members)]
        cards = [self._card(contents, members) for members in groups]
        places = [next((given[m] for m in members if m in given), -1) for members in groups]
        if before is not None and list(before) != list(self._shares) and given:
            for number in surplus(cards, places, self._shares):
                places[number] = -1
        dealt = deal(cards, places, self._shares, self._importance)
        result = {member: place for members, place in zip(groups, dealt, strict=True) for member in members}
        result = unused | result
        self._account(contents, result)
        return result

    def _card(self, contents: _Contents, members: Sequence[str]) -> Group:
        sizes: dict[str, int] = defaultdict(int)
        for member in members:
            for name, size in contents.sizes[member].items():
                sizes[name] += size
        return Group(hashlib.sha256(f"{self._params.seed}:{min(members)}".encode()).digest(), dict(sizes))

    def _settle_old(self, contents: _Contents, given: dict[str, int]) -> None:
        """Contents that have places and turn out to be tied across them: the most important place keeps its own."""
        across = [(a, b) for a, b in contents.edges if a in given and b in given and given[a] != given[b]]
        if not across:
            return
        if self._params.allow_moves:
            self._move_together(contents, given)
            return
        rank = {place: position for position, place in enumerate(self._ties_for)}
        out = sorted({max(edge, key=lambda content: rank[given[content]]) for edge in across})
        for content in out:
            self.notes[content] = f"tied to another {self._what}"
            del given[content]
        self._warnings.append(
            f"{len(out)} photographs lost their {self._what}, since they turned out to be tied to some in another; "
            "split.allow_moves: true moves them there instead"
        )

    def _move_together(self, contents: _Contents, given: dict[str, int]) -> None:
        old = sorted(given)
        edges = [(a, b) for a, b in contents.edges if a in given and b in given]
        for members in Components(old, edges).members().values():
            held = [sum(given[m] == place for m in members) for place in range(len(self._names))]
            best = max(self._ties_for, key=lambda place: (held[place], -self._ties_for.index(place)))
            given |= dict.fromkeys(members, best)

    def _keep_out(self, contents: _Contents, given: Mapping[str, int]) -> None:
        """New contents that tie groups in different places, directly or, in the second round, through others."""
        touching: dict[str, set[int]] = defaultdict(set)
        for a, b in contents.edges:
            for one, other in ((a, b), (b, a)):
                if one not in given and other in given:
                    touching[one].add(given[other])
        self._note_ties({content: places for content, places in touching.items() if len(places) > 1})
        for members in contents.groups(self.notes.keys()):
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
