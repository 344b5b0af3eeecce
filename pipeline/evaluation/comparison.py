"""Is run B better than run A? Their answers to the same photographs, paired."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from pipeline.data.components import Components
from pipeline.errors import DataError
from pipeline.evaluation.metrics import Scores
from pipeline.evaluation.paired import Pairs, difference, difference_intervals, sign_test
from pipeline.evaluation.predictions import IntArray
from pipeline.files import parse_csv
from pipeline.text import shown

Answers = Mapping[str, tuple[str, str]]
"""Of each photograph, by its path: the actual class and the predicted one."""

_COLUMNS = ("path", "actual", "predicted")


class Verdict(StrEnum):
    """What can be said of B, by the interval of macro F1: above 0, below 0, or around it."""

    BETTER = "better"
    WORSE = "worse"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Comparison:
    """B against A, on the photographs that both answered and that stand under the same class in both.

    Attributes
    ----------
    class_names : the K classes of both tables, sorted.
    support : int64 (K,), the photographs compared.
    groups : of photographs that belong together, one alone counting as one.
    ungrouped : photographs of which it is not known to which others they belong.
    only_a, only_b : photographs that only one of the two answered.
    relabelled : photographs that both answered, under two actual classes.
    differing : photographs that got two different answers.
    right_a, right_b : photographs that only A, and only B, is right about.
    p_value : of both being right equally often; see `sign_test`.
    a, b : the scores.
    low, high : the 95% limits of B - A.
    """

    class_names: tuple[str, ...]
    support: IntArray
    groups: int
    ungrouped: int
    only_a: int
    only_b: int
    relabelled: int
    differing: int
    right_a: int
    right_b: int
    p_value: float
    a: Scores
    b: Scores
    low: Scores
    high: Scores

    @property
    def images(self) -> int:
        return int(self.support.sum())

    @property
    def value(self) -> Scores:
        """B - A."""
        return difference(self.a, self.b)

    @property
    def verdict(self) -> Verdict:
        if self.low.macro_f1 > 0:
            return Verdict.BETTER
        return Verdict.WORSE if self.high.macro_f1 < 0 else Verdict.UNKNOWN

    @property
    def wanted_images(self) -> int | None:
        """About how many photographs would show the difference in macro F1 in 4 tests of 5, if it is what it seems.

        In the same proportions of classes, and counting at least those that there are. An interval's reach falls with
        the root of their number; for 4 of 5 it must be 1.43 times shorter than the difference (a power of 0.8 at a
        level of 0.05: (1.96 + 0.84) / 1.96). None where there is no difference.
        """
        value = self.value.macro_f1
        if value == 0:
            return None
        reach = value - self.low.macro_f1 if value > 0 else self.high.macro_f1 - value
        return max(self.images, round(self.images * (1.43 * reach / value) ** 2))


def read_answers(where: str, text: str) -> Answers:
    """Read a `predictions.csv`; columns but `path`, `actual` and `predicted` are not looked at.

    Parameters
    ----------
    where : what errors call it.
    text : its content.

    Raises
    ------
    DataError
        If it is not such a table, is empty, or has a photograph twice.
    """
    # Not `splitlines`: a name may hold what that takes for the end of a line.
    rows = parse_csv(Path(where), io.StringIO(text, newline=""), _COLUMNS)
    answers = {row["path"]: (row["actual"], row["predicted"]) for row in rows}
    if not rows:
        raise DataError(f"{where}: wanted a line a photograph, found none")
    if len(answers) < len(rows):
        raise DataError(f"{where}: wanted each photograph once, found {len(rows) - len(answers)} more than once")
    return answers


def compare_answers(
    a: Answers, b: Answers, groups: Sequence[Mapping[str, str]], rng: np.random.Generator
) -> Comparison:
    """Compare two tables of answers.

    The order of their rows changes nothing, and A and B exchanged change the signs alone.

    Parameters
    ----------
    groups : tables of path -> group; photographs that any of them puts together belong together.
    rng : makes the draws behind the intervals.

    Raises
    ------
    DataError
        If no photograph is in both under the same class, or there is but one class.
    """
    both = sorted(a.keys() & b.keys())
    paths = [path for path in both if a[path][0] == b[path][0]]
    if not paths:
        raise DataError(_nothing_common(a, b, len(both)))
    class_names = tuple(sorted({name for said in (*a.values(), *b.values()) for name in said}))
    if len(class_names) < 2:
        raise DataError(f"wanted at least two classes to compare, found {shown(class_names[0])} alone")
    pairs = _pairs(class_names, [(*a[path], b[path][1]) for path in paths], _group_numbers(paths, groups))
    scores = pairs.scores()
    low, high = difference_intervals(pairs, difference(*scores), rng)
    right_a, right_b = pairs.y_a == pairs.y_true, pairs.y_b == pairs.y_true
    return Comparison(
        class_names=class_names,
        support=pairs.sizes(),
        groups=len(np.unique(pairs.group)),
        ungrouped=sum(not any(path in table for table in groups) for path in paths),
        only_a=len(a) - len(both),
        only_b=len(b) - len(both),
        relabelled=len(both) - len(paths),
        differing=int((pairs.y_a != pairs.y_b).sum()),
        right_a=int((right_a & ~right_b).sum()),
        right_b=int((right_b & ~right_a).sum()),
        p_value=sign_test(pairs),
        a=scores[0],
        b=scores[1],
        low=low,
        high=high,
    )


def _nothing_common(a: Answers, b: Answers, both: int) -> str:
    if both:
        return f"wanted photographs under the same class in both runs, found all {both} common ones under two"
    return (
        f"wanted photographs that both runs were tested on, found none: {len(a)} in A, such as "
        f"{shown(min(a))}, and {len(b)} in B, such as {shown(min(b))}"
    )


def _pairs(class_names: tuple[str, ...], rows: list[tuple[str, str, str]], group: IntArray) -> Pairs:
    places = {name: place for place, name in enumerate(class_names)}
    y_true, y_a, y_b = np.array([[places[name] for name in row] for row in rows], np.int64).T
    return Pairs(len(class_names), y_true, y_a, y_b, group)


def _group_numbers(paths: list[str], groups: Sequence[Mapping[str, str]]) -> IntArray:
    """Number the photographs by what belongs together: int64 (N,)."""
    ties = []
    for table in groups:
        first: dict[str, str] = {}
        ties += [(first.setdefault(table[path], path), path) for path in paths if path in table]
    members = Components(paths, ties).members().values()
    number = {path: place for place, group in enumerate(members) for path in group}
    return np.array([number[path] for path in paths], np.int64)
