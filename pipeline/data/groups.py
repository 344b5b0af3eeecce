"""All that ties photographs: the same pixels, the same part in other light, and the user's own keys."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.data import duplicates, parallel
from pipeline.data.code import code_version
from pipeline.data.duplicates import NO_PAIRS, Form, Pairs, extract, find_pairs
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.data.ties import Tie, groups_of
from pipeline.errors import DataError
from pipeline.files import STATE_FOLDER, read_csv, replaced
from pipeline.text import shown

MAKERS = (duplicates, parallel)
SURE = 0.7
"""Likeness that two different parts reach only if nobody could tell them apart."""
LEAST_CROWD = 30
"""Photographs; that many of one part are nothing unusual."""
_STEP = 0.05
_STATE = STATE_FOLDER / "group.npz"

logger = logging.getLogger(__name__)


class GroupParams(BaseModel):
    """The `group` section of params.yaml; what each key does stands there."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    threshold: float = Field(ge=duplicates.LEAST_SCORE, le=1)
    largest: float = Field(gt=0, le=1)
    mirrored: bool
    key: str | None

    @field_validator("key")
    @classmethod
    def _is_an_expression(cls, key: str | None) -> str | None:
        try:
            re.compile(key or "")
        except re.error as error:
            raise ValueError(f"wanted a regular expression, found {key!r} ({error})") from None
        return key


class Looked(NamedTuple):
    """Pictures with different pixels and what is alike among them: places in `rows`, the rows of the packed set."""

    rows: np.ndarray
    pairs: Pairs


class Crowd(NamedTuple):
    """Photographs that were too many for a group: their number, and the likeness at which they still hold together."""

    size: int
    level: float


class Found(NamedTuple):
    """What belongs together.

    Attributes
    ----------
    ties : no pair twice, ascending
    alike : all pairs of pictures that are alike, also those below the threshold
    crowds : what was too many for a group, and divided
    """

    ties: list[Tie]
    alike: list[Tie]
    crowds: list[Crowd]


def find_ties(packed: PackedSet, table: Path, params: GroupParams) -> Found:
    """Find what belongs together in a packed set: by the pixels, by the user's key, by the table `path,group`.

    Raises
    ------
    DataError
        If the table names a path that is not in the packed set, or gives one two groups.
    """
    index = packed.index
    own = [*key_ties(index, params.key), *table_ties(index, table)]
    alike = near_ties(look_alike(packed, params.mirrored), index)
    near = [tie for tie in alike if tie.score >= params.threshold]
    near, crowds = divide_crowds(near, max(LEAST_CROWD, int(params.largest * len(index))), params.threshold)
    ties = {(tie.a, tie.b): tie for tie in [*near, *own, *identical_ties(index)]}
    return Found(sorted(ties.values()), alike, crowds)


def look_alike(packed: PackedSet, mirrored: bool) -> Looked:
    """Compare the pictures of a packed set; what was compared before is not compared again.

    Features and pairs are kept from one time to the next, by the pixels' hashes. A pair once found is found again;
    one that was not is not looked for again, unless the code or `mirrored` changed.
    """
    first_row = {row.pixels: place for place, row in reversed(list(enumerate(packed.index)))}
    pixels = sorted(first_row, key=first_row.__getitem__)
    rows = np.array([first_row[each] for each in pixels], np.int64)
    version = f"{code_version(MAKERS, ('numpy', 'opencv-python-headless', 'faiss-cpu'))} {mirrored}"
    known, form, pairs = _read_state(version)
    place_before = {each: place for place, each in enumerate(known)}
    new = np.array([place for place, each in enumerate(pixels) if each not in place_before], np.int64)
    form = _together(pixels, place_before, form, extract(packed.images, rows[new]), new)
    pairs = _joined(_moved(pairs, known, pixels), find_pairs(form, new, mirrored))
    _write_state(version, pixels, form, pairs)
    return Looked(rows, pairs)


def near_ties(looked: Looked, index: Sequence[IndexRow]) -> list[Tie]:
    """Return the ties between pictures that are alike."""
    return [
        Tie(index[a].path, index[b].path, "mirrored" if turned else "near", float(score))
        for (a, b), score, turned in zip(
            looked.rows[looked.pairs.pairs].tolist(), looked.pairs.scores, looked.pairs.mirrored, strict=True
        )
    ]


