"""Small packed sets and recipes for the tests of training."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.data.packed import IndexRow, PackedSet
from pipeline.training.augmentation import AugmentParams
from pipeline.training.device import cpu_threads
from pipeline.training.recipe import TrainParams

NO_CHANGE = {
    "flip_horizontal": False,
    "flip_vertical": False,
    "rotation": 0.0,
    "translation": 0.0,
    "scale": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "blur": 0.0,
    "noise": 0.0,
    "erase": 0.0,
}
RECIPE = {
    "mode": "normal",
    "seed": 0,
    "final": "ensemble",
    "model": "squeezenet1_1",
    "weights": "none",
    "resolution": 32,
    "normalization": "train",
    "epochs": 2,
    "batch_size": 8,
    "micro_batch_size": None,
    "balance": "none",
    "label_smoothing": 0.0,
    "optimizer": "adamw",
    "momentum": 0.9,
    "weight_decay": 0.01,
    "ema_decay": 0.0,
    "lr": 1e-3,
    "schedule": "constant",
    "warmup_epochs": 0,
    "lr_steps": {},
    "restart_epochs": 3,
    "restart_growth": 2.0,
    "plateau_patience": 3,
    "plateau_factor": 0.1,
    "augment": NO_CHANGE,
    "test_time_flips": False,
    "outlier_rate": 0.05,
    "launcher": "python",
    "device": "cpu",
    "precision": "fp32",
    "compile": False,
    "threads": None,
}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    # What is computed here is too small to divide.
    with cpu_threads(1):
        yield


@pytest.fixture(autouse=True)
def _same_random_state() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def augment_params() -> Callable[..., AugmentParams]:
    """An augmentation with everything off but what is given."""
    return lambda **changes: AugmentParams(**(NO_CHANGE | changes))


@pytest.fixture(scope="session")
def recipe() -> Callable[..., TrainParams]:
    """A recipe that trains in a moment, with changes."""
    return lambda **changes: TrainParams(**(RECIPE | changes))


@pytest.fixture(scope="session")
def make_packed() -> Callable[..., PackedSet]:
    """A packed set from labels; unless given, images whose class shows as a bright quarter, at `size`."""

    def make(labels: list[int], images: np.ndarray | None = None, size: int = 32) -> PackedSet:
        if images is None:
            images = np.stack([_quarter(label, size, seed) for seed, label in enumerate(labels)])
        names = tuple("abcdefgh"[: max(labels) + 1])
        index = tuple(
            IndexRow(f"{names[label]}/{row}.png", names[label], f"a{row}", f"b{row}", "PNG", 1, size, size)
            for row, label in enumerate(labels)
        )
        return PackedSet(images, np.array(labels, dtype=np.int64), names, index)

    return make


def _quarter(label: int, size: int, seed: int) -> np.ndarray:
    rng: Any = np.random.default_rng(seed)
    image = rng.integers(0, 120, (size, size), dtype=np.uint8)
    half = size // 2
    top, left = half * (label // 2 % 2), half * (label % 2)
    image[top : top + half, left : left + half] += 120
    return image
