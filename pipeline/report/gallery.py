"""Photographs that got a wrong class, and for comparison some that did not."""

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.gallery import in_turn, surest
from pipeline.evaluation.predictions import Predictions
from pipeline.report.answer import photographs
from pipeline.report.sections import Photo, Section, Strip


def photo_sections(images: npt.NDArray[np.uint8], test: Predictions, most: int) -> list[Section]:
    """Return the photographs that got a wrong class, the surest mistake first, and for comparison some that did not.

    Parameters
    ----------
    images : uint8 (rows of `images.npy`, H, W), may be memory-mapped: only what is shown is read
    most : photographs in a section at the most
    """
    wrong = surest(test, np.flatnonzero(test.y_pred != test.y_true))
    right = in_turn(surest(test, np.flatnonzero(test.y_pred == test.y_true)), test.y_true)
    sections = []
    for title, of_all, chosen, order in (
        ("Mistakes", "got a wrong class", wrong, "the surest mistake first"),
        ("Hits, for comparison", "got their class", right, "the surest of each class in turn"),
    ):
        shown = f", {len(chosen[:most])} of them here" if len(chosen) > most else ""
        said = f"{len(chosen)} of {photographs(len(test.y_true))} {of_all}{shown}; {order}."
        photos = [_photo(images, test, index) for index in chosen[:most].tolist()]
        sections.append(Section(title, [said], strips=[Strip("", photos)] if photos else []))
    return sections


def _photo(images: npt.NDArray[np.uint8], test: Predictions, index: int) -> Photo:
    true, said = test.class_names[test.y_true[index]], test.class_names[test.y_pred[index]]
    sure = f"{test.confidence[index]:.0%} sure"
    # The first folder is nearly always the class.
    path = test.paths[index].removeprefix(f"{true}/")
    caption = [true, *([] if true == said else [f"named {said}"]), sure, path]
    alt = f"Photograph of {true}, named {said}, {sure}"
    return Photo(images[test.rows[index]], caption, alt)
