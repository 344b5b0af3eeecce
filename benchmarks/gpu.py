"""An epoch on a GPU beside well-known loops: `python benchmarks/gpu.py [--model resnet101] [--photographs 2048]`.

Photographs are drawn and written as JPEGs. All train the same net at 224 px on the same ones, batches of 64, and are
timed over an epoch after one that warms up:

- torchvision's reference loop (references/classification/train.py with --amp): an ImageFolder, random resized crop and
  mirroring on the processor, fp16 with a scaled loss, SGD;
- timm's loop (train.py with --amp --amp-dtype bfloat16 --channels-last): `create_loader` with its prefetcher, likewise;
- the bare step: one batch that lies ready on the GPU, bf16, channels last, fused AdamW;
- ours, with all the changes to the images that params.yaml asks for, plain and compiled. Its photographs are squares in
  one array by then, as the stage `resize` leaves them, and lie on the GPU.

The loops' scripts are not in their packages, so what matters for time in them is written out here. Prints images a
second, the ratio to torchvision's, and the share of what a product of two 8192 x 8192 matrices in bf16 reaches in the
same run, counting the operations of the net forward and backward alone. `--workers` are for the peers' loaders.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import torch
from quality import recipe
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models, transforms
from torchvision.datasets import ImageFolder
from train_step import CLASSES, drawn_set

from pipeline.training.device import choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.models import build
from pipeline.training.optimizers import build_optimizer

BATCH, SIDE = 64, 224
CUDA = torch.device("cuda")
Epoch = Callable[[], None]


def write_photographs(folder: Path, count: int) -> None:
    """Write JPEGs of 640 x 480, evenly over the classes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / str(number % CLASSES)
        place.mkdir(exist_ok=True)
        coarse = rng.integers(0, 256, (48, 64)).astype(np.uint8)
        cv2.imwrite(str(place / f"{number}.jpg"), cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC))


def torchvision_epoch(folder: Path, name: str, workers: int) -> Epoch:
    """Return an epoch of torchvision's reference loop."""
    change = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    data = ImageFolder(str(folder), change)
    loader = DataLoader(
        data, BATCH, shuffle=True, num_workers=workers, pin_memory=True, persistent_workers=workers > 0, drop_last=True
    )
    net = models.get_model(name, num_classes=CLASSES).to(CUDA).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    scaler = torch.amp.GradScaler("cuda")

    def epoch() -> None:
        for images, wanted in loader:
            shown, y_true = images.to(CUDA), wanted.to(CUDA)
            with torch.autocast("cuda"):
                loss = cross_entropy(net(shown), y_true)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            loss.item()  # its log asks for the loss of every batch

    return epoch


def timm_epoch(folder: Path, name: str, workers: int) -> Epoch:
    """Return an epoch of timm's loop."""
    from timm import create_model
    from timm.data import create_dataset, create_loader
    from timm.optim import create_optimizer_v2

    data = create_dataset("", root=str(folder))
    loader = create_loader(
        data,
        (3, SIDE, SIDE),
        BATCH,
        is_training=True,
        num_workers=workers,
        pin_memory=True,
        color_jitter=0.4,
        persistent_workers=workers > 0,
        device=CUDA,
    )
    net = create_model(name, num_classes=CLASSES).to(device=CUDA, memory_format=torch.channels_last).train()
    optimizer = create_optimizer_v2(net, opt="sgd", lr=0.01, momentum=0.9, weight_decay=2e-5)

    def epoch() -> None:
        for images, y_true in loader:
            shown = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cuda", torch.bfloat16):
                loss = cross_entropy(net(shown), y_true)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def bare_epoch(name: str, count: int) -> Epoch:
    """Return as many steps of the bare net on one batch that lies ready."""
    params = recipe(f"model={name},resolution={SIDE}")
    net = build(name, CLASSES, SIDE).to(device=CUDA, memory_format=torch.channels_last).train()
    optimizer = build_optimizer(net, params)
    shown = torch.randn(BATCH, 1, SIDE, SIDE, device=CUDA).contiguous(memory_format=torch.channels_last)
    y_true = torch.arange(BATCH, device=CUDA) % CLASSES

    def epoch() -> None:
        for _ in range(count // BATCH):
            optimizer.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                loss = cross_entropy(net(shown), y_true)
            loss.backward()
            optimizer.step()

    return epoch


def our_epoch(name: str, count: int, compiled: bool) -> Epoch:
    """Return an epoch of the Trainer."""
    changes = f"model={name},resolution={SIDE},batch_size={BATCH},epochs=1000,compile={str(compiled).lower()}"
    params = recipe(f"{changes},precision=bf16,device=cuda")
    packed = drawn_set(count)
    rows = np.arange(count)
    epochs = Trainer(packed, rows, rows[:0], params, choose_compute("cuda", "bf16")).epochs()
    return lambda: next(epochs) and None


def operations(name: str) -> float:
    """Return the floating-point operations of one image, forward and backward."""
    net = build(name, CLASSES, SIDE)
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(2, 1, SIDE, SIDE)).sum().backward()
    return counter.get_total_flops() / 2


def peak() -> float:
    """Return operations a second of a product of two matrices in bf16."""
    size = 8192
    one, other = (torch.randn(size, size, device=CUDA, dtype=torch.bfloat16) for _ in range(2))

    def products() -> None:
        for _ in repeat(None, 10):
            torch.mm(one, other)

    products()
    return 10 * 2 * size**3 / seconds(products)


def seconds(work: Callable[[], None]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def contenders(folder: Path, name: str, count: int, workers: int) -> Iterator[tuple[str, Epoch]]:
    """Yield each by name; one at a time is in memory."""
    yield "torchvision's reference", torchvision_epoch(folder, name, workers)
    try:
        yield "timm", timm_epoch(folder, name, workers)
    except ImportError:
        print("timm: not installed")
    yield "bare step", bare_epoch(name, count)
    yield "ours", our_epoch(name, count, compiled=False)
    yield "ours, compiled", our_epoch(name, count, compiled=True)


def main() -> None:
    """Print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet101")
    parser.add_argument("--photographs", type=int, default=2048)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("gpu.py: wants a CUDA device")
    torch.backends.cudnn.benchmark = True  # as both peers have it
    most, each = peak(), operations(arguments.model)
    print(
        f"{torch.cuda.get_device_name()}: {most / 1e12:.0f} TFLOP/s in bf16; {arguments.model}, {each / 1e9:.1f} GFLOP"
    )
    first = None
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(Path(folder), arguments.photographs)
        for name, epoch in contenders(Path(folder), arguments.model, arguments.photographs, arguments.workers):
            start = seconds(epoch)
            rate = arguments.photographs / min(seconds(epoch), seconds(epoch))
            first = first or rate
            print(
                f"{name:<24} {rate:8.0f} images/s  {rate / first:5.2f} times torchvision's  "
                f"{rate * each / most:6.1%} of the peak  first epoch {start:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
