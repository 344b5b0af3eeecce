"""What a net sees in a picture: the numbers that go into its last layer."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.training.batches import Images, Rows, evenly, gather, shown_at_once, to_input
from pipeline.training.models import WithFeatures
from pipeline.training.weights import TrainedModel


@torch.inference_mode()
def net_features(
    trained: TrainedModel, images: Images | Tensor, rows: Rows, batch_size: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features, float32 (M, D), and logits, float32 (M, K), for `rows` of uint8 (N, H, W).

    They are those of the plain net: without mirror images, and not divided by the card's temperature. What features
    are: see `WithFeatures`.
    """
    device = next(trained.net.parameters()).device
    batch_size = batch_size or shown_at_once(trained.card.resolution)
    net = WithFeatures(trained.net, len(trained.card.class_names)).eval()
    pieces = [
        net(to_input(gather(images, piece, device), *trained.card.preprocessing)) for piece in evenly(rows, batch_size)
    ]
    features, logits = (torch.cat(each).cpu().numpy() for each in zip(*pieces, strict=True))
    return features, logits
