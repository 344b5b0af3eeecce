"""A page that shows which photographs were found to belong together, so that a person can judge."""

import base64
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.data.groups import Crowd, Found
from pipeline.data.packed import PackedSet
from pipeline.data.ties import Tie, groups_of
from pipeline.files import write_text
from pipeline.text import shown

TEMPLATE = "groups.html.j2"
MOST_GROUPS, MOST_PICTURES, MOST_NEAR_MISSES = 120, 8, 30  # some 5 MB at the most
_THUMB = 112


def write_contact_sheet(path: Path, packed: PackedSet, found: Found, threshold: float) -> None:
    """Write a page without references: the groups that were found, and pairs of which `threshold` was just missed.

    The largest group comes first (of several the most doubtful), then the most doubtful: those held together by the
    weakest tie.
    """
    row_of = {row.path: place for place, row in enumerate(packed.index)}
    groups = _ordered(groups_of(found.ties), found.ties)

    def pictures(paths: Sequence[str]) -> list[dict[str, str]]:
        return [{"path": shown(one), "jpeg": _jpeg(packed, row_of[one])} for one in paths]

    tied = {(tie.a, tie.b) for tie in found.ties}
    misses = sorted((tie for tie in found.alike if (tie.a, tie.b) not in tied), key=lambda tie: -tie.score)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template(TEMPLATE).render(
        total=len(packed.index),
        grouped=sum(len(group["paths"]) for group in groups),
        threshold=threshold,
        crowds=[crowd_line(crowd, threshold) for crowd in found.crowds],
        groups=groups,
        shown_groups=[group | {"pictures": pictures(group["paths"][:MOST_PICTURES])} for group in groups[:MOST_GROUPS]],
        near_misses=[{"score": tie.score, "pictures": pictures([tie.a, tie.b])} for tie in misses[:MOST_NEAR_MISSES]],
    )
    write_text(path, page)


def crowd_line(crowd: Crowd, threshold: float) -> str:
    """Say what was divided, and why."""
    return (
        f"{crowd.size} photographs hang together at a likeness of {threshold:g}, more than group.largest allows: what "
        f"they share must be a frame or a pattern. Among them, {crowd.level:.2f} was asked for"
    )


def _ordered(groups: Sequence[Sequence[str]], ties: Sequence[Tie]) -> list[dict[str, Any]]:
    number = {path: place for place, paths in enumerate(groups) for path in paths}
    # The best tie of each member holds it in its group; the weakest of these is where the group is in doubt.
    best: dict[str, float] = defaultdict(float)
    kinds: dict[int, set[str]] = defaultdict(set)
    for tie in ties:
        kinds[number[tie.a]].add(tie.kind)
        for path in (tie.a, tie.b):
            best[path] = max(best[path], tie.score)
    described: list[dict[str, Any]] = [
        {
            "paths": paths,
            "size": len(paths),
            "weakest": min(best[path] for path in paths),
            "kinds": ", ".join(sorted(kinds[place])),
            "classes": sorted({shown(path.partition("/")[0]) for path in paths}),
        }
        for place, paths in enumerate(groups)
    ]
    doubtful = sorted(described, key=lambda group: (group["weakest"], -group["size"], group["paths"][0]))
    largest = max(doubtful, key=lambda group: group["size"], default=None)
    return sorted(doubtful, key=lambda group: group is not largest)


def _jpeg(packed: PackedSet, row: int) -> str:
    small = cv2.resize(packed.images[row], (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
    return base64.b64encode(cv2.imencode(".jpg", small)[1].tobytes()).decode()
