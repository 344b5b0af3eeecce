"""Can the class be told from what is not in the picture? Then a net may have learnt that in place of the defect.

Where a photograph lay, what type of file it was and how many pixels it had say nothing about a seam. If they go with
the class, a net can find them in the picture: a JPEG has blocks that a PNG has not, and one that was scaled up is soft.
Brightness and file size a pixel may go with the class for good reasons too, so they are told and raise no alarm.

How closely an attribute goes with the class is measured by Cramer's V (H. Cramer, "Mathematical Methods of Statistics",
1946), 0 to 1, with what chance would give taken off: the mean of V over permutations of the classes, from group to
group, so that ten photographs of one part count as one. The permutations give the p-value too, which is corrected for
the number of attributes (Holm).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.data.packed import PackedSet
from pipeline.evaluation.estimates import exact_interval
from pipeline.evaluation.predictions import FloatArray, IntArray
from pipeline.report.attributes import Attribute, attributes
from pipeline.report.judged import Judged
from pipeline.report.sections import Section, Table
from pipeline.report.slices import holm
from pipeline.report.words import counted, named

PARTS = 5
PERMUTATIONS = 999
SURE, CLOSE = 0.01, 0.3
"""An attribute goes with the class if p is below the first and V above the second."""
_ALMOST_ALL, _FEWEST = 0.9, 5
_MOST_SAID = 5


@dataclass(frozen=True)
class Telltale:
    """A value of which almost all photographs are of one class: of `of` PNGs, `count` are of class `class_number`.

    Attributes
    ----------
    elsewhere : the share of the class among all other photographs.
    """

    value: str
    class_number: int
    count: int
    of: int
    elsewhere: float


@dataclass(frozen=True, eq=False)
class Association:
    """How closely an attribute goes with the class.

    Attributes
    ----------
    attribute : of the N photographs.
    closeness : Cramer's V less what chance gives, 0 (not at all) to 1 (the one tells the other).
    p : of such a V by chance, corrected; NaN where the attribute is the same for all.
    telltales : the values that give a class away; empty where p is above `SURE`.
    """

    attribute: Attribute
    closeness: float
    p: float
    telltales: tuple[Telltale, ...]

    @property
    def goes_with_class(self) -> bool:
        """Whether it is more than noise, and much."""
        return self.p <= SURE and (self.closeness >= CLOSE or (self.attribute.of_file and bool(self.telltales)))

    @property
    def alarm(self) -> bool:
        """Whether it goes with the class and is nothing that a net should learn."""
        return self.goes_with_class and self.attribute.of_file


def associations(packed: PackedSet, rows: IntArray, group: IntArray, rng: np.random.Generator) -> list[Association]:
    """Return of each attribute how closely it goes with the class.

    Parameters
    ----------
    rows : int64 (M,), of the packed set of N photographs.
    group : int64 (N,), photographs with the same number are of one part and not independent.
    """
    labels, group = packed.labels[rows], group[rows]
    kinds = attributes(packed, rows, PARTS)
    measured = [closeness(each.codes, labels, group, rng) for each in kinds]
    corrected = holm([p for _, p in measured])
    return [
        Association(each, close, p, telltales(each, labels, group) if p <= SURE else ())
        for each, (close, _), p in zip(kinds, measured, corrected, strict=True)
    ]


def closeness(codes: IntArray, labels: IntArray, group: IntArray, rng: np.random.Generator) -> tuple[float, float]:
    """Return Cramer's V less what chance gives, and its p-value; (0, NaN) where all values or all classes are the same.

    Parameters
    ----------
    codes, labels, group : int64 (N,). Classes are permuted among the groups; a group has that of its first photograph.
    """
    _, codes = np.unique(codes, return_inverse=True)
    _, labels = np.unique(labels, return_inverse=True)
    shape = int(codes.max(initial=0)) + 1, int(labels.max(initial=0)) + 1
    if min(shape) < 2:
        return 0.0, np.nan
    seen = _cramers_v(codes, labels, shape)
    _, first, member = np.unique(group, return_index=True, return_inverse=True)
    own = labels[first]
    drawn = np.array([_cramers_v(codes, rng.permutation(own)[member], shape) for _ in range(PERMUTATIONS)])
    p = (1 + int((drawn >= seen - 1e-12).sum())) / (1 + PERMUTATIONS)
    chance = drawn.mean()
    return float(max(0.0, (seen - chance) / (1 - chance))) if chance < 1 else 0.0, p


def telltales(attribute: Attribute, labels: IntArray, group: IntArray) -> tuple[Telltale, ...]:
    """Return the values that, in photographs and in groups, almost all of one class have, while few others are of it.

    So surely that the lower 95% limit of the class's share among their groups is above its share elsewhere.
    """
    found = []
    for code, value in enumerate(attribute.values):
        inside = attribute.codes == code
        members = np.bincount(labels[inside])
        best = int(members.argmax())
        count, of = int(members[best]), int(inside.sum())
        elsewhere = float((labels[~inside] == best).mean()) if not inside.all() else 1.0
        groups, own = len(np.unique(group[inside])), len(np.unique(group[inside & (labels == best)]))
        low = exact_interval(min(own, groups), groups)[0]
        if of >= _FEWEST and groups >= _FEWEST and count >= _ALMOST_ALL * of and low > elsewhere + CLOSE:
            found.append(Telltale(value, best, count, of, elsewhere))
    return tuple(found)


def shortcuts_section(judged: Judged, found: Sequence[Association]) -> Section:
    """Say what gives the class away, what the answers on test tell about it, and what to do."""
    alarms = [each for each in found if each.alarm]
    said = [sentence for each in alarms for sentence in (*_alarm(each, judged), remedy(each))]
    if not alarms:
        said.append("Neither folder, file type nor size in pixels gives the class away.")
    said += [_honest_perhaps(each) for each in found if each.goes_with_class and not each.alarm]
    said.append(
        f"Over all {counted(len(judged.used), 'photograph')} that are used. Closeness: Cramer's V less what chance "
        "gives, 0 to 1; p: how likely it would be by chance, from permutations of the classes from group to group, "
        "corrected for the number of attributes (Holm)."
    )
    return Section(_title(bool(alarms)), said, _table(found), warning=said[0] if alarms else "")


def _title(alarm: bool) -> str:
    return "Something beside the picture gives the class away" if alarm else "Does anything beside the picture tell?"


def _alarm(each: Association, judged: Judged) -> list[str]:
    told = gives_away(each, judged.packed.class_names)
    if not each.telltales:
        return told
    said = []
    for sentence, tale in zip(told, each.telltales[:_MOST_SAID], strict=False):
        said += [sentence, *_on_test(each.attribute, tale, judged)]
    return said + told[_MOST_SAID:]


def gives_away(each: Association, names: Sequence[str]) -> list[str]:
    """Say how an attribute gives the class away: a sentence for each of the first telltales, and one for all others."""
    by = each.attribute.name
    if not each.telltales:
        return [f"The {by} goes with the class (closeness {each.closeness:.2f}): a net may have learnt it."]
    said = []
    for tale in each.telltales[:_MOST_SAID]:
        share = f"All {tale.of}" if tale.count == tale.of else f"{tale.count} of {tale.of}"
        said.append(
            f"{share} photographs of {by} {tale.value} are of class {named(names, tale.class_number)}, as "
            f"{tale.elsewhere:.0%} of all others are: the {by} gives the class away, and a net may have learnt "
            "that in place of the defect."
        )
    if len(each.telltales) > _MOST_SAID:
        said.append(f"So do {len(each.telltales) - _MOST_SAID} more values of the {by}.")
    return said


def _on_test(attribute: Attribute, tale: Telltale, judged: Judged) -> list[str]:
    """Say how the class fared on test with the value and without it; nothing where none has it."""
    test, k = judged.test, tale.class_number
    has = attribute.codes[np.searchsorted(judged.used, test.rows)] == attribute.values.index(tale.value)
    own, given = test.y_true == k, test.y_pred == k
    name = named(test.class_names, k)
    if not (own & has).any():
        return []
    right, of = (own & has & given).sum(), (own & has).sum()
    first = f"On test, {right} of the {of} photographs of {name} with it were given their class"
    if not (own & ~has).any():
        return [
            f"{first}. There is none without it: the scores of {name} do not tell the defect from the {attribute.name}."
        ]
    return [f"{first}, and {(own & ~has & given).sum()} of the {(own & ~has).sum()} without it."]


def remedy(each: Association) -> str:
    """Say what to do about it."""
    if each.attribute.name == "file type":
        return (
            "Store all photographs alike, from the originals if they are there: one file type, one encoder, one "
            "quality. Then train again and compare the scores: what falls was learnt from the file."
        )
    if each.attribute.name == "size in pixels":
        return (
            "Bring all photographs to one size and sharpness, or take every class with the same camera and crop, train "
            "again and compare the scores: what falls was learnt from the size."
        )
    return (
        "If folders stand for cameras, days or parts, photograph every class in each of them, or keep a folder on one "
        "side of the split by group.key, and compare the scores."
    )


def _honest_perhaps(each: Association) -> str:
    return (
        f"The {each.attribute.name} goes with the class (closeness {each.closeness:.2f}). That may be of the defects, "
        "or of how the classes were photographed: if light or encoder differed, a net may have learnt that."
    )


def _table(found: Sequence[Association]) -> Table:
    rows = [
        [
            each.attribute.name,
            str(len(each.attribute.values)),
            f"{each.closeness:.2f}",
            "-" if np.isnan(each.p) else f"{each.p:.2g}",
            _note(each),
        ]
        for each in found
    ]
    return Table(["", "Values", "Closeness", "p", "Note"], "<>>><", rows)


def _note(each: Association) -> str:
    if np.isnan(each.p):
        return "the same for all"
    if each.alarm:
        return "gives the class away"
    return "may be of the defects" if each.goes_with_class else ""


def _cramers_v(codes: IntArray, labels: IntArray, shape: tuple[int, int]) -> float:
    """Return Cramer's V of two codes (N,) that run from 0 to `shape` - 1; every one occurs."""
    counts: FloatArray = (
        np.bincount(codes * shape[1] + labels, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    )
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    chi = ((counts - expected) ** 2 / np.maximum(expected, 1e-12)).sum()
    return float(np.sqrt(chi / counts.sum() / (min(shape) - 1)))
