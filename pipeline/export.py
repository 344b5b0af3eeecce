"""`weldproof export`: a trained net as an ONNX file that answers as it does here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.assignment import read_assignment
from pipeline.data.packed import open_packed
from pipeline.errors import DataError, ModelError
from pipeline.files import replaced
from pipeline.predict import MODELS, model
from pipeline.text import shown

if TYPE_CHECKING:
    from pipeline.training.predict import Said

PACKED, ASSIGNMENT = Path("data/packed"), Path("data/split/assignment.csv")
TOLERANCE = 1e-4
"""Of a probability or a score. Another order of the same sums in float32 changes it by some 1e-6."""
_MOST = 2048
_BATCH = 64


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    verb.add_argument("model", nargs="?", type=model, help="folder of the net; models if not given")
    verb.add_argument("file", type=lambda path: Path(path).absolute(), metavar="FILE.onnx", help="where it goes")


def export(arguments: argparse.Namespace) -> None:
    """Write a trained net, or the mean of an ensemble, as an ONNX file, for programs without PyTorch.

    The file takes stored squares, uint8 (N, H, W), of any number, and gives the probabilities of the classes, float32
    (N, K), and the outlier scores, float32 (N,), where the net has them: scaling, normalisation, mirror images and
    softmax are inside. ONNX Runtime then answers for the packed photographs of the test part (of all, where there is no
    split or one into folds; 2,048 at the most), and unless it says the same as PyTorch, no file is left.
    """
    # Load PyTorch, which takes seconds: not for the verbs that must answer at once.
    from pipeline.registry import load
    from pipeline.training.portable import write_onnx

    if arguments.file.suffix != ".onnx":
        raise DataError(f"{shown(arguments.file)}: wanted a name that ends in .onnx")
    classifier = load(arguments.model or MODELS, "cpu")
    squares, part = comparison(classifier.members[0].card.stored_size)
    with replaced(arguments.file) as partial:
        write_onnx(classifier.members, partial)
        difference = largest_difference(partial, squares, classifier.said(squares))
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{shown(arguments.file)}: wanted probabilities within {TOLERANCE:g} of PyTorch's, found one that "
                f"differs by {difference:.2g}; no file is left"
            )
    size = " x ".join(map(str, squares.shape[1:]))
    print(f"{shown(arguments.file)}: uint8 (N, {size}) to probabilities of {len(classifier.class_names)} classes")
    print(
        f"checked on {len(squares)} photographs of {part}: ONNX Runtime's probabilities differ from PyTorch's by "
        f"{difference:.1e} at the most (allowed: {TOLERANCE:.0e})"
    )


def comparison(stored_size: tuple[int, int]) -> tuple[NDArray[np.uint8], str]:
    """Return what to compare on, uint8 (M, H, W), and what it is a part of."""
    packed = open_packed(PACKED)
    if packed.images.shape[1:] != stored_size:
        raise DataError(
            f"{PACKED}: wanted squares of {stored_size[0]} pixels a side, as the net was trained on, "
            f"found {packed.images.shape[1]}; run `dvc repro`"
        )
    rows, part = np.arange(len(packed.images)), "the packed set"
    if ASSIGNMENT.exists():
        table = read_assignment(ASSIGNMENT, packed)
        rows, part = (table.everything(), "all folds") if table.num_folds else (table.parts().test, "the test part")
    if len(rows) > _MOST:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST).astype(np.int64)]
    return packed.images[rows], part


def largest_difference(file: Path, squares: NDArray[np.uint8], wanted: "Said") -> float:
    """Return by how much ONNX Runtime's probabilities, and outlier scores, differ from PyTorch's at the most.

    Of a score as a share of it, where it is above 1.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    batches = [session.run(None, {"images": squares[at : at + _BATCH]}) for at in range(0, len(squares), _BATCH)]
    probabilities, *scores = (np.concatenate(each) for each in zip(*batches, strict=True))
    differences = [np.abs(probabilities - wanted.probabilities).max()]
    if wanted.outlier_scores is not None:
        differences.append((np.abs(scores[0] - wanted.outlier_scores) / np.maximum(wanted.outlier_scores, 1)).max())
    return float(max(differences))
