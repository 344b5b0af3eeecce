"""Cross entropy, an image at a time, so that a batch run in pieces has the gradient of the batch run whole."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


def class_weights(labels: NDArray[np.int64], num_classes: int) -> NDArray[np.float32]:
    """Return float32 (K,): the weight of each class's images, inversely proportional to how many there are.

    Their mean over `labels` is 1; a class without images weighs 0.
    """
    counts = np.bincount(labels, minlength=num_classes)
    share = counts * np.count_nonzero(counts) / len(labels)
    return np.divide(1.0, share, out=np.zeros(num_classes), where=counts > 0).astype(np.float32)


def weighted_losses(logits: Tensor, y_true: Tensor, weights: Tensor, label_smoothing: float) -> Tensor:
    """Return float32 (B,): each image's loss times its class's weight.

    Parameters
    ----------
    logits : float (B, K)
    y_true : int64 (B,)
    weights : float32 (K,)

    Their sum, divided by that of the images' weights, is PyTorch's weighted mean.
    """
    # Exponentials of bf16 logits would lose most of their digits.
    return F.cross_entropy(logits.to(torch.float32), y_true, weights, label_smoothing=label_smoothing, reduction="none")
