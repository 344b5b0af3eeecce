"""The data card: what a set is made of, and what changed since another revision. Markdown, for people and for runs."""

import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.data.assignment import NOT_LEARNT, PARTS, AssignmentRow, read_rows
from pipeline.data.manifest import ManifestRow
from pipeline.data.packed import PackedSet
from pipeline.errors import DataError
from pipeline.text import shown

_LISTED = 20


def data_card(packed: PackedSet, rows: Sequence[AssignmentRow], manifest: Iterable[ManifestRow]) -> str:
    """Describe a packed set and its assignment: counts by class, part and fold, groups, files, light, what is not used.

    Parameters
    ----------
    packed : as `pack_npy` left it, with the class folders as its classes
    rows : of the assignment, one a row of the packed set
    manifest : of all photographs, with those that could not be read
    """
    used = sum(bool(row.class_name) for row in rows)
    parts = [
        f"# Data card\n\n{len(rows)} photographs in {len(packed.class_names)} class folders, {used} of them used.",
        _classes(packed, rows),
        _folds(rows),
        _groups(rows),
        _files(packed),
        _section("Kept out", [f"- {shown(row.path)}: {row.note}" for row in rows if row.note not in ("", NOT_LEARNT)]),
        _section(
            "Skipped: could not be read", [f"- {shown(row.path)}: {row.problem}" for row in manifest if row.problem]
        ),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def changes_section(before: Sequence[AssignmentRow], now: Sequence[AssignmentRow], revision: str) -> str:
    """Say what was added, removed, re-labelled and renamed since `revision`, class folder by class folder.

    A photograph is known by its content; one that stands there several times counts as often.
    """
    old, new = _by_content(before), _by_content(now)
    table, relabelled = _changes(old, new)
    parts_of = [(old[content][0].part, new[content][0].part) for content in old.keys() & new.keys()]
    moved = sum(was != there for was, there in parts_of if was and there)
    columns = ("added", "removed", "joined", "left", "renamed")
    lines = [
        f"| {_cell(name)} | {' | '.join(str(table[name][column]) for column in columns)} |" for name in sorted(table)
    ]
    head = [
        "| class folder | added | removed | re-labelled, joined | re-labelled, left | renamed |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    parts = [f"## Changes since {shown(revision)}", "\n".join([*head, *lines]) if lines else "None."]
    parts.append(f"{moved} photographs that stood there before changed their part.")
    parts.append(_section("Re-labelled", relabelled))
    return "\n" + "\n\n".join(filter(None, parts)) + "\n"


def _changes(
    old: Mapping[str, Sequence[AssignmentRow]], new: Mapping[str, Sequence[AssignmentRow]]
) -> tuple[dict[str, Counter[str]], list[str]]:
    """Return class folder -> what happened -> how often, and a line for each photograph with another label."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    relabelled = []
    for content in sorted(old.keys() | new.keys()):
        rows = old.get(content, ()), new.get(content, ())
        was, there = (Counter(map(_folder, each)) for each in rows)
        gone, come = sorted((was - there).elements()), sorted((there - was).elements())
        for source, target in zip(gone, come, strict=False):
            path = next(row.path for row in rows[1] if _folder(row) == target)
            relabelled.append(f"- {shown(path)}: {shown(source)} -> {shown(target)}")
            table[source]["left"] += 1
            table[target]["joined"] += 1
        for name in gone[len(come) :]:
            table[name]["removed"] += 1
        for name in come[len(gone) :]:
            table[name]["added"] += 1
        if was == there and {row.path for row in rows[0]} != {row.path for row in rows[1]}:
            table[_folder(rows[1][0])]["renamed"] += 1
    return table, relabelled


def rows_at(revision: str, path: Path) -> list[AssignmentRow]:
    """Return the assignment as it stands in git at a revision.

    Raises
    ------
    DataError
        If git does not know the revision, or the table is not in it.
    """
    # A revision is no switch, whatever it begins with.
    command = ["git", "show", "--end-of-options", f"{revision}:./{path.as_posix()}"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        reason = shown(next(iter(done.stderr.decode(errors="replace").strip().splitlines()), "nothing"))
        raise DataError(f"--against {shown(revision)}: wanted {path} as git knows it there, found: {reason}")
    try:
        return read_rows(path, done.stdout.decode())
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"--against {shown(revision)}: {error}") from None


def _classes(packed: PackedSet, rows: Sequence[AssignmentRow]) -> str:
    light = packed.images.reshape(len(packed.images), -1)
    # A block at a time: the array is mapped, and may be larger than the memory.
    means = np.concatenate([light[start : start + 1024].mean(axis=1) for start in range(0, len(light), 1024)])
    lines = []
    for place, name in enumerate(packed.class_names):
        own = np.flatnonzero(packed.labels == place).tolist()
        count = Counter(rows[row].part if rows[row].class_name else "" for row in own)
        groups = len({rows[row].group for row in own})
        learnt = sorted({rows[row].class_name for row in own} - {""})
        cells = [
            _cell(name),
            _cell(learnt[0]) if learnt else "not learnt",
            str(len(own)),
            *(str(count[part]) for part in (*PARTS, "")),
            str(groups),
            f"{means[own].mean():.0f} ± {means[own].std():.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    head = [
        "| class folder | learnt as | photographs | train | val | test | not used | groups | brightness |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    return (
        "\n".join([*head, *lines])
        + "\n\nBrightness: mean grey level of a photograph, 0 to 255, mean ± deviation over the class."
    )


def _folds(rows: Sequence[AssignmentRow]) -> str:
    """Return a table of the classes that are learnt by fold; empty without folds."""
    used = [row for row in rows if row.class_name and row.fold >= 0]
    folds = sorted({row.fold for row in used})
    count = Counter((row.class_name, row.fold) for row in used)
    lines = [
        f"| {_cell(name)} | {' | '.join(str(count[name, fold]) for fold in folds)} |"
        for name in sorted({row.class_name for row in used})
    ]
    head = [f"| class | {' | '.join(f'fold {fold}' for fold in folds)} |", "|---|" + "--:|" * len(folds)]
    return "\n".join([*head, *lines]) if folds else ""


def _groups(rows: Sequence[AssignmentRow]) -> str:
    several = [size for size in Counter(row.group for row in rows).values() if size > 1]
    if not several:
        return "Every photograph is a group of its own."
    return f"Groups of more than one: {len(several)}, with {sum(several)} photographs, {max(several)} in the largest."


def _files(packed: PackedSet) -> str:
    kinds = Counter((row.class_name, row.format) for row in packed.index)
    formats = Counter(row.format for row in packed.index)
    sizes = Counter((row.width, row.height) for row in packed.index)
    common = ", ".join(f"{width}x{height} ({count})" for (width, height), count in sizes.most_common(5))
    more = f" and {len(sizes) - 5} other sizes" if len(sizes) > 5 else ""
    names = sorted(formats)
    lines = [
        f"| {_cell(name)} | {' | '.join(str(kinds[name, kind]) for kind in names)} |" for name in packed.class_names
    ]
    table = "\n".join([f"| file type | {' | '.join(names)} |", "|---|" + "--:|" * len(names), *lines])
    total = sum(row.size_bytes for row in packed.index) / 2**20
    return f"Sizes: {common}{more}; {total:.1f} MiB in all.\n\n{table}"


def _section(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    more = [f"- and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n".join([f"## {title}", "", *lines[:_LISTED], *more])


def _cell(name: str) -> str:
    """Return a name as it can stand in a Markdown table."""
    return shown(name).replace("|", "\\|")


def _by_content(rows: Iterable[AssignmentRow]) -> dict[str, list[AssignmentRow]]:
    contents: dict[str, list[AssignmentRow]] = defaultdict(list)
    for row in rows:
        contents[row.sha256].append(row)
    return contents


def _folder(row: AssignmentRow) -> str:
    return row.path.partition("/")[0]
