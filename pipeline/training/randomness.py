"""Independent random streams from one seed, so that an epoch's draws depend on nothing that happened before it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *stream: int) -> int:
    """Return the seed, in 0..2^63-1, of the stream named by `stream` (such as epoch and purpose) under `seed`."""
    state = np.random.SeedSequence([seed, *stream]).generate_state(1, np.uint64)
    return int(state[0] >> 1)


def generator(seed: int, device: torch.device) -> torch.Generator:
    """Return a generator on `device` that starts at `seed`."""
    return torch.Generator(device).manual_seed(seed)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let code that takes no generator (weight initialisation, dropout) draw from `seed` inside the block.

    PyTorch's own random state is as before once the block is left.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
