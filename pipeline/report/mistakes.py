"""The most confident mistakes: where the net looked, and what it had learnt that is most like them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.predictions import IntArray
from pipeline.report.confusions import photo_of
from pipeline.report.judged import Judged
from pipeline.report.photos import heated, plain
from pipeline.report.sections import Photo, Section, Strip
from pipeline.report.words import counted, named
from pipeline.training.features import net_features
from pipeline.training.saliency import saliency

NEIGHBOURS = 3
CANDIDATES = 400
"""Training photographs a net among which neighbours are looked for, unless told."""

Heat = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Neighbour:
    """A training photograph: its row in the packed set, and the cosine between its features and the mistake's."""

    row: int
    cosine: float


@dataclass(frozen=True, eq=False)
class Seen:
    """A photograph of test as its net saw it.

    Attributes
    ----------
    place : among the predictions.
    for_answer, for_truth : float32 (h, w), 0 to 1, what spoke for the class that was answered, and for its own.
    neighbours : of what that very net was trained on, the most alike first; empty where none were looked for.
    """

    place: int
    for_answer: Heat
    for_truth: Heat
    neighbours: tuple[Neighbour, ...] = ()


def see_mistakes(judged: Judged, most: int, candidates: int = CANDIDATES) -> list[Seen]:
    """Return the `most` most confident mistakes as their nets saw them.

    Parameters
    ----------
    candidates : see `candidate_rows`; each net that erred looks at as many, which takes a ResNet-18 shown 96 pixels
        some 5 ms each on one thread.
    """
    seen = []
    for number, places in _by_net(judged, judged.wrong[:most]):
        near = nearest(judged, number, judged.test.rows[places], candidates)
        seen += [
            Seen(*one, tuple(neighbours)) for one, neighbours in zip(_heats(judged, number, places), near, strict=True)
        ]
    return sorted(seen, key=lambda one: -judged.test.confidence[one.place])


def see_hits(judged: Judged, most: int) -> list[Seen]:
    """Return the surest hit of each of the first `most` classes that have one, as its net saw it."""
    hits = [judged.hits_of(each)[:1] for each in range(len(judged.test.class_names))]
    places = np.concatenate([each for each in hits if len(each)][:most] or [np.empty(0, np.int64)])
    seen = [Seen(*one) for number, chosen in _by_net(judged, places) for one in _heats(judged, number, chosen)]
    return sorted(seen, key=lambda one: judged.test.y_true[one.place])


def candidate_rows(rows: IntArray, labels: IntArray, most: int) -> IntArray:
    """Return at most `most` training rows, one a class at least: small classes whole, large ones thinned evenly.

    Parameters
    ----------
    rows : int64 (M,), ascending.
    labels : int64 (N,), of the whole packed set.
    """
    members = [rows[labels[rows] == label] for label in np.unique(labels[rows])]
    quota = _quota([len(own) for own in members], most)
    thinned = [own[np.linspace(0, len(own) - 1, min(len(own), quota)).round().astype(np.int64)] for own in members]
    return np.sort(np.concatenate([rows[:0], *thinned]))


def nearest(judged: Judged, net: int, rows: IntArray, candidates: int) -> list[list[Neighbour]]:
    """Return for each row the `NEIGHBOURS` photographs of a net's train part that are most like it in its features."""
    among = candidate_rows(judged.parts[net].train, judged.packed.labels, candidates)
    features, _ = net_features(judged.nets[net], judged.packed.images, np.concatenate([rows, among]))
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    cosines = unit[: len(rows)] @ unit[len(rows) :].T
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    return [
        [Neighbour(int(among[k]), float(own[k])) for k in chosen] for own, chosen in zip(cosines, best, strict=True)
    ]


def mistakes_section(judged: Judged, most: int, candidates: int = CANDIDATES) -> Section:
    """Show the most confident mistakes, with saliency and neighbours."""
    seen = see_mistakes(judged, most, candidates)
    wrong = len(judged.wrong)
    if not seen:
        return Section("The most confident mistakes", ["No photograph was given a wrong class."])
    said = [
        f"{counted(wrong, 'mistake')}, the most confident first."
        if wrong <= most
        else f"The {most} most confident of {counted(wrong, 'mistake')}.",
        "Each is shown plain; then with orange where something spoke for the class that was answered, and for its own; "
        "then the training photographs that this net finds most like it. Orange says where, each picture by its own "
        "scale; it says neither what was seen there nor how much it weighed.",
        *_agreement(judged, seen),
        *_candidates_said(judged, candidates),
    ]
    return Section("The most confident mistakes", said, strips=[_mistake_strip(judged, one) for one in seen])


