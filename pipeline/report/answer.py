"""The two sentences that the report opens with: what the scores say, for somebody who reads nothing else."""

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.result import Result
from pipeline.report.words import listed, photographs, quoted

_LISTED = 3


def answer(result: Result) -> tuple[str, str]:
    """Return what the model can do, and where it is weak or cannot be judged: a sentence each.

    Class names are escaped as `shown` does, and cut where they are very long.
    """
    return _what_it_can(result), _where_it_is_weak(result)


def largest_class_score(result: Result) -> tuple[str, float]:
    """Return the class with the most photographs in this part, and the macro F1 of always answering it, 0 to 1.

    Its recall is 1 and its precision its share of the photographs; every other class of this part has an F1 of 0.
    """
    largest = int(result.support.argmax())
    share = result.support[largest] / result.images
    return result.class_names[largest], float(2 * share / (1 + share) / np.count_nonzero(result.support))


def _what_it_can(result: Result) -> str:
    value, low, high = result.value, result.low, result.high
    return (
        f"Of {photographs(result.images)} that it had not seen, the model names {int(np.trace(result.confusion))} "
        f"rightly: {value.accuracy:.0%}, with a 95% interval of {low.accuracy:.0%} to {high.accuracy:.0%}; its macro "
        f"F1, the mean over {_classes(result)} in which a small class counts as much as a large one, is "
        f"{value.macro_f1:.2f} ({low.macro_f1:.2f} to {high.macro_f1:.2f})."
    )


def _classes(result: Result) -> str:
    present = np.count_nonzero(result.support)
    if present == len(result.class_names):
        return f"its {present} classes"
    return f"the {present} of its {len(result.class_names)} classes that stand in this part"


def _where_it_is_weak(result: Result) -> str:
    name, score = largest_class_score(result)
    if result.low.macro_f1 <= score:
        return (
            f"That is not clearly better than always answering {quoted(name)}, which reaches {score:.2f}: "
            "as it stands, nothing should be decided by it."
        )
    notes = result.notes()
    judged = [k for k, note in enumerate(notes) if not note]
    if not judged:
        return "No class has enough photographs to be judged by itself: collect more before anything is decided by it."
    return f"{_weakest(result, judged)}; {_not_judged(result, [k for k, note in enumerate(notes) if note])}."


def _weakest(result: Result, judged: Sequence[int]) -> str:
    weakest = min(judged, key=lambda k: result.value.f1[k])
    f1, low, high = (scores.f1[weakest] for scores in (result.value, result.low, result.high))
    if f1 == 1:
        return "It made no mistake with the classes that can be judged"
    return (
        f"It is weakest at {quoted(result.class_names[weakest])} (F1 {f1:.2f}, {low:.2f} to {high:.2f}), "
        f"{_how_it_fails(result, weakest)}"
    )


def _how_it_fails(result: Result, k: int) -> str:
    mistakes = result.confusion - np.diag(np.diag(result.confusion))
    missed, wrongly = mistakes[k], mistakes[:, k]
    if missed.sum() >= wrongly.sum():
        other = int(missed.argmax())
        return f"of which it took {missed[other]} of {result.support[k]} for {quoted(result.class_names[other])}"
    other = int(wrongly.argmax())
    return f"a name that it also gave to {photographs(int(wrongly[other]))} of {quoted(result.class_names[other])}"


def _not_judged(result: Result, classes: Sequence[int]) -> str:
    if not classes:
        return "every class has enough photographs to be judged"
    ordered = sorted(classes, key=lambda k: -result.support[k])
    names = [f"{quoted(result.class_names[k])} ({photographs(int(result.support[k]))})" for k in ordered[:_LISTED]]
    if len(ordered) > _LISTED:
        names.append(f"{len(ordered) - _LISTED} more")
    return f"of {listed(names)} too few were tested to say anything: collect more before you rely on it there"
