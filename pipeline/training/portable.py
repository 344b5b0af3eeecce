"""A trained net as an ONNX file, which other programs run without PyTorch and without this project."""

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.training.predict import Answering
from pipeline.training.weights import TrainedModel

INPUT, OUTPUT, SCORE = "images", "probabilities", "outlier_score"
OPSET = 20
"""What PyTorch's exporter writes by itself; ONNX Runtime runs it since 1.17. Scaling without patterns needs 18."""

# Every rewriting of the graph is told.
for _name in ("onnxscript", "onnx_ir", "torch.onnx"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class FromSquares(nn.Module):
    """All from the stored squares to the answer as one module: `predict.mean_answers` in PyTorch alone.

    Parameters
    ----------
    members : a trained net, or the members of an ensemble
    """

    def __init__(self, members: Sequence[TrainedModel]) -> None:
        super().__init__()
        self._nets = nn.ModuleList(Answering(member) for member in members)
        self.tells_outliers = all(member.detector for member in members)

    def forward(self, squares: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, float32 (N, K), and outlier scores, float32 (N,), if any, for uint8 (N, H, W)."""
        logits, scores = zip(*(net(squares) for net in self._nets), strict=True)
        probabilities = _mean([each.softmax(dim=1) for each in logits])
        return (probabilities, _mean(scores)) if self.tells_outliers else (probabilities,)


def _mean(each: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(each)).mean(dim=0) if len(each) > 1 else each[0]


def write_onnx(members: Sequence[TrainedModel], path: Path) -> None:
    """Write a trained net on the CPU, or an ensemble, to `path` as ONNX.

    Input ``images``, uint8 (N, H, W), the stored squares, any N; outputs ``probabilities``, float32 (N, K), and, if all
    members can tell, ``outlier_score``, float32 (N,). The names of the K classes stand in the file's metadata under
    ``class_names``, as a JSON list.
    """
    card = members[0].card
    whole = FromSquares(members).eval()
    squares = torch.zeros((2, *card.stored_size), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # It warns of its own code's future.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            whole,
            (squares,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT, SCORE] if whole.tells_outliers else [OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["class_names"] = json.dumps(card.class_names)
    program.save(path)
