"""What a net said about the photographs of one part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answers for the N photographs of one part, in row order.

    Attributes
    ----------
    class_names : the K classes.
    y_true : int64 (N,), 0 to K - 1.
    probabilities : float64 (N, K), each row sums to 1.
    paths : N source paths.
    rows : int64 (N,), where each photograph stands in `images.npy`.
    """

    class_names: tuple[str, ...]
    y_true: IntArray
    probabilities: FloatArray
    paths: Sequence[str]
    rows: IntArray

    def __post_init__(self) -> None:
        images, classes = len(self.y_true), len(self.class_names)
        assert self.probabilities.shape == (images, classes), self.probabilities.shape
        assert len(self.paths) == len(self.rows) == images, (len(self.paths), len(self.rows), images)

    @property
    def y_pred(self) -> IntArray:
        """int64 (N,): the likeliest class; the first of equals."""
        best: IntArray = self.probabilities.argmax(axis=1)
        return best

    @property
    def confidence(self) -> FloatArray:
        """float64 (N,): the probability of the predicted class, 1/K to 1."""
        highest: FloatArray = self.probabilities.max(axis=1)
        return highest
