"""How many photographs a minute are classified: `python benchmarks/predict.py`, ours beside a plain torchvision loop.

JPEG files, decoded, scaled to the squares that are stored (224 pixels) and from there to the net's 96, and classified by
ResNet-18 with test-time flips, on the CPU. The peer is what one writes first: torchvision's `ImageFolder` and
transforms, a `DataLoader` with a worker a core, and the same net. Two sets: as cameras write them, and small ones, whose
time is the net's. Wanted: 1,000 a minute or more on two cores, and no less than the peer on either set.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from pipeline.classifier import Answer, Classifier
from pipeline.data.parallel import available_cores
from pipeline.training.batches import Preprocessing
from pipeline.training.models import build
from pipeline.training.predict import asked
from pipeline.training.weights import ModelCard, TrainedModel

STORED, RESOLUTION, MEAN, STD = 224, 96, 120.0, 60.0
TURNS = 3


def draw(folder: Path, count: int, height: int, width: int) -> None:
    """Write JPEG files with some texture and noise in two classes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 256, (height // 40, width // 40)).astype(np.uint8)
        grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        noisy = np.clip(grey + rng.normal(0, 3, grey.shape), 0, 255).astype(np.uint8)
        path = folder / str(number % 2) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(noisy, cv2.COLOR_GRAY2BGR))


def trained() -> TrainedModel:
    """Return a net of random weights, which takes the time that a trained one does."""
    net = build("resnet18", 7, RESOLUTION).to(memory_format=torch.channels_last).eval()
    card = ModelCard(
        architecture="resnet18",
        class_names=tuple("abcdefg"),
        stored_size=(STORED, STORED),
        resolution=RESOLUTION,
        mean=MEAN,
        std=STD,
        epoch=1,
        val_scores={},
        params={"test_time_flips": True, "augment": {"flip_horizontal": True, "flip_vertical": True}},
    )
    assert card.preprocessing == Preprocessing(RESOLUTION, MEAN, STD)
    return TrainedModel(net, card)


def ours(model: TrainedModel, folder: Path) -> int:
    """Classify what is below `folder`; return how many photographs."""
    files = sorted(folder.rglob("*.jpg"))
    return sum(isinstance(answer, Answer) for answer in Classifier(model).stream(files))


@torch.inference_mode()
def torchvisions(model: TrainedModel, folder: Path) -> int:
    """Do the same with torchvision and a DataLoader."""
    steps = [
        transforms.Grayscale(),
        transforms.Resize((STORED, STORED)),
        transforms.Resize((RESOLUTION, RESOLUTION)),
        transforms.ToTensor(),
        transforms.Normalize(MEAN / 255, STD / 255),
    ]
    photographs = ImageFolder(str(folder), transforms.Compose(steps))
    net, count = asked(model), 0
    for batch, _ in DataLoader(photographs, 64, num_workers=available_cores()):
        count += len(net(batch.contiguous(memory_format=torch.channels_last)).softmax(dim=1))
    return count


def per_minute(classify: Callable[[TrainedModel, Path], int], model: TrainedModel, folder: Path) -> float:
    """Return photographs a minute."""
    start = time.perf_counter()
    return 60 * classify(model, folder) / (time.perf_counter() - start)


def main() -> None:
    """Print photographs a minute, the best of some turns, and the ratio."""
    model = trained()
    for count, height, width in ((400, 960, 1280), (800, 240, 320)):
        with tempfile.TemporaryDirectory() as name:
            draw(Path(name), count, height, width)
            rates = [[per_minute(way, model, Path(name)) for way in (ours, torchvisions)] for _ in range(TURNS)]
        mine, theirs = np.max(rates, axis=0)
        print(
            f"{count} of {width} x {height}: ours {mine:,.0f}, torchvision {theirs:,.0f} a minute: {mine / theirs:.2f}"
        )


if __name__ == "__main__":
    main()
