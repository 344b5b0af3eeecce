"""Reports on made answers, with names that break naive pages."""

import numpy as np

from pipeline.evaluation.costs import cost_matrix
from pipeline.evaluation.decisions import Rules, decide
from pipeline.evaluation.history import History, LrHistory
from pipeline.evaluation.predictions import Answers, Predictions
from pipeline.evaluation.result import evaluate_part
from pipeline.report.page import Report
from pipeline.report.parts import decision_sections, training_section
from pipeline.report.sections import Photo, Picture, Section, Strip, Table

ODD_CLASSES = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "&amp; \u202eright to left\u202c",
    "line\nend </style></svg>",
    "焊缝 裂纹 {{ 7 * 7 }}",
    "שלום_undecodable\udcff",
    "a_name_of_folders_that_goes_on_and_on_" * 3,
)


def answers(sizes, class_names, seed=0, skill=3.0):
    """What a net said of `sizes[k]` photographs of each class k."""
    rng = np.random.default_rng(seed)
    y_true = np.repeat(np.arange(len(sizes)), sizes)
    logits = rng.normal(size=(len(y_true), len(sizes)))
    logits[np.arange(len(y_true)), y_true] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    paths = [f'{class_names[k]}/it\'s "{row}" & co.jpg' for row, k in enumerate(y_true)]
    return Predictions(tuple(class_names), y_true, probabilities, paths, np.arange(len(y_true)))


def result_of(predictions):
    return evaluate_part(predictions.y_true, predictions.y_pred, predictions.class_names, np.random.default_rng(0))


def noise(count, side=224, seed=0):
    """Photographs that compress as badly as any: uint8 (count, side, side)."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)


def history(epochs=12):
    loss = np.linspace(2, 0.1, epochs)
    every = np.arange(1.0, epochs + 1)
    changes = LrHistory(
        every * 10, loss / 100, np.full(epochs, 0.9), ("start", "by hand", *["schedule"] * (epochs - 2))
    )
    return History(every, every * 10, loss / 100, loss, loss * 1.2, 1 - loss / 2), changes


def made_report(sizes=(40, 20, 12, 9, 7, 3, 0), class_names=ODD_CLASSES, photographs=24, strips=0, skill=3.0):
    """A report with all that one can hold; `strips` more rows of 6 photographs each."""
    test = answers(sizes, class_names, seed=1, skill=skill)
    net = Answers(answers([max(size, 1) for size in sizes], class_names, skill=skill), test, 1.1)
    costs = cost_matrix({class_names[1]: {class_names[0]: 20.0}}, class_names)
    decisions = decide([net], Rules(0, 0.05, 0.01, costs), 0)
    images = noise(len(test.y_true))
    sections = [
        *photo_sections(images, test, photographs),
        *decision_sections([net], decisions),
        training_section(*history(), {"model": class_names[0], "lr": 0.001}),
        _everything(images, class_names[0], strips),
    ]
    return Report(result_of(test), ["<b>remark</b>"], "0123abc", sections)


def photo_sections(images, test, most):
    """The first photographs, with the names of their class and of what they were taken for."""
    photos = [
        Photo(images[row], [test.class_names[test.y_true[row]], test.paths[row]], f"alt of {test.paths[row]}")
        for row in range(min(most, len(images)))
    ]
    return [Section("Mistakes", ["Said."], strips=[Strip("", photos)]), Section("Hits", strips=[Strip("", photos)])]


def _everything(images, name, strips):
    """A section with one of each, and colour photographs."""
    heated = np.repeat(images[0, :, :, None], 3, axis=2)
    photos = [Photo(heated, [name, "line\ntwo"], f"alt of {name}") for _ in range(6)]
    return Section(
        f"Section {name}",
        [f"Said of {name}."],
        Table([name, "Number"], "<>", [[name, "1"], ["x" * 200, "2"]]),
        [Picture(PNG, f"picture of {name}")],
        [Strip("", photos), *(Strip(f"Strip {name}", photos) for _ in range(strips))],
        [f"To mind: {name}"],
    )


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
"""One transparent pixel."""
