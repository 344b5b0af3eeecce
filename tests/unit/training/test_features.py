"""The input of the last layer, of any net."""

import numpy as np
import pytest
import torch
from nets import pictures, sharp_net

from pipeline.training.batches import to_input
from pipeline.training.features import net_features

IMAGES = pictures(7)


@pytest.mark.parametrize(
    ("name", "resolution"), [("shufflenet_v2_x0_5", 32), ("squeezenet1_1", 32), ("efficientnet_b0", 32)]
)
def test_the_last_layer_makes_the_logits_of_the_features(name, resolution):
    trained = sharp_net(name, resolution=resolution)
    rows = np.array([5, 0, 3])
    features, logits = net_features(trained, IMAGES, rows, batch_size=2)
    assert features.dtype == logits.dtype == np.float32
    shown = to_input(torch.from_numpy(IMAGES[rows]), *trained.card.preprocessing)
    with torch.inference_mode():
        np.testing.assert_allclose(logits, trained.net(shown).numpy(), rtol=1e-3, atol=1e-4)
    if name != "squeezenet1_1":  # its last layer is a convolution, with a ReLU before the mean
        head = [module for module in trained.net.modules() if isinstance(module, torch.nn.Linear)][-1]
        made = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
        np.testing.assert_allclose(made, logits, rtol=1e-3, atol=1e-4)
    assert features.shape[0] == 3
    assert features.ndim == 2


def test_equal_pictures_have_equal_features_and_others_do_not():
    trained = sharp_net("shufflenet_v2_x0_5")
    images = np.concatenate([IMAGES[:2], IMAGES[:1]])
    features, _ = net_features(trained, images, np.arange(3))
    np.testing.assert_allclose(features[0], features[2], rtol=1e-5)
    assert not np.allclose(features[0], features[1], rtol=1e-2)


def test_the_net_is_left_without_a_hook():
    trained = sharp_net("shufflenet_v2_x0_5")
    net_features(trained, IMAGES, np.arange(2))
    assert not any(module._forward_pre_hooks for module in trained.net.modules())
