"""Where in a picture something speaks for a class."""

import numpy as np
import pytest
import torch
import torchvision
from nets import SIDE, pictures, sharp_net
from torch import nn

from pipeline.training.models import build
from pipeline.training.saliency import CELLS, saliency
from pipeline.training.weights import TrainedModel

IMAGES = pictures(4)
ROWS = np.arange(4)
CARD = sharp_net("shufflenet_v2_x0_5", resolution=64).card


class Corners(nn.Module):
    """Class 0 is what is bright at the top left, class 1 what is bright at the bottom right, class 2 is never."""

    def __init__(self, layout):
        super().__init__()
        self.see, self.lay_out = nn.Conv2d(1, 4, 4, stride=4), Layout(layout)
        nn.init.ones_(self.see.weight)
        nn.init.zeros_(self.see.bias)

    def forward(self, shown):
        cells = self.lay_out(self.see(shown).relu())
        half = cells.shape[2] // 2
        first, last = cells[:, :, :half, :half], cells[:, :, half:, half:]
        return torch.stack([first.sum(dim=(1, 2, 3)), last.sum(dim=(1, 2, 3)), -first.sum(dim=(1, 2, 3))], dim=1)


class Layout(nn.Module):
    """Hands (B, C, h, w) through a module in another layout, as other kinds of nets have it."""

    def __init__(self, layout):
        super().__init__()
        self._layout, self._last, self._unused = layout, nn.Identity(), nn.Identity()

    def forward(self, cells):
        self._unused(cells * 2)  # nothing hangs on it
        if self._layout == "channels last":
            return self._last(cells.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)
        if self._layout == "tokens":
            tokens = torch.cat([torch.zeros(len(cells), 1, cells.shape[1]), cells.flatten(2).transpose(1, 2)], dim=1)
            return self._last(tokens)[:, 1:].transpose(1, 2).unflatten(2, cells.shape[2:])
        return self._last(cells)


def corners(layout, resolution=64):
    return TrainedModel(
        Corners(layout).eval(),
        CARD.model_copy(update={"mean": 0.0, "resolution": resolution}),
    )


@pytest.mark.parametrize("layout", ["channels first", "channels last", "tokens"])
def test_it_points_to_what_the_net_reads(layout):
    for_first, for_last, for_none = (saliency(corners(layout), IMAGES, ROWS, np.full(4, k)) for k in range(3))
    half = for_first.shape[1] // 2
    assert for_first[:, :half, :half].max() == for_last[:, half:, half:].max() == 1
    first, last = half + 2, half - 2  # gradients are smoothed over two cells to either side
    assert for_first[:, first:].max() == for_first[:, :, first:].max() == 0
    assert for_last[:, :last].max() == for_last[:, :, :last].max() == 0
    assert not for_none.any()


def test_without_a_fine_map_it_is_the_gradient_times_the_picture():
    heat = saliency(corners("channels first", resolution=4 * CELLS - 4), IMAGES, ROWS, np.zeros(4, dtype=np.int64))
    half = heat.shape[1] // 2
    assert heat.shape == (4, CELLS - 1, CELLS - 1)
    assert heat[:, :half, :half].max() == 1
    assert heat[:, half:, half:].max() == 0


def vit():
    net = torchvision.models.VisionTransformer(64, 4, 2, 2, 16, 32, num_classes=3)
    net.conv_proj = nn.Conv2d(1, 16, 4, stride=4)
    return net


def swin(block):
    net = torchvision.models.SwinTransformer([2, 2], 16, [2, 2], [2, 4], [4, 4], num_classes=3, block=block)
    net.features[0][0] = nn.Conv2d(1, 16, 2, stride=2)
    return net


BUILDERS = {
    "resnet18": lambda: build("resnet18", 3, 64),
    "efficientnet_b0": lambda: build("efficientnet_b0", 3, 64),
    "squeezenet1_1": lambda: build("squeezenet1_1", 3, 64),
    "ViT": vit,
    "Swin": lambda: swin(torchvision.models.swin_transformer.SwinTransformerBlock),
    "Swin V2": lambda: swin(torchvision.models.swin_transformer.SwinTransformerBlockV2),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_any_kind_of_net_has_a_map(name):
    torch.manual_seed(0)
    net = BUILDERS[name]().eval()
    if name == "ViT":
        nn.init.normal_(net.heads.head.weight)  # which begins with zeros
    heat = saliency(TrainedModel(net, CARD), IMAGES[:2], np.arange(2), np.array([0, 2]))
    assert heat.dtype == np.float32
    assert heat.shape[0] == 2
    assert CELLS <= heat.shape[1] == heat.shape[2] < CARD.resolution
    assert heat.min() >= 0
    assert heat.max() == 1


def test_a_map_does_not_depend_on_what_is_asked_beside_it():
    trained = sharp_net("shufflenet_v2_x0_5", resolution=SIDE)
    together = saliency(trained, IMAGES, ROWS, np.array([0, 1, 2, 0]))
    alone = saliency(trained, IMAGES, ROWS[1:2], np.array([1]))
    np.testing.assert_allclose(together[1:2], alone, atol=1e-3)
    np.testing.assert_array_equal(saliency(trained, IMAGES, ROWS, np.array([0, 1, 2, 0]), batch_size=4), together)
    assert not any(module._forward_hooks for module in trained.net.modules())
