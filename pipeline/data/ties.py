"""What belongs together: pairs of photographs that must not stand on two sides of a split.

``ties.csv``: a, b, kind, score. `a` and `b` are paths of the packed set, `a` before `b`; one line a pair.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.data.components import Components
from pipeline.files import read_csv, write_csv

TIES_FILE = "ties.csv"


@dataclass(frozen=True, order=True)
class Tie:
    """Two photographs that belong together.

    Attributes
    ----------
    a, b : paths of the packed set, in its order
    kind : ``identical`` (the same pixels once packed), ``near`` (the same part in another photograph), ``mirrored``
        (likewise, one of them mirrored or turned upside down) or ``key`` (the same key of the user's)
    score : -1 to 1, the likeness of the two pictures; 1 for ``identical`` and ``key``
    """

    a: str
    b: str
    kind: str
    score: float


_COLUMNS = [field.name for field in fields(Tie)]


def write_ties(path: Path, ties: Iterable[Tie]) -> None:
    """Write the table, sorted; the score with four decimals."""
    write_csv(path, _COLUMNS, ([*astuple(tie)[:3], f"{tie.score:.4f}"] for tie in sorted(ties)))


def read_ties(path: Path) -> list[Tie]:
    """Read the table. Raises DataError if it is missing or has other columns."""
    return [Tie(row["a"], row["b"], row["kind"], float(row["score"])) for row in read_csv(path, _COLUMNS)]


def groups_of(ties: Iterable[Tie]) -> list[list[str]]:
    """Return the groups that ties form, each the paths of its members, ascending; the largest first."""
    ties = list(ties)
    paths = sorted({path for tie in ties for path in (tie.a, tie.b)})
    groups = Components(paths, ((tie.a, tie.b) for tie in ties)).members().values()
    return sorted(groups, key=lambda members: (-len(members), members[0]))
