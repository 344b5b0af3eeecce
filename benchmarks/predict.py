"""How many photographs a minute are classified: `python benchmarks/predict.py`, ours beside a plain torchvision loop.

JPEG files, decoded, scaled to the squares that are stored (224 pixels) and from there to the net's 96, and classified
by ResNet-18 on the CPU, alone and with the mirror images of the default recipe (four times the work). The peer is what
one writes first: torchvision's `ImageFolder` and transforms, a `DataLoader` with a worker a core, and the same net.
Rates by the clock, and by processor time as if no other process were there. Wanted: 1,000 a minute or more on two
cores, and by processor time no fewer than the peer.
"""

import resource
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
COUNT, TURNS = 128, 1


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


def trained(flips: bool) -> TrainedModel:
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
        params={"test_time_flips": flips, "augment": {"flip_horizontal": True, "flip_vertical": True}},
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


def rates(classify: Callable[[TrainedModel, Path], int], model: TrainedModel, folder: Path) -> tuple[float, float]:
    """Return photographs a minute, by the clock and by the processor time of this process and its workers."""
    start, used = time.perf_counter(), processor_time()
    count = classify(model, folder)
    used = (processor_time() - used) / available_cores()
    return 60 * count / (time.perf_counter() - start), 60 * count / used


def processor_time() -> float:
    """Return the seconds that this process and those of its children that have ended took."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Print photographs a minute, the best of some turns, and ours as a ratio of the peer's."""
    for height, width in ((960, 1280), (240, 320)):
        with tempfile.TemporaryDirectory() as name:
            draw(Path(name), COUNT, height, width)
            for flips in (False, True):
                model = trained(flips)
                turns = [[rates(way, model, Path(name)) for way in (ours, torchvisions)] for _ in range(TURNS)]
                (clock, mine), (other_clock, other) = np.max(turns, axis=0)
                print(f"{width} x {height}, {'with' if flips else 'without'} mirror images: ours {clock:,.0f} a minute")
                print(f"  by the clock {clock / other_clock:.2f} times torchvision's {other_clock:,.0f}")
                print(
                    f"  by processor time {mine:,.0f}, {mine / other:.2f} times torchvision's {other:,.0f}", flush=True
                )


if __name__ == "__main__":
    main()
