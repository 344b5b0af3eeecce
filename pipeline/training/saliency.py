"""Where in a picture a trained net finds what speaks for a class.

LayerCAM (P.-T. Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE
Transactions on Image Processing 30, 2021): each cell of a feature map, times how much more of it would raise the
class's logit, summed over the channels. Grad-CAM, which weighs a channel as a whole, is for the last map alone, and
that is 3 x 3 cells for a ResNet shown 96 pixels. So the map is the last one of `CELLS` cells a side or more;
`benchmarks/saliency.py` compares.

The map is found by watching the net at work, so any net of torchvision has one, whether it is laid out as (B, C, h, w),
as (B, h, w, C) (Swin) or as tokens (B, 1 + h w, C) (ViT). Maps that the answer does not hang on, such as a ViT's last,
of which the class token alone is read, are passed over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.training.batches import Images, Rows, gather, to_input
from pipeline.training.weights import TrainedModel

CELLS = 12
_SMOOTHED = 5  # cells
_AT_ONCE = 16  # maps whose gradients one pass backwards brings


def saliency(
    trained: TrainedModel,
    images: Images | Tensor,
    rows: Rows,
    classes: Rows,
    batch_size: int = 16,
) -> NDArray[np.float32]:
    """Return float32 (M, h, w), 0 to 1: where something speaks for ``classes[i]`` in the picture ``rows[i]``.

    Each map is divided by its own highest value, so maps say where, and not how much. One is all 0 if nothing in the
    picture speaks for the class.

    The plain net is asked, without mirror images. Where it has no feature map that is fine enough (a ViT shown a few
    pixels), the map is the gradient by the picture times the picture, in absolute value.

    Parameters
    ----------
    images : uint8 (N, H, W).
    rows, classes : int64 (M,), M >= 1.
    """
    assert not trained.net.training
    pieces = [
        _maps(trained, images, rows[start : start + batch_size], classes[start : start + batch_size])
        for start in range(0, len(rows), batch_size)
    ]
    return np.concatenate(pieces)


def _maps(trained: TrainedModel, images: Images | Tensor, rows: Rows, classes: Rows) -> NDArray[np.float32]:
    if len(rows) == 1:
        # Among several pictures, what has a line for each can be told from a table of the net's own, as Swin has.
        return _maps(trained, images, rows.repeat(2), classes.repeat(2))[:1]
    device = next(trained.net.parameters()).device
    shown = to_input(gather(images, rows, device), *trained.card.preprocessing).requires_grad_()
    with torch.enable_grad(), _outputs(trained.net) as outputs:
        logits = trained.net(shown)
        asked = logits.gather(1, torch.from_numpy(classes).to(device)[:, None]).sum()
    heat = _last_evidence(asked, [output for output in outputs if len(output) == len(rows)])
    if heat is None:
        (gradient,) = torch.autograd.grad(asked, shown)
        heat = F.avg_pool2d((gradient * shown).abs(), 4, ceil_mode=True)[:, 0]
    heat = heat.detach()
    scaled = heat / heat.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
    maps: NDArray[np.float32] = scaled.cpu().numpy()
    return maps


@contextmanager
def _outputs(net: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that fills with the output of every module as it is done, in order."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _given: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs.append(output)

    hooks = [module.register_forward_hook(keep) for module in net.modules()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _last_evidence(asked: Tensor, outputs: list[Tensor]) -> Tensor | None:
    """Return (B, h, w), >= 0, of the last map that `asked` hangs on; None if there is none."""
    maps = [output for output in outputs if _as_map(output) is not None]
    for end in range(len(maps), 0, -_AT_ONCE):
        some = maps[max(0, end - _AT_ONCE) : end]
        slopes = torch.autograd.grad(asked, some, retain_graph=True, allow_unused=True)
        for output, gradient in zip(reversed(some), reversed(slopes), strict=True):
            slope, cells = (None if each is None else _as_map(each) for each in (gradient, output))
            if slope is not None and cells is not None and slope.any():
                return (_smooth(slope).relu() * cells).sum(dim=1).relu()
    return None


def _smooth(slope: Tensor) -> Tensor:
    """Average gradients (B, C, h, w) over neighbours: one that came through layers with a stride has a grid in it."""
    return F.avg_pool2d(slope, _SMOOTHED, stride=1, padding=_SMOOTHED // 2, count_include_pad=False)


def _as_map(output: Tensor) -> Tensor | None:
    """Return a module's output as (B, C, h, w) with h = w >= `CELLS`; None if it is no such map."""
    if output.ndim == 4 and output.shape[2] == output.shape[3] >= CELLS:
        return output
    if output.ndim == 4 and output.shape[1] == output.shape[2] >= CELLS:
        return output.permute(0, 3, 1, 2)
    if output.ndim == 3 and (side := isqrt(output.shape[1] - 1)) >= CELLS and side**2 == output.shape[1] - 1:
        return output[:, 1:].transpose(1, 2).reshape(len(output), -1, side, side)
    return None
