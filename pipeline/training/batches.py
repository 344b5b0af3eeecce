"""From rows of the packed images to what the net is shown: whole batches, gathered from the memory map at once.

`to_input` is the one preprocessing of training, evaluation and serving; training alone changes the images in between.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Images = NDArray[np.uint8]
Rows = NDArray[np.int64]
Labels = NDArray[np.int64]


class Preprocessing(NamedTuple):
    """The arguments of `to_input` that belong to a net: the side of its input, and the grey levels' mean and std."""

    resolution: int
    mean: float
    std: float


_ROWS_AT_ONCE = 1024  # 50 MB at 224 x 224
_SHOWN, _SIDE = 64, 224


def resident(images: Images, device: torch.device) -> Images | Tensor:
    """Return all of `images`, uint8 (N, H, W), as a tensor on a GPU where they take at most half of its free memory.

    Else, and on the CPU, they are returned as they are: the system keeps a memory map in memory as far as it fits.
    """
    if device.type != "cuda" or 2 * images.nbytes > torch.cuda.mem_get_info(device)[0]:
        return images
    there = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for rows in evenly(np.arange(len(images)), _ROWS_AT_ONCE):
        there[rows[0] : rows[-1] + 1] = gather(images, rows, device)
    return there


def gather(images: Images | Tensor, rows: Rows, device: torch.device) -> Tensor:
    """Return rows of `images`, uint8 (N, H, W), a memory map or already on `device`, as uint8 (B, H, W) on `device`."""
    assert rows.size == 0 or (rows.min() >= 0 and rows.max() < len(images))
    if isinstance(images, Tensor):
        return images.index_select(0, torch.from_numpy(rows).to(device, non_blocking=True))
    batch = torch.empty((len(rows), *images.shape[1:]), dtype=torch.uint8, pin_memory=device.type == "cuda")
    # With mode="raise", NumPy would gather into a second buffer first.
    np.take(images, rows, axis=0, out=batch.numpy(), mode="clip")
    return batch.to(device, non_blocking=True)


def gather_labels(labels: Labels, rows: Rows, device: torch.device) -> Tensor:
    """Return rows of `labels` as int64 (B,) on `device`."""
    return torch.from_numpy(labels[rows]).to(device, non_blocking=True)


def to_input(images: Tensor, resolution: int, mean: float, std: float) -> Tensor:
    """Return what the net is shown for uint8 (B, H, W): float32 (B, 1, resolution, resolution), normalised."""
    return normalise(to_resolution(images, resolution), mean, std)


def to_resolution(images: Tensor, resolution: int) -> Tensor:
    """Return uint8 (B, H, W) as (B, 1, resolution, resolution), still in grey levels 0..255.

    As float32 where the size changes. Scaling down averages over all pixels that fall into a new one, so that fine
    texture does not turn into patterns.
    """
    grey = images.unsqueeze(1)
    if grey.shape[2:] == (resolution, resolution):
        return grey
    return F.interpolate(
        grey.float(), size=(resolution, resolution), mode="bilinear", antialias=True, align_corners=False
    )


def normalise(grey: Tensor, mean: float, std: float) -> Tensor:
    """Return grey levels, uint8 or float32 (B, 1, R, R), as the net expects them: float32, channels last."""
    # One pass over the memory, where subtracting and dividing are two, and a conversion a third.
    scaled = torch.add(torch.tensor(-mean / std), grey, alpha=1 / std)
    return scaled.contiguous(memory_format=torch.channels_last)


def shown_at_once(resolution: int) -> int:
    """Return how many images a net is asked about at once: 64, and fewer where they are larger than 224 pixels a side.

    What that takes in memory is then less than training on a few of them does, and nothing is left to be set.
    """
    return max(1, _SHOWN * min(_SIDE**2, resolution**2) // resolution**2)


def grey_statistics(images: Images, rows: Rows) -> tuple[float, float]:
    """Return mean and standard deviation of the grey levels in `rows`, at the stored size.

    The levels are counted, so the result is exact and does not depend on how the rows are read.
    """
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        counts += np.bincount(images[rows[start : start + _ROWS_AT_ONCE]].ravel(), minlength=256)
    levels = np.arange(256)
    mean = np.average(levels, weights=counts)
    std = np.sqrt(np.average((levels - mean) ** 2, weights=counts))
    return float(mean), float(std) or 1.0


def shuffled(rows: Rows, generator: torch.Generator) -> Rows:
    """Return `rows` in random order."""
    return rows[_permutation(len(rows), generator)]


def balanced(rows: Rows, labels: Labels, generator: torch.Generator) -> Rows:
    """Return as many rows as given, in random order, in which every class that occurs is equally frequent.

    Parameters
    ----------
    rows : int64 (M,)
    labels : int64 (N,), of all rows of the packed set

    A class that is too small repeats its rows, each as often as the others up to one; of a class that is too large a
    random choice without repeats is taken. Where M does not divide evenly, chance decides which classes get one more.
    """
    members = [rows[labels[rows] == label] for label in np.unique(labels[rows])]
    quota, rest = divmod(len(rows), len(members))
    extra = _permutation(len(members), generator) < rest
    draws = [_draw(own, quota + int(one), generator) for own, one in zip(members, extra, strict=True)]
    return shuffled(np.concatenate(draws), generator)


def evenly(rows: Rows, most: int) -> Iterator[Rows]:
    """Yield `rows` in order, in as few pieces of at most `most` as it takes, whose sizes differ by one at most.

    An epoch of 65 in batches of 32 is 22 + 22 + 21, not 32 + 32 + 1: no step hangs on a single image.
    """
    yield from np.array_split(rows, max(1, -(-len(rows) // most)))


def _draw(rows: Rows, count: int, generator: torch.Generator) -> Rows:
    passes = -(-count // len(rows))
    return np.concatenate([rows[:0], *(shuffled(rows, generator) for _ in range(passes))])[:count]


def _permutation(count: int, generator: torch.Generator) -> NDArray[np.int64]:
    return torch.randperm(count, generator=generator).numpy()
