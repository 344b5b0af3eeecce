"""How fast batches reach the net: `python benchmarks/loader.py`, ours beside torchvision's and beside a plain copy.

Batches of 64 grey images of 224 x 224 in random order, on the CPU. Ours gathers them from the memory map and changes
them as a whole; torchvision's `ImageFolder` decodes PNG files and changes them one by one, in a `DataLoader` with two
workers. The limit is a copy of as many float32 numbers within memory. Wanted: 8 times torchvision's, and, without the
changes, a third of the copy; docs/training.md says how far it is from that, and why it is left so.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from pipeline.params import load_section
from pipeline.training.augmentation import augment
from pipeline.training.batches import gather, normalise, to_resolution
from pipeline.training.recipe import TrainParams

ROOT = Path(__file__).resolve().parent.parent
IMAGES, BATCH, SIDE = 2048, 64, 224
CPU = torch.device("cpu")
PARAMS = load_section("train", TrainParams, ROOT / "params.yaml").augment


def draw(folder: Path) -> np.ndarray:
    """Write as many PNG files as `IMAGES` in two classes, and the same as an array; return its memory map."""
    rng = np.random.default_rng(0)
    array = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (IMAGES, SIDE, SIDE))
    for number in range(IMAGES):
        coarse = rng.integers(0, 256, (28, 28)).astype(np.uint8)
        array[number] = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        path = folder / "photographs" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), array[number])
    return np.load(folder / "images.npy", mmap_mode="r")


def ours(images: np.ndarray, changed: bool) -> Iterator[torch.Tensor]:
    """Yield an epoch's batches, float32 (B, 1, SIDE, SIDE)."""
    changes = torch.Generator().manual_seed(0)
    for rows in np.random.default_rng(0).permutation(IMAGES).reshape(-1, BATCH):
        grey = to_resolution(gather(images, rows, CPU), SIDE)
        yield normalise(augment(grey, PARAMS, changes) if changed else grey, 120.0, 60.0)


def torchvisions(folder: Path, changed: bool) -> Iterator[torch.Tensor]:
    """Yield the same by torchvision."""
    degrees, shift, scale = PARAMS.rotation, PARAMS.translation, PARAMS.scale
    changes = [
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.RandomAffine(
            degrees, (shift, shift), (1 - scale, 1 + scale), interpolation=transforms.InterpolationMode.BILINEAR
        ),
        transforms.ColorJitter(brightness=PARAMS.brightness, contrast=PARAMS.contrast),
    ]
    steps = [
        transforms.Grayscale(),
        *(changes if changed else []),
        transforms.ToTensor(),
        transforms.Normalize(0.47, 0.24),
    ]
    data_set = ImageFolder(str(folder / "photographs"), transforms.Compose(steps))
    for batch, _ in DataLoader(data_set, BATCH, shuffle=True, num_workers=2):
        yield batch


def copies() -> Iterator[torch.Tensor]:
    """Yield copies of as many float32 numbers."""
    source, target = torch.ones(BATCH, 1, SIDE, SIDE), torch.empty(BATCH, 1, SIDE, SIDE)
    for _ in range(IMAGES // BATCH):
        target.copy_(source)
        yield target


def rate(batches: Callable[[], Iterator[torch.Tensor]], rounds: int = 3) -> float:
    """Return images a second, of the best of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        count = sum(len(batch) for batch in batches())
        seconds.append((time.perf_counter() - start) / count)
    return 1 / min(seconds)


def main() -> None:
    """Print images a second, and ours as a ratio of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = draw(folder)
        limit = rate(copies)
        print(f"copy of float32    {limit:10,.0f} images/s")
        for words, changed in (("as they are", False), ("changed", True)):
            mine = rate(lambda changed=changed: ours(images, changed))
            theirs = rate(lambda changed=changed: torchvisions(folder, changed))
            print(f"{words}: ours {mine:,.0f}, torchvision {theirs:,.0f} images/s: {mine / theirs:.1f} times")
            print(f"{words}: ours is {mine / limit:.2f} of the copy")


if __name__ == "__main__":
    main()
