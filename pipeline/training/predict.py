"""The logits of a trained net for packed images."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.training.batches import Images, Preprocessing, Rows, evenly, gather, shown_at_once, to_input
from pipeline.training.detector import picture_statistics
from pipeline.training.models import WithFeatures
from pipeline.training.weights import TrainedModel


def predict_logits(
    trained: TrainedModel, images: Images | Tensor, rows: Rows | None = None, batch_size: int | None = None
) -> NDArray[np.float32]:
    """Return float32 (N, K): the logits for uint8 (N, H, W), or for those `rows` of it, in their order.

    Their softmax is the net's answer. Where the recipe says so, they are those of the mean probability over the picture
    and its mirror images; then they are divided by the card's temperature.
    """
    rows = np.arange(len(images)) if rows is None else rows
    return net_logits(asked(trained), images, rows, trained.card.preprocessing, batch_size)


def asked(trained: TrainedModel) -> "MeanOverFlips":
    """Return the net as it is asked for an answer, in evaluation mode: float32 (B, 1, R, R) -> float32 (B, K)."""
    return MeanOverFlips(trained.net, trained.card.flips, trained.card.temperature).eval()


class MeanOverFlips(nn.Module):
    """A net that is asked about a picture and its mirror images: logits of the mean of the probabilities, calibrated.

    Parameters
    ----------
    flips : for each mirror image, the axes of (B, 1, R, R) along which it is mirrored
    temperature : divides the logits of the mean; see `temperature`
    """

    def __init__(self, net: nn.Module, flips: Sequence[tuple[int, ...]], temperature: float) -> None:
        super().__init__()
        self._net, self._flips, self._temperature = net, flips, temperature

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 (B, K) for float32 (B, 1, R, R)."""
        return self.calibrated(self._net(images), images)

    def calibrated(self, logits: Tensor, images: Tensor) -> Tensor:
        """Return the same where the net's `logits` for the pictures as they are, (B, K), are known already."""
        return self._mean(logits, images) / self._temperature

    def _mean(self, logits: Tensor, images: Tensor) -> Tensor:
        if not self._flips:
            return logits
        mirrored = [self._net(images.flip(axes)).log_softmax(dim=1) for axes in self._flips]
        return torch.stack([logits.log_softmax(dim=1), *mirrored]).logsumexp(dim=0) - math.log(1 + len(mirrored))


class Answering(nn.Module):
    """A net from the stored squares on: what it answers, and how unlike all that it has seen they are."""

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__()
        self._asked, self._preprocessing = asked(trained), trained.card.preprocessing
        self.resolution = trained.card.resolution
        self._detector = trained.detector
        self._featured = WithFeatures(trained.net, len(trained.card.class_names)) if trained.detector else None
        self.eval()

    def forward(self, squares: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return logits, float32 (B, K), and outlier scores, float32 (B,), for uint8 (B, H, W).

        There are no scores for a net without a detector.
        """
        shown = to_input(squares, *self._preprocessing)
        if self._detector is None or self._featured is None:
            return self._asked(shown), None
        features, logits = self._featured(shown)
        return self._asked.calibrated(logits, shown), self._detector(features, picture_statistics(squares))


class Said(NamedTuple):
    """What a net, or an ensemble, says of N pictures.

    Attributes
    ----------
    probabilities : float32 (N, K), each row sums to 1
    outlier_scores : float32 (N,), above 1 for a picture unlike all in training; None: nobody can say
    """

    probabilities: NDArray[np.float32]
    outlier_scores: NDArray[np.float32] | None


@torch.inference_mode()
def answers_of(net: Answering, images: Images, rows: Rows | None = None, batch_size: int | None = None) -> Said:
    """Return what the net says of uint8 (N, H, W), or of those `rows` of it, in their order.

    The probabilities are the softmax of `predict_logits`.
    """
    rows = np.arange(len(images)) if rows is None else rows
    device, batch_size = next(net.parameters()).device, batch_size or shown_at_once(net.resolution)
    logits, scores = zip(*(net(gather(images, piece, device)) for piece in evenly(rows, batch_size)), strict=True)
    probabilities = class_probabilities(torch.cat(logits).cpu().numpy())
    return Said(probabilities, None if scores[0] is None else torch.cat(scores).cpu().numpy())


def mean_answers(nets: Sequence[Answering], images: Images, rows: Rows | None = None) -> Said:
    """Return the mean of what the members of an ensemble, or one net alone, say."""
    each = [answers_of(net, images, rows) for net in nets]
    if len(each) == 1:
        return each[0]
    scores = [said.outlier_scores for said in each if said.outlier_scores is not None]
    return Said(
        np.mean([said.probabilities for said in each], axis=0, dtype=np.float32),
        np.mean(scores, axis=0, dtype=np.float32) if len(scores) == len(each) else None,
    )


def class_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax of logits (N, K) along the classes."""
    probabilities: NDArray[np.float32] = torch.from_numpy(logits).softmax(dim=1).numpy()
    return probabilities


@torch.inference_mode()
def net_logits(
    net: nn.Module,
    images: Images | Tensor,
    rows: Rows,
    preprocessing: Preprocessing,
    batch_size: int | None = None,
) -> NDArray[np.float32]:
    """Return the logits (M, K) of `net`, which must be in evaluation mode, for `rows` of `images`.

    Always computed in float32, whatever the precision of training: scores should not hang on the machine.
    """
    assert not net.training
    device, batch_size = next(net.parameters()).device, batch_size or shown_at_once(preprocessing.resolution)
    pieces = [net(to_input(gather(images, piece, device), *preprocessing)) for piece in evenly(rows, batch_size)]
    logits: NDArray[np.float32] = torch.cat(pieces).cpu().numpy()
    return logits
