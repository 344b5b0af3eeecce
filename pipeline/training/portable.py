"""A trained net as an ONNX file, which other programs run without PyTorch and without this project."""

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.training.batches import to_input
from pipeline.training.predict import asked
from pipeline.training.weights import TrainedModel

INPUT, OUTPUT = "images", "probabilities"
OPSET = 20
"""What PyTorch's exporter writes by itself; ONNX Runtime runs it since 1.17. Scaling without patterns needs 18."""

# Every rewriting of the graph is told.
for _name in ("onnxscript", "onnx_ir", "torch.onnx"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class FromSquares(nn.Module):
    """All from the stored squares to the answer as one module: `predict.mean_probabilities` in PyTorch alone.

    Parameters
    ----------
    members : a trained net, or the members of an ensemble
    """

    def __init__(self, members: Sequence[TrainedModel]) -> None:
        super().__init__()
        self._nets = nn.ModuleList(asked(member) for member in members)
        self._preprocessing = [member.card.preprocessing for member in members]

    def forward(self, squares: Tensor) -> Tensor:
        """Return float32 (N, K), each row sums to 1, for uint8 (N, H, W)."""
        each = [
            net(to_input(squares, *preprocessing)).softmax(dim=1)
            for net, preprocessing in zip(self._nets, self._preprocessing, strict=True)
        ]
        return torch.stack(each).mean(dim=0) if len(each) > 1 else each[0]


def write_onnx(members: Sequence[TrainedModel], path: Path) -> None:
    """Write a trained net on the CPU, or an ensemble, to `path` as ONNX.

    Input ``images``, uint8 (N, H, W), the stored squares, any N; output ``probabilities``, float32 (N, K). The names of
    the K classes stand in the file's metadata under ``class_names``, as a JSON list.
    """
    card = members[0].card
    squares = torch.zeros((2, *card.stored_size), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # It warns of its own code's future.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            FromSquares(members).eval(),
            (squares,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["class_names"] = json.dumps(card.class_names)
    program.save(path)
