"""A comparison in words, as a table for a terminal, and as JSON."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.evaluation.comparison import Comparison, Verdict
from pipeline.evaluation.intervals import too_small
from pipeline.evaluation.metrics import OVERALL, Scores
from pipeline.evaluation.tables import render
from pipeline.text import shown

_TOO_MANY = 100
"""So many times the photographs that there are, and nobody will take them."""


def sentence(comparison: Comparison) -> str:
    """Return the answer in a sentence or two."""
    photographs, macro = _photographs(comparison.images), f"macro F1 {_with_limits(comparison, 'macro_f1')}"
    counts = f"{comparison.right_b} right that A gets wrong and {comparison.right_a} the other way; {macro}."
    if comparison.verdict is not Verdict.UNKNOWN:
        return f"B is {comparison.verdict} than A: of {photographs} it gets {counts}"
    if not comparison.differing:
        return f"No difference can be shown: A and B give the same answers to all {photographs}; {macro}."
    return f"No difference can be shown: of {photographs} B gets {counts} {_wanted(comparison)}"


def _photographs(count: int) -> str:
    return f"{count} photograph{'' if count == 1 else 's'}"


def _with_limits(comparison: Comparison, name: str) -> str:
    return _interval(*(getattr(scores, name) for scores in (comparison.value, comparison.low, comparison.high)))


def _interval(value: float, low: float, high: float) -> str:
    return f"{_signed(value)} [{_signed(low)}, {_signed(high)}]"


def _signed(value: float) -> str:
    # Three decimals where two would say 0 of what is not.
    text = f"{value:+.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:+.3f}"
    return "0.00" if float(text) == 0 else text


def _wanted(comparison: Comparison) -> str:
    wanted = comparison.wanted_images
    if wanted is None or wanted > _TOO_MANY * comparison.images:
        return f"More than {_TOO_MANY} times as many would be needed to show so small a difference."
    digits = 2 - len(str(wanted))
    return (
        f"If the difference is as large as it seems, about {round(wanted, min(digits, 0)):,} photographs in the same "
        "proportions would be needed to show it (4 times out of 5)."
    )


def remarks(comparison: Comparison) -> list[str]:
    """Return, in sentences, what a reader must know beside the answer."""
    return list(_remarks(comparison))


def _remarks(comparison: Comparison) -> Iterator[str]:
    images = comparison.images
    if comparison.only_a or comparison.only_b:
        yield (
            f"The test parts differ: compared on the {_photographs(images)} in both, and not on {comparison.only_a} "
            f"of A alone and {comparison.only_b} of B alone. The scores here are those of the common ones."
        )
    if comparison.relabelled:
        yield f"{_photographs(comparison.relabelled)} left out: under another class in B than in A."
    if comparison.groups < images:
        yield f"The {_photographs(images)} form {comparison.groups} groups that belong together; each is one draw."
    if comparison.ungrouped:
        yield (
            f"Of {_photographs(comparison.ungrouped)} it is not known which others they belong together with; each "
            "counts as a draw of its own, so the intervals may be too narrow."
        )
    yield from _against_the_answer(comparison)


def _against_the_answer(comparison: Comparison) -> Iterator[str]:
    by_accuracy = comparison.right_b - comparison.right_a
    if comparison.p_value < 0.05 and comparison.verdict is not (Verdict.BETTER if by_accuracy > 0 else Verdict.WORSE):
        than = "more" if by_accuracy > 0 else "less"
        yield f"B is right {than} often than A (p = {comparison.p_value:.2g}), which macro F1 alone does not show."
    for words, shown_so in (("worse", comparison.high.f1 < 0), ("better", comparison.low.f1 > 0)):
        names = [shown(comparison.class_names[k]) for k in np.flatnonzero(shown_so)]
        if names and comparison.verdict != words:
            yield f"By F1, B is {words} at {', '.join(names)} (one class in 40 would look so by chance)."


def table(comparison: Comparison) -> str:
    """Render the scores by class, then those over all classes, for a terminal."""
    a, b, value, low, high = _sides(comparison)
    by_class = [
        [
            shown(name),
            str(comparison.support[k]),
            f"{a.f1[k]:.2f}",
            f"{b.f1[k]:.2f}",
            _signed(value.f1[k]),
            f"[{_signed(low.f1[k])}, {_signed(high.f1[k])}]",
            _note(comparison, k),
        ]
        for k, name in enumerate(comparison.class_names)
    ]
    overall = [
        [
            words,
            f"{getattr(a, name):.2f}",
            f"{getattr(b, name):.2f}",
            _signed(getattr(value, name)),
            f"[{_signed(getattr(low, name))}, {_signed(getattr(high, name))}]",
        ]
        for name, words in OVERALL.items()
    ]
    first = render(["Class", "Images", "F1 of A", "of B", "B - A", "95% interval", "Note"], "<>>>>><", by_class, False)
    second = render(["All classes", "A", "B", "B - A", "95% interval"], "<>>>>", overall, False)
    return f"{first}\n\n{second}\n\n{_test(comparison)}"


def _test(comparison: Comparison) -> str:
    counted = "" if comparison.groups == comparison.images else ", each group counted once"
    return (
        f"Right in one alone: {comparison.right_a} in A, {comparison.right_b} in B; McNemar's exact test{counted}: "
        f"p = {comparison.p_value:.2g}"
    )


def _note(comparison: Comparison, k: int) -> str:
    return too_small(int(comparison.support[k]), comparison.low.f1[k], comparison.high.f1[k]) or ""


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return all of it, as nested dicts of numbers and texts."""
    classes = {
        name: {"images": int(comparison.support[k]), **_numbers(comparison, "f1", k), "note": _note(comparison, k)}
        for k, name in enumerate(comparison.class_names)
    }
    counts = ("images", "groups", "ungrouped", "only_a", "only_b", "relabelled", "differing", "right_a", "right_b")
    return {
        "verdict": str(comparison.verdict),
        "sentence": sentence(comparison),
        "remarks": remarks(comparison),
        **{name: getattr(comparison, name) for name in counts},
        "p_value": comparison.p_value,
        "wanted_images": comparison.wanted_images,
        **{name: _numbers(comparison, name) for name in OVERALL},
        "f1": classes,
    }


def _sides(comparison: Comparison) -> tuple[Scores, Scores, Scores, Scores, Scores]:
    return comparison.a, comparison.b, comparison.value, comparison.low, comparison.high


def _numbers(comparison: Comparison, name: str, k: int | None = None) -> dict[str, float]:
    values = [getattr(scores, name) for scores in _sides(comparison)]
    numbers = [round(float(value if k is None else value[k]), 6) for value in values]
    return dict(zip(("a", "b", "difference", "low", "high"), numbers, strict=True))
