"""Nets that say something different of every picture, without a training."""

from dataclasses import replace

import numpy as np
import torch
from conftest import texture

from pipeline.training.models import build
from pipeline.training.outliers import fit_detector
from pipeline.training.weights import ModelCard, TrainedModel

SIDE = 40


def sharp_net(architecture="resnet18", seed=0, resolution=32, **card):
    """A net of random weights whose answers differ as those of a trained one do, and its card."""
    torch.manual_seed(seed)
    names = card.pop("class_names", ("a", "b", "c"))
    net = build(architecture, len(names), resolution).eval()
    with torch.inference_mode():
        pictures = torch.randn(16, 1, resolution, resolution) + torch.randn(16, 1, 1, 1)
        logits = net(pictures)
    head = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)][-1]
    factor = 4 / logits.std(dim=0).mean().clamp_min(1e-4)
    with torch.no_grad():
        head.weight.mul_(factor)
        head.bias.copy_((head.bias - logits.mean(dim=0)) * factor)
    return TrainedModel(net, _card(architecture, names, resolution, card))


def watchful_net(architecture="resnet18", **card):
    """A sharp net that knows pictures 0 to 59 of `pictures`, and whose threshold comes from the 40 after them."""
    net = sharp_net(architecture, **card)
    return replace(net, detector=fit_detector(net, pictures(100), np.arange(60), np.arange(60, 100), 0.05))


def _card(architecture, class_names, resolution, changes):
    values = {
        "architecture": architecture,
        "class_names": class_names,
        "stored_size": (SIDE, SIDE),
        "resolution": resolution,
        "mean": 120.0,
        "std": 60.0,
        "epoch": 1,
        "val_scores": {},
        "params": {"test_time_flips": True, "augment": {"flip_horizontal": True, "flip_vertical": True}},
    }
    return ModelCard(**(values | changes))


def pictures(count, seed=0, side=SIDE):
    """Pictures of different brightness and texture: uint8 (count, side, side)."""
    return np.stack([texture(1000 * seed + number, side, side) for number in range(count)])