def divide_crowds(ties: Sequence[Tie], most: int, threshold: float) -> tuple[list[Tie], list[Crowd]]:
    """Take the weakest ties out of groups of more than `most` photographs, until their pieces are smaller.

    What so many have in common is a frame, a fixture or a pattern, and not a part. Ties of at least `SURE` are left:
    a long series of photographs of one part stays together, however long.

    Parameters
    ----------
    ties : those found by the pixels, of at least `threshold`

    Returns
    -------
    The ties that are left, and the crowds, the largest first.
    """
    group_of = {path: number for number, paths in enumerate(groups_of(ties)) for path in paths}
    by_group: dict[int, list[Tie]] = defaultdict(list)
    for tie in ties:
        by_group[group_of[tie.a]].append(tie)
    sizes = Counter(group_of.values())
    kept: list[Tie] = []
    crowds: list[Crowd] = []
    for number, members in by_group.items():
        level, left = threshold, members
        while left and level < SURE and sizes[number] > most and _largest(left) > most:
            level = min(SURE, level + _STEP)
            left = [tie for tie in left if tie.score >= level]
        kept += left
        if level > threshold:
            crowds.append(Crowd(sizes[number], level))
    return kept, sorted(crowds, reverse=True)


def _largest(ties: Iterable[Tie]) -> int:
    return len(groups_of(ties)[0])


def identical_ties(index: Sequence[IndexRow]) -> list[Tie]:
    """Return a tie between each picture and the first with the same pixels."""
    return _star(((row.pixels, row.path) for row in index), "identical")


def key_ties(index: Sequence[IndexRow], key: str | None) -> list[Tie]:
    """Return ties between photographs whose paths match the regular expression `key` alike.

    What counts is its first group, or the whole match where it has none. A path without a match is tied to nothing.
    """
    if key is None:
        return []
    expression = re.compile(key)
    group = 1 if expression.groups else 0
    found = ((expression.search(row.path), row.path) for row in index)
    return _star(((match[group], path) for match, path in found if match and match[group] is not None), "key")


def table_ties(index: Sequence[IndexRow], table: Path) -> list[Tie]:
    """Return ties between photographs to which the table `path,group` gives the same group.

    Raises
    ------
    DataError
        If no path is in the packed set, or one has two groups. Of those that are not, photographs that went, or cannot
        be read, it is told.
    """
    rows = read_csv(table, ("path", "group"))
    known = {row.path for row in index}
    unknown = [row["path"] for row in rows if row["path"] not in known]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        names = ", ".join(map(shown, unknown[:5])) + more
        if len(unknown) == len(rows):
            raise DataError(f"{shown(table)}: wanted paths of photographs below the data folder, found {names}")
        logger.warning("group: %s: no use is made of what the packed set does not have: %s", shown(table), names)
    groups: dict[str, str] = {}
    for row in rows:
        if groups.setdefault(row["path"], row["group"]) != row["group"]:
            raise DataError(f"{shown(table)}: wanted one group for {shown(row['path'])}, found two")
    return _star(((groups[row.path], row.path) for row in index if groups.get(row.path)), "key")


def _star(entries: Iterable[tuple[str, str]], kind: str) -> list[Tie]:
    members: dict[str, list[str]] = defaultdict(list)
    for key, path in entries:
        members[key].append(path)
    return [Tie(paths[0], other, kind, 1.0) for paths in members.values() for other in paths[1:]]


def _together(pixels: Sequence[str], before: dict[str, int], former: Form | None, found: Form, new: np.ndarray) -> Form:
    """Return the forms of all `pixels`, those of the `new` ones from `found`, in one piece."""
    if former is None:
        return found
    old = np.array([place for place, each in enumerate(pixels) if each in before], np.int64)
    form = np.empty((len(pixels), *found.shape[1:]), found.dtype)
    form[old] = former[np.array([before[pixels[place]] for place in old], np.int64)]
    form[new] = found
    return form


def _moved(pairs: Pairs, known: Sequence[str], pixels: Sequence[str]) -> Pairs:
    """Return the pairs whose pictures are still there, by their places in `pixels`."""
    place_now = {each: place for place, each in enumerate(pixels)}
    places = np.array([place_now.get(each, -1) for each in known], np.int64)
    moved = np.sort(places[pairs.pairs], axis=1) if len(pairs.pairs) else pairs.pairs
    there = (moved >= 0).all(axis=1)
    return Pairs(moved[there], pairs.scores[there], pairs.mirrored[there])


def _joined(one: Pairs, other: Pairs) -> Pairs:
    pairs = np.concatenate([one.pairs, other.pairs])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    scores = np.concatenate([one.scores, other.scores])
    return Pairs(pairs[order], scores[order], np.concatenate([one.mirrored, other.mirrored])[order])


def _read_state(version: str) -> tuple[list[str], Form | None, Pairs]:
    try:
        with _STATE.open("rb") as file, np.load(file, allow_pickle=False) as state:
            if str(state["version"]) == version:
                pairs = Pairs(state["pairs"], state["scores"], state["mirrored"])
                return state["pixels"].tolist(), state["form"], pairs
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass
    return [], None, NO_PAIRS


def _write_state(version: str, pixels: Sequence[str], form: Form, pairs: Pairs) -> None:
    with replaced(_STATE) as partial, partial.open("wb") as file:
        np.savez(file, version=version, pixels=np.array(pixels), form=form, **pairs._asdict())
