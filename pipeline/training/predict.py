"""The logits of a trained net for packed images."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.training.batches import Images, Preprocessing, Rows, evenly, gather, to_input
from pipeline.training.weights import TrainedModel


def predict_logits(
    trained: TrainedModel, images: Images, rows: Rows | None = None, batch_size: int = 64
) -> NDArray[np.float32]:
    """Return float32 (N, K): the logits for uint8 (N, H, W), or for those `rows` of it, in their order.

    Where the recipe says so, they are those of the mean probability over the picture and its mirror images.
    """
    rows = np.arange(len(images)) if rows is None else rows
    return net_logits(asked(trained), images, rows, trained.card.preprocessing, batch_size)


def asked(trained: TrainedModel) -> nn.Module:
    """Return the net as it is asked for an answer, in evaluation mode: float32 (B, 1, R, R) -> float32 (B, K)."""
    return MeanOverFlips(trained.net, trained.card.flips).eval()


class MeanOverFlips(nn.Module):
    """A net that is asked about a picture and its mirror images: logits of the mean of the probabilities.

    Parameters
    ----------
    flips : for each mirror image, the axes of (B, 1, R, R) along which it is mirrored
    """

    def __init__(self, net: nn.Module, flips: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self._net, self._flips = net, flips

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 (B, K) for float32 (B, 1, R, R)."""
        logits: Tensor = self._net(images)
        if not self._flips:
            return logits
        mirrored = [self._net(images.flip(axes)).log_softmax(dim=1) for axes in self._flips]
        return torch.stack([logits.log_softmax(dim=1), *mirrored]).logsumexp(dim=0) - math.log(1 + len(mirrored))


def mean_probabilities(
    members: Sequence[TrainedModel], images: Images, rows: Rows | None = None
) -> NDArray[np.float32]:
    """Return float32 (N, K): the mean of what the members of an ensemble, or one net alone, say."""
    each = [class_probabilities(predict_logits(member, images, rows)) for member in members]
    return np.mean(each, axis=0, dtype=np.float32) if len(each) > 1 else each[0]


def class_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax of logits (N, K) along the classes."""
    probabilities: NDArray[np.float32] = torch.from_numpy(logits).softmax(dim=1).numpy()
    return probabilities


@torch.inference_mode()
def net_logits(
    net: nn.Module, images: Images | Tensor, rows: Rows, preprocessing: Preprocessing, batch_size: int
) -> NDArray[np.float32]:
    """Return the logits (M, K) of `net`, which must be in evaluation mode, for `rows` of `images`.

    Always computed in float32, whatever the precision of training: scores should not hang on the machine.
    """
    assert not net.training
    device = next(net.parameters()).device
    pieces = [net(to_input(gather(images, piece, device), *preprocessing)) for piece in evenly(rows, batch_size)]
    logits: NDArray[np.float32] = torch.cat(pieces).cpu().numpy()
    return logits
