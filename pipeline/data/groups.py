"""All that ties photographs: the same pixels, the same part in other light, and the user's own keys."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.data import duplicates, parallel
from pipeline.data.code import code_version
from pipeline.data.duplicates import Features, Pairs, extract, find_pairs
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.data.ties import Tie
from pipeline.errors import DataError
from pipeline.files import STATE_FOLDER, read_csv, replaced
from pipeline.text import shown

MAKERS = (duplicates, parallel)
_STATE = STATE_FOLDER / "group.npz"


class GroupParams(BaseModel):
    """The `group` section of params.yaml; what each key does stands there."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    threshold: float = Field(ge=duplicates.LEAST_SCORE, le=1)
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


def look_alike(packed: PackedSet, mirrored: bool) -> Looked:
    """Compare the pictures of a packed set; what was compared before is not compared again.

    Features and pairs are kept from one time to the next, by the pixels' hashes. A pair once found is found again;
    one that was not is not looked for again, unless the code or `mirrored` changed.
    """
    first_row = {row.pixels: place for place, row in reversed(list(enumerate(packed.index)))}
    pixels = sorted(first_row, key=first_row.__getitem__)
    rows = np.array([first_row[each] for each in pixels], np.int64)
    version = f"{code_version(MAKERS, ('numpy', 'opencv-python-headless'))} {mirrored}"
    known, features, pairs = _read_state(version)
    place_before = {each: place for place, each in enumerate(known)}
    new = np.array([place for place, each in enumerate(pixels) if each not in place_before], np.int64)
    features = _together(pixels, place_before, features, extract(packed.images, rows[new]), new)
    pairs = _joined(_moved(pairs, known, pixels), find_pairs(features, new, mirrored))
    _write_state(version, pixels, features, pairs)
    return Looked(rows, pairs)


def near_ties(looked: Looked, index: Sequence[IndexRow], threshold: float) -> list[Tie]:
    """Return the ties between pictures that are alike at least as much as `threshold`."""
    kept = looked.pairs.scores >= threshold
    return [
        Tie(index[a].path, index[b].path, "mirrored" if turned else "near", float(score))
        for (a, b), score, turned in zip(
            looked.rows[looked.pairs.pairs[kept]].tolist(),
            looked.pairs.scores[kept],
            looked.pairs.mirrored[kept],
            strict=True,
        )
    ]


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
        If a path is not in the packed set, or has two groups.
    """
    rows = read_csv(table, ("path", "group"))
    known = {row.path for row in index}
    unknown = [row["path"] for row in rows if row["path"] not in known]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        names = ", ".join(map(shown, unknown[:5]))
        raise DataError(f"{shown(table)}: wanted paths of photographs below the data folder, found {names}{more}")
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


def _together(
    pixels: Sequence[str], before: dict[str, int], former: Features | None, found: Features, new: np.ndarray
) -> Features:
    """Return the features of all `pixels`, those of the `new` ones from `found`, in one piece."""
    if former is None:
        return found
    old = np.array([place for place, each in enumerate(pixels) if each in before], np.int64)
    source = np.array([before[pixels[place]] for place in old], np.int64)
    form = np.empty((len(pixels), *found.form.shape[1:]), found.form.dtype)
    strength = np.empty((len(pixels), *found.strength.shape[1:]), found.strength.dtype)
    form[old], form[new] = former.form[source], found.form
    strength[old], strength[new] = former.strength[source], found.strength
    return Features(form, strength)


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


_NO_PAIRS = Pairs(np.empty((0, 2), np.int64), np.empty(0, np.float32), np.empty(0, bool))


def _read_state(version: str) -> tuple[list[str], Features | None, Pairs]:
    try:
        with _STATE.open("rb") as file, np.load(file, allow_pickle=False) as state:
            if str(state["version"]) == version:
                pairs = Pairs(state["pairs"], state["scores"], state["mirrored"])
                return state["pixels"].tolist(), Features(state["form"], state["strength"]), pairs
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass
    return [], None, _NO_PAIRS


def _write_state(version: str, pixels: Sequence[str], features: Features, pairs: Pairs) -> None:
    with replaced(_STATE) as partial, partial.open("wb") as file:
        np.savez(file, version=version, pixels=np.array(pixels), **features._asdict(), **pairs._asdict())
