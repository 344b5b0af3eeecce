"""What a trained net makes of a picture before it decides: the input of its last layer."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.training.batches import Images, Rows, evenly, gather, to_input
from pipeline.training.weights import TrainedModel


@torch.inference_mode()
def net_features(
    trained: TrainedModel, images: Images | Tensor, rows: Rows, batch_size: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the features (M, D) and the logits (M, K) of the plain net for `rows` of uint8 (N, H, W).

    No mirror images are asked about and no temperature divides: the logits are the last layer's own. Features are what
    that layer is given; where it is a convolution (SqueezeNet), their mean over the picture.
    """
    assert not trained.net.training
    device = next(trained.net.parameters()).device
    features, logits = [], []
    hook = _head(trained.net).register_forward_pre_hook(lambda _, given: features.append(_flat(given[0])))
    try:
        for piece in evenly(rows, batch_size):
            logits.append(trained.net(to_input(gather(images, piece, device), *trained.card.preprocessing)))
    finally:
        hook.remove()
    return torch.cat(features).cpu().numpy(), torch.cat(logits).cpu().numpy()


def _head(net: nn.Module) -> nn.Module:
    return [module for module in net.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]


def _flat(given: Tensor) -> Tensor:
    """Return (B, D) for (B, D) or (B, D, h, w)."""
    return given.mean(dim=(2, 3)) if given.ndim == 4 else given
