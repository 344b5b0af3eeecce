"""Contact sheets: the photographs behind the numbers."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.evaluation.figures import BLUE, MUTED, ORANGE, drawable, drawable_names, picture
from pipeline.evaluation.predictions import IntArray, Predictions
from pipeline.evaluation.text import shorten

COLUMNS = 6
_THUMB, _GAP, _CAPTION, _HEAD = 1.6, 0.2, 0.62, 0.6  # inches


@picture
def mistakes_png(images: npt.NDArray[np.uint8], predictions: Predictions, part: str, most: int) -> Figure:
    """Show the photographs that were given a wrong class, the most confident mistake first.

    Parameters
    ----------
    images : uint8 (rows of `images.npy`, H, W), may be memory-mapped: only what is shown is read.
    most : the sheet stops after this many.
    """
    wrong = surest(predictions, np.flatnonzero(predictions.y_pred != predictions.y_true))
    title = f"Mistakes, {part}: {len(wrong)} of {len(predictions.y_true)} images"
    note = "no photograph was given a wrong class" if not len(wrong) else _order_note(len(wrong), most)
    return _sheet(images, predictions, wrong[:most], title, note)


@picture
def hits_png(images: npt.NDArray[np.uint8], predictions: Predictions, part: str, most: int) -> Figure:
    """Show photographs that were given the right class, for comparison: the surest of each class in turn."""
    right = surest(predictions, np.flatnonzero(predictions.y_pred == predictions.y_true))
    title = f"Hits, {part}: {len(right)} of {len(predictions.y_true)} images"
    note = "no photograph was given its class" if not len(right) else "the most confident of each class in turn"
    return _sheet(images, predictions, in_turn(right, predictions.y_true)[:most], title, note)


def surest(predictions: Predictions, chosen: IntArray) -> IntArray:
    """Return the chosen photographs, int64 (C,), the most confident answer first."""
    return chosen[np.argsort(-predictions.confidence[chosen], kind="stable")]


def in_turn(chosen: IntArray, y_true: IntArray) -> IntArray:
    """Return the chosen photographs so that the first of each class come first, then the second of each, and so on."""
    turn = np.zeros(len(chosen), dtype=np.int64)
    for k in np.unique(y_true[chosen]):
        own = y_true[chosen] == k
        turn[own] = np.arange(own.sum())
    return chosen[np.lexsort((y_true[chosen], turn))]


def _order_note(count: int, most: int) -> str:
    return f"the {most} most confident of them" if count > most else "the most confident first"


def _sheet(images: npt.NDArray[np.uint8], predictions: Predictions, chosen: IntArray, title: str, note: str) -> Figure:
    columns = min(COLUMNS, max(len(chosen), 1))
    lines = -(-len(chosen) // COLUMNS)
    width, height = columns * (_THUMB + _GAP), _HEAD + lines * (_THUMB + _CAPTION)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.text(0, 0, title, fontsize=12, fontweight="bold", va="top")
    axes.text(0, 0.24, note, fontsize=9, color=MUTED, va="top")
    for place, index in enumerate(chosen.tolist()):
        left, top = (place % COLUMNS) * (_THUMB + _GAP), _HEAD + (place // COLUMNS) * (_THUMB + _CAPTION)
        _place_image(axes, images[predictions.rows[index]], left, top, _frame_color(predictions, index))
        _place_caption(axes, predictions, index, left, top + _THUMB + 0.05)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    return figure


def _frame_color(predictions: Predictions, index: int) -> str:
    return BLUE if predictions.y_pred[index] == predictions.y_true[index] else ORANGE


def _place_image(axes: Axes, image: npt.NDArray[np.uint8], left: float, top: float, color: str) -> None:
    """Put a uint8 (H, W) image, its sides in proportion, into the square at (left, top)."""
    height, width = (_THUMB * side / max(image.shape) for side in image.shape)
    left, top = left + (_THUMB - width) / 2, top + (_THUMB - height) / 2
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(left, left + width, top + height, top))
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=color, linewidth=2))


def _place_caption(axes: Axes, predictions: Predictions, index: int, left: float, top: float) -> None:
    names = drawable_names(predictions.class_names, 18)
    for word, k in (("true", predictions.y_true[index]), ("pred", predictions.y_pred[index])):
        axes.text(left, top, word, fontsize=7, color=MUTED, va="top")
        axes.text(left + 0.27, top - 0.01, names[k], fontsize=8, va="top")
        top += 0.15
    path = drawable(predictions.paths[index])
    axes.text(left, top, f"{predictions.confidence[index]:.2f}", fontsize=7, fontweight="bold", va="top")
    axes.text(left + 0.27, top, shorten(path, 22, 21), fontsize=7, color=MUTED, va="top")
