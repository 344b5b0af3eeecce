"""A small study, made for the purpose."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pipeline.data.assignment import Assignment
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.feasibility.study import Study, new_study

SIDE = 40


@pytest.fixture(scope="session")
def made_study() -> Callable[..., Study]:
    """A study of so many photographs a class, in groups of so many; the class shows as the direction of stripes."""

    def make(counts: Sequence[int], groups_of: int = 1) -> Study:
        labels = np.repeat(np.arange(len(counts)), counts)
        names = tuple("abcdefgh"[: len(counts)])
        images = np.stack([_stripes(label / len(counts), row) for row, label in enumerate(labels.tolist())])
        index = tuple(
            IndexRow(f"{names[label]}/{row}.png", names[label], f"{row:064x}", f"{row}", "PNG", 1, SIDE, SIDE)
            for row, label in enumerate(labels.tolist())
        )
        # No group has photographs of two classes.
        places = np.concatenate([np.arange(count) for count in counts])
        group = np.unique(labels * len(labels) + places // groups_of, return_inverse=True)[1].astype(np.int64)
        part, fold = np.full(len(labels), "train"), np.full(len(labels), -1)
        packed = PackedSet(images, labels.astype(np.int64), names, index)
        return new_study(packed, Assignment(names, labels.astype(np.int64), part, fold, 0, group), 0)

    return make


def _stripes(turn: float, seed: int) -> np.ndarray:
    """Stripes in noise, uint8 (SIDE, SIDE); `turn` 0 to 1 is half a turn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    wave = np.sin((x * np.cos(turn * np.pi) + y * np.sin(turn * np.pi)) / 2 + rng.uniform(0, 6))
    return np.clip(128 + 40 * wave + rng.normal(0, 10, wave.shape), 0, 255).astype(np.uint8)
