"""Which classes are taken for which, and photographs of each such pair."""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.estimates import Rate, rate_of
from pipeline.evaluation.predictions import IntArray, Predictions
from pipeline.report.judged import Judged
from pipeline.report.photos import plain
from pipeline.report.sections import Photo, Section, Strip, Table
from pipeline.report.words import counted, named

MISTAKES, HITS = 4, 2  # photographs of a pair: those taken for the other class; of either class rightly answered
LISTED = 30


@dataclass(frozen=True, eq=False)
class Confusion:
    """Photographs of class `true` that were given class `answered`, another one.

    Attributes
    ----------
    rate : how many of the class's photographs.
    places : int64, where they stand among the predictions, the most confident first.
    """

    true: int
    answered: int
    rate: Rate
    places: IntArray


def confusions(predictions: Predictions) -> list[Confusion]:
    """Return the pairs of classes that were mixed up, the most frequent first, and of equals the one of higher rate."""
    y_true, y_pred = predictions.y_true, predictions.y_pred
    order = np.argsort(-predictions.confidence, kind="stable")
    found = []
    for true, answered in sorted(set(zip(y_true.tolist(), y_pred.tolist(), strict=True))):
        if true != answered:
            own = y_true == true
            rate = rate_of(y_pred[own] == answered, predictions.groups[own])
            places = order[own[order] & (y_pred[order] == answered)]
            found.append(Confusion(true, answered, rate, places))
    return sorted(found, key=lambda each: (-each.rate.count, -each.rate.value))


def confusions_section(judged: Judged, most: int) -> Section:
    """Show the pairs in a table, and photographs of the first `most` of them.

    A pair's strip has up to `MISTAKES` photographs that were mixed up, then up to `HITS` of the class that they are of
    and of the one that they were taken for, each rightly and most confidently answered.
    """
    found = confusions(judged.test)
    total = sum(each.rate.count for each in found)
    names = judged.test.class_names
    said = [
        f"{total} of {counted(len(judged.test.y_true), 'photograph')} were given another class than their own."
        if found
        else f"All {counted(len(judged.test.y_true), 'photograph')} were given their class."
    ]
    if found:
        said.append(_highest_rate(found, names))
    if len(found) > most:
        said.append(f"Photographs are shown of the {most} most frequent of {len(found)} pairs.")
    return Section(
        "Which classes are taken for which",
        said,
        _table(found, names) if found else None,
        strips=[_strip(judged, each) for each in found[:most]],
    )


def _highest_rate(found: list[Confusion], names: tuple[str, ...]) -> str:
    worst = max(found, key=lambda each: (each.rate.value, each.rate.of))
    count, value, interval = worst.rate.words()
    few = "; too few to judge" if worst.rate.of < 5 else ""
    return (
        f"The highest rate: {count} photographs of {named(names, worst.true)} were taken for "
        f"{named(names, worst.answered)}, {value} {interval}{few}."
    )


def _table(found: list[Confusion], names: tuple[str, ...]) -> Table:
    rows = [[named(names, each.true), named(names, each.answered), *each.rate.words()] for each in found[:LISTED]]
    return Table(["Class", "Taken for", "Photographs", "Rate", "95% interval"], "<<>>>", rows)


def _strip(judged: Judged, pair: Confusion) -> Strip:
    names = judged.test.class_names
    title = f"{named(names, pair.true)} taken for {named(names, pair.answered)}: {pair.rate.words()[0]}"
    photos = [photo_of(judged, int(place)) for place in pair.places[:MISTAKES]]
    for class_number in (pair.true, pair.answered):
        photos += [photo_of(judged, int(place)) for place in judged.hits_of(class_number)[:HITS]]
    return Strip(title, photos)


def photo_of(judged: Judged, place: int) -> Photo:
    """Show the photograph at a place among the predictions, with its class, the answer, and how sure that was."""
    test = judged.test
    true, answered = (named(test.class_names, int(k[place])) for k in (test.y_true, test.y_pred))
    sure = f"{test.confidence[place]:.2f}"
    words = (f"right: {true} {sure}",) if true == answered else (f"is {true}", f"taken for {answered} {sure}")
    return plain(judged.packed, int(test.rows[place]), *words)
