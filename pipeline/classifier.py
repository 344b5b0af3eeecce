"""A trained net that takes photographs, whatever they come as, and says of what class they are.

The way from a photograph to the net's input is the pipeline's own: `pipeline.data.squares`, and the preprocessing in
`pipeline.training`.
"""

import os
import stat
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.parallel import map_threads
from pipeline.data.pixels import as_file
from pipeline.data.squares import read_square
from pipeline.errors import DataError, UnreadableImageError
from pipeline.text import shown
from pipeline.training.outliers import batch_warning
from pipeline.training.predict import Answering, Said, mean_answers
from pipeline.training.weights import TrainedModel

Image = str | os.PathLike[str] | bytes | NDArray[np.uint8]
"""A file's path; the bytes of a file; or pixels, uint8 (H, W) grey or (H, W, 3) RGB, upright."""

_BATCH = 64

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Answer:
    """What a net says of one photograph.

    Attributes
    ----------
    class_name : the likeliest class; the first of equals
    probability : of it, 1/K to 1
    probabilities : of each of the K classes, by name, in the net's order; their sum is 1
    outlier_score : how unlike all photographs of training it is, 0 or more; None: the net cannot say
    """

    class_name: str
    probability: float
    probabilities: dict[str, float]
    outlier_score: float | None = None

    @property
    def outlier(self) -> bool | None:
        """Whether it is so unlike them that the class means little: a score above 1; None: the net cannot say."""
        return None if self.outlier_score is None else self.outlier_score > 1


class Classifier:
    """A trained net, or an ensemble whose members' probabilities are averaged.

    Attributes
    ----------
    members : the nets and their cards
    class_names : the K classes, in the net's order
    """

    def __init__(self, *members: TrainedModel) -> None:
        self.members = members
        self._nets = [Answering(member) for member in members]
        self._side = members[0].card.stored_size[0]
        self.class_names = members[0].card.class_names

    def predict(self, images: Iterable[Image]) -> list[Answer]:
        """Classify images, in their order.

        Raises
        ------
        DataError
            If any cannot be read: all such are named, by path or by their number counted from 0. See `stream`.
        """
        if isinstance(images, str | bytes | os.PathLike):
            raise DataError(f"wanted a list of images, found {type(images).__name__}; put it into a list")
        images = list(images)
        answers = list(self.stream(images))
        problems = [
            f"{_name(number, image)}: {answer}"
            for number, (image, answer) in enumerate(zip(images, answers, strict=True))
            if isinstance(answer, UnreadableImageError)
        ]
        if problems:
            raise DataError("\n  ".join([f"{len(problems)} of {len(images)} images cannot be read:", *problems]))
        return [answer for answer in answers if isinstance(answer, Answer)]

    def stream(
        self, images: Sequence[Image], progress: str | None = None
    ) -> Generator[Answer | UnreadableImageError, None, None]:
        """Yield for each image, in order, its answer, or why it cannot be read.

        They are decoded on all cores, and classified in batches: memory does not grow with their number.

        Parameters
        ----------
        progress : label of a bar on the terminal, if there is to be one
        """
        with closing(map_threads(self._try_square, images, progress)) as squares:
            for batch in _batches(squares, _BATCH):
                found = [square for square in batch if not isinstance(square, UnreadableImageError)]
                answers = iter(self._answers(np.stack(found)) if found else ())
                for square in batch:
                    yield square if isinstance(square, UnreadableImageError) else next(answers)

    def probabilities(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, K) for stored squares, uint8 (N, S, S)."""
        return self.said(squares).probabilities

    def said(self, squares: NDArray[np.uint8]) -> Said:
        """Return probabilities and outlier scores for stored squares, uint8 (N, S, S)."""
        return mean_answers(self._nets, squares)

    def batch_warning(self, flagged: int, count: int) -> str | None:
        """Return a sentence if `flagged` outliers in `count` photographs are more than chance; see `outliers`."""
        promises = [member.detector.promised for member in self.members if member.detector]
        return batch_warning(flagged, count, min(promises, key=lambda each: each.of)) if promises else None

    def square(self, image: Image) -> NDArray[np.uint8]:
        """Return an image as the pipeline stores it: uint8 (S, S). Raises UnreadableImageError."""
        return read_square(_file_bytes(image), self._side)

    def _try_square(self, image: Image) -> NDArray[np.uint8] | UnreadableImageError:
        try:
            return self.square(image)
        except UnreadableImageError as error:
            return error

    def _answers(self, squares: NDArray[np.uint8]) -> Iterator[Answer]:
        said = self.said(squares)
        scores = [None] * len(squares) if said.outlier_scores is None else said.outlier_scores.tolist()
        for row, score in zip(said.probabilities, scores, strict=True):
            each = dict(zip(self.class_names, row.tolist(), strict=True))
            best = self.class_names[row.argmax()]
            yield Answer(best, each[best], each, score)


def _file_bytes(image: Image) -> bytes:
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, str | os.PathLike):
        return _read(Path(image))
    if isinstance(image, np.ndarray):
        return as_file(image)
    raise UnreadableImageError(
        f"wanted a path, the bytes of a file or a NumPy array, found {type(image).__module__}.{type(image).__name__}"
    )


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            # To open a pipe would wait for whoever writes into it.
            raise UnreadableImageError("wanted a file, found a special file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UnreadableImageError(getattr(error, "strerror", None) or str(error)) from None


def _name(number: int, image: Image) -> str:
    return shown(image) if isinstance(image, str | os.PathLike) else f"image {number}"


def _batches(items: Iterator[_Item], most: int) -> Iterator[list[_Item]]:
    while batch := list(islice(items, most)):
        yield batch
