"""A trained net that takes image files: what MLflow loads as `mlflow.pyfunc`, by the loader below, without pickle.

The way from a file to the answer is that of `pipeline.classifier`.
"""

import base64
import binascii
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.classifier import Classifier
from pipeline.errors import DataError, UnreadableImageError
from pipeline.training.outliers import FEWEST_IN_BATCH
from pipeline.training.predict import Said
from pipeline.training.weights import TrainedModel, load_final

logger = logging.getLogger(__name__)


class ImageClassifier:
    """A trained net, or an ensemble whose members' probabilities are averaged: image files to classes."""

    def __init__(self, *members: TrainedModel) -> None:
        self._classifier = Classifier(*members)
        self._answered, self._outliers = 0, 0  # since the last look at whether they are too many

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Classify image files, each given as its bytes or as their base64 text.

        Parameters
        ----------
        model_input
            A table with one column, or a list or series, of N files.
        params
            MLflow's calling convention; there are none.

        Returns
        -------
        pandas.DataFrame
            N rows: ``class``, the likeliest; ``probability``, 0 to 1, of it; ``probability of <name>`` for each class;
            ``outlier``, whether the photograph is so unlike those of training that its class means little, and
            ``outlier score``, which is above 1 then. Both are empty where the net cannot say.

        When 10 photographs or more have been answered, in one call or several, and more of them were outliers than
        chance explains, the log has a warning that says so; then the count starts anew.

        Raises
        ------
        DataError
            If a file cannot be decoded; the text says which, counted from 0, and why.
        """
        images = [self._read(number, entry) for number, entry in enumerate(_entries(model_input))]
        class_names = self._classifier.class_names
        said = self._classifier.said(np.stack(images)) if images else Said(np.empty((0, len(class_names)), "f4"), None)
        probabilities, scores = said
        table = pd.DataFrame(probabilities, columns=[f"probability of {name}" for name in class_names], dtype=float)
        best = probabilities.argmax(axis=1)
        table.insert(0, "class", [class_names[label] for label in best])
        table.insert(1, "probability", probabilities.max(axis=1, initial=0).astype(float))
        table["outlier"] = None if scores is None else (scores > 1).tolist()
        table["outlier score"] = None if scores is None else scores.astype(float)
        self._look(len(images), 0 if scores is None else int((scores > 1).sum()))
        return table

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (N, K) for stored squares, uint8 (N, H, W)."""
        return self._classifier.probabilities(images)

    def _look(self, answered: int, outliers: int) -> None:
        self._answered, self._outliers = self._answered + answered, self._outliers + outliers
        if self._answered >= FEWEST_IN_BATCH:
            if warning := self._classifier.batch_warning(self._outliers, self._answered):
                logger.warning("%s", warning)
            self._answered, self._outliers = 0, 0

    def _read(self, number: int, entry: object) -> np.ndarray:
        try:
            return self._classifier.square(_file_bytes(entry))
        except UnreadableImageError as error:
            raise DataError(f"image {number}: {error}") from None


def _load_pyfunc(data_path: str) -> ImageClassifier:
    """Load the folder that `train` wrote; MLflow calls this by its name."""
    return ImageClassifier(*load_final(Path(data_path)))


def _entries(model_input: Any) -> Iterable[object]:
    if isinstance(model_input, pd.DataFrame):
        if model_input.shape[1] != 1:
            raise DataError(f"wanted a table with one column of image files, found {model_input.shape[1]} columns")
        return list(model_input.iloc[:, 0])
    return [model_input] if isinstance(model_input, bytes | str) else list(model_input)


def _file_bytes(entry: object) -> bytes:
    if isinstance(entry, bytes | bytearray | memoryview):
        # MLflow's server hands on the texts of `inputs` and `instances` as bytes, still in base64. No image file is
        # base64 text by chance: each has a byte among its first that such text has not.
        return _from_base64(bytes(entry)) or bytes(entry)
    if isinstance(entry, str):
        data = _from_base64(entry)
        if data is None:
            raise UnreadableImageError("wanted base64 text, found something else")
        return data
    raise UnreadableImageError(f"wanted the bytes of a file or base64 text, found {type(entry).__name__}")


def _from_base64(text: str | bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