def hits_section(judged: Judged, most: int) -> Section:
    """Show the surest hit of each class with what spoke for it, to hold against the mistakes."""
    seen = see_hits(judged, most)
    if not seen:
        return Section("Hits, for comparison", ["No photograph was given its class."])
    names = judged.test.class_names
    photos: list[Photo] = []
    for one in seen:
        true = named(names, int(judged.test.y_true[one.place]))
        photos += [photo_of(judged, one.place), _heated(judged, one, one.for_answer, f"for {true}")]
    said = [
        "The surest right answer of each class, plain and with orange where something spoke for it. If the orange lies "
        "beside the defect here too, the net goes by something else than the defect."
    ]
    if len(seen) == most < len(names):
        said.append(f"The first {most} of {len(names)} classes are shown.")
    return Section("Hits, for comparison", said, strips=[Strip("", photos)])


def _quota(sizes: Sequence[int], most: int) -> int:
    """Return the most photographs a class, so that all together are `most` at most, but 1 at least."""
    quota = 1
    while quota < max(sizes, default=0) and sum(min(size, quota + 1) for size in sizes) <= most:
        quota += 1
    return quota


def _by_net(judged: Judged, places: IntArray) -> list[tuple[int, IntArray]]:
    by_net = judged.by_net[places]
    return [(int(number), places[by_net == number]) for number in np.unique(by_net)]


def _heats(judged: Judged, net: int, places: IntArray) -> list[tuple[int, Heat, Heat]]:
    test, trained = judged.test, judged.nets[net]
    twice = saliency(
        trained,
        judged.packed.images,
        np.concatenate([test.rows[places]] * 2),
        np.concatenate([test.y_pred[places], test.y_true[places]]),
    )
    return list(zip(places.tolist(), twice[: len(places)], twice[len(places) :], strict=True))


def _mistake_strip(judged: Judged, one: Seen) -> Strip:
    test, packed = judged.test, judged.packed
    true, answered = (named(test.class_names, int(k[one.place])) for k in (test.y_true, test.y_pred))
    photos = [
        photo_of(judged, one.place),
        _heated(judged, one, one.for_answer, f"for {answered}"),
        _heated(judged, one, one.for_truth, f"for {true}"),
    ]
    photos += [
        plain(
            packed,
            near.row,
            f"learnt as {named(test.class_names, int(packed.labels[near.row]))}",
            f"likeness {near.cosine:.2f}",
        )
        for near in one.neighbours
    ]
    return Strip("", photos)


def _heated(judged: Judged, one: Seen, heat: Heat, caption: str) -> Photo:
    return heated(judged.packed, int(judged.test.rows[one.place]), heat, caption)


def _agreement(judged: Judged, seen: Sequence[Seen]) -> list[str]:
    """Say how often the neighbours are of the answered class: then the net has learnt such pictures under that name."""
    labels, test = judged.packed.labels, judged.test
    whole = [one for one in seen if one.neighbours]
    same = sum(all(labels[near.row] == test.y_pred[one.place] for near in one.neighbours) for one in whole)
    if not whole:
        return []
    return [
        f"In {same} of {len(whole)}, all neighbours are of the class that was answered: the net has learnt such "
        "pictures under that name. Where they look alike, ask which label is wrong; where they do not, the net sees "
        "too little."
    ]


def _candidates_said(judged: Judged, candidates: int) -> list[str]:
    labels = judged.packed.labels
    sizes = [(len(candidate_rows(part.train, labels, candidates)), len(part.train)) for part in judged.parts]
    some, of = max(sizes, key=lambda each: each[1] - each[0])
    if some == of:
        return []
    among = f"{some} of {of} training photographs"
    return [f"Neighbours are looked for among {among}; large classes are thinned, for time."]
