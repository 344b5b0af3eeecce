"""A trained net that takes image files: what MLflow loads as `mlflow.pyfunc`, by the loader below, without pickle.

The way from a file to the answer is that of `pipeline.classifier`.
"""

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.classifier import Classifier
from pipeline.errors import DataError, UnreadableImageError
from pipeline.training.weights import TrainedModel, load_final


class ImageClassifier:
    """A trained net, or an ensemble whose members' probabilities are averaged: image files to classes."""

    def __init__(self, *members: TrainedModel) -> None:
        self._classifier = Classifier(*members)

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
            N rows: ``class``, the likeliest; ``probability``, 0 to 1, of it; and ``probability of <name>`` for each
            class.

        Raises
        ------
        DataError
            If a file cannot be decoded; the text says which, counted from 0, and why.
        """
        images = [self._read(number, entry) for number, entry in enumerate(_entries(model_input))]
        class_names = self._classifier.class_names
        probabilities = self.probabilities(np.stack(images)) if images else np.empty((0, len(class_names)), np.float32)
        table = pd.DataFrame(probabilities, columns=[f"probability of {name}" for name in class_names], dtype=float)
        best = probabilities.argmax(axis=1)
        table.insert(0, "class", [class_names[label] for label in best])
        table.insert(1, "probability", probabilities.max(axis=1, initial=0).astype(float))
        return table

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (N, K) for stored squares, uint8 (N, H, W)."""
        return self._classifier.probabilities(images)

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
