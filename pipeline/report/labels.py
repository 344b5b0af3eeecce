"""Likeliest wrong labels, by confident learning over the answers of nets that had not seen the photographs.

C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (Journal of
Artificial Intelligence Research 70, 2021), as cleanlab, the authors' own library, does it. A photograph counts against
its label where the probability of another class is as high as it is on average among photographs labelled so. As many
as there are of these are listed: those to whose label the nets give the lowest probability. Of cleanlab's rankings this
one found most of the labels that `benchmarks/wrong_labels.py` plants.

A net's answer for what it was trained on says nothing about the label, which it has learnt by heart. So only
photographs of test are judged, which with folds are all; without folds those of val too, though they chose the epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.predictions import FloatArray, IntArray, Predictions, pooled
from pipeline.report.judged import Judged
from pipeline.report.photos import plain
from pipeline.report.sections import Photo, Section, Strip, Table
from pipeline.report.words import counted, named
from pipeline.text import shown

FEWEST = 5
"""Photographs of a class from which a threshold can be told at all."""
LISTED = 30
_BELIEVED = 0.3


@dataclass(frozen=True)
class Doubt:
    """A photograph whose label may be wrong.

    Attributes
    ----------
    row : in the packed set.
    labelled, likelier : classes.
    p_labelled, p_likelier : what the net gives them, 0 to 1.
    """

    row: int
    labelled: int
    likelier: int
    p_labelled: float
    p_likelier: float


@dataclass(frozen=True)
class Doubts:
    """The photographs whose label may be wrong, the likeliest first.

    Attributes
    ----------
    doubts : those that confident learning picks out.
    judged : of how many photographs.
    too_few : the classes of which fewer than `FEWEST` photographs, but some, could be judged.
    """

    doubts: tuple[Doubt, ...]
    judged: int
    too_few: tuple[int, ...]


def unseen(parts: Mapping[str, Predictions], folds: int) -> Predictions:
    """Return the answers that nets gave for photographs they had not been trained on, each once.

    Parameters
    ----------
    parts : "test" and "val", as `predictions.pooled_parts` returns them.
    """
    return parts["test"] if folds else pooled([parts["test"], parts["val"]])


def likely_wrong(answers: Predictions) -> Doubts:
    """Return the photographs whose label is likelier wrong than right.

    Parameters
    ----------
    answers : of nets that had not seen the photographs.
    """
    y_true, probabilities = answers.y_true, answers.probabilities
    sizes = np.bincount(y_true, minlength=len(answers.class_names))
    doubts = [_doubt(answers, place) for place in _ranked(y_true, probabilities)]
    return Doubts(tuple(doubts), len(y_true), tuple(np.flatnonzero((sizes > 0) & (sizes < FEWEST)).tolist()))


def _ranked(y_true: IntArray, probabilities: FloatArray) -> list[int]:
    """Return the places of the issues, the likeliest first."""
    from cleanlab.filter import find_label_issues

    if len(np.unique(y_true)) < 2:
        return []
    places = find_label_issues(
        y_true,
        probabilities,
        filter_by="low_self_confidence",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return [int(place) for place in places]


def _doubt(answers: Predictions, place: int) -> Doubt:
    own, chances = int(answers.y_true[place]), answers.probabilities[place].copy()
    p_labelled, chances[own] = float(chances[own]), -1.0
    return Doubt(int(answers.rows[place]), own, int(chances.argmax()), p_labelled, float(chances.max()))


def labels_section(judged: Judged, answers: Predictions, folds: int, most: int) -> Section:
    """List the likeliest wrong labels, and show photographs of the first `most` of them.

    Parameters
    ----------
    answers : see `unseen`.
    """
    found = likely_wrong(answers)
    doubts = found.doubts
    names = answers.class_names
    said = [_found_said(found), *_coverage_said(found, len(judged.used), folds), *_few_said(found, names)]
    if len(doubts) > LISTED:
        said.append(f"The {LISTED} likeliest are listed.")
    strips = [Strip("", [_photo(judged, doubt) for doubt in doubts[:most]])] if doubts else []
    return Section("Likeliest wrong labels", said, _table(judged, doubts[:LISTED]) if doubts else None, strips=strips)


def _found_said(found: Doubts) -> str:
    if not found.doubts:
        return f"None of {counted(found.judged, 'photograph')} that could be judged stands out."
    count = len(found.doubts)
    if count > _BELIEVED * found.judged:
        return (
            f"{count} of {counted(found.judged, 'photograph')} that could be judged go against their label. So many "
            "cannot be believed: these nets know too little to judge labels by. The head of the list may still be "
            "worth a look."
        )
    return (
        f"Confident learning reckons with {count} wrong labels among {counted(found.judged, 'photograph')} that could "
        f"be judged ({count / found.judged:.1%}): so often is a net that had not seen them surer of another class than "
        "it is, on average, of photographs that are labelled so. Sure mistakes of the nets are counted too, so fewer "
        "are to be expected, and most of them at the head of the list; only a look tells."
    )


def _coverage_said(found: Doubts, used: int, folds: int) -> list[str]:
    if folds:
        return [f"Each of the {used} photographs was judged by the net of {folds} that had not seen it."]
    return [
        f"The other {used - found.judged} of {used} taught the net, whose answers for them say nothing about their "
        "labels: split.folds judges all. Of those judged, the ones of val also chose the epoch."
    ]


def _few_said(found: Doubts, names: Sequence[str]) -> list[str]:
    if not found.too_few:
        return []
    few = ", ".join(named(names, k) for k in found.too_few)
    return [
        f"Fewer than {FEWEST} photographs could be judged of {few}: too few to tell how sure the net usually is there."
    ]


def _table(judged: Judged, doubts: Sequence[Doubt]) -> Table:
    names, index = judged.packed.class_names, judged.packed.index
    rows = [
        [
            shown(index[doubt.row].path),
            named(names, doubt.labelled),
            f"{doubt.p_labelled:.3f}",
            named(names, doubt.likelier),
            f"{doubt.p_likelier:.3f}",
        ]
        for doubt in doubts
    ]
    return Table(["Photograph", "Labelled", "Probability", "Likelier", "Probability"], "<<><>", rows)


def _photo(judged: Judged, doubt: Doubt) -> Photo:
    names = judged.packed.class_names
    return plain(
        judged.packed,
        doubt.row,
        f"labelled {named(names, doubt.labelled)}",
        f"likelier {named(names, doubt.likelier)} {doubt.p_likelier:.2f}",
    )
