"""What a training step costs beside the bare net's: `python benchmarks/train_step.py [RECIPE ...] [--steps 30]`.

A step of the `Trainer` gathers the images, scales, changes and normalises them, runs the net forward and backward, and
updates weights and moving average. The bare step does the same to one batch that lies ready, without changes or
average. Both in the precision of the recipe, and in turns, so that what else the machine does hits both. A recipe
is `default`, or changes of the `train` section of params.yaml. Wanted: 5% above the bare step at the most.

    python benchmarks/train_step.py default model=resnet101,resolution=224,precision=bf16 precision=fp32
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from quality import recipe

from pipeline.data.packed import PackedSet
from pipeline.training.batches import to_input
from pipeline.training.device import choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.models import build
from pipeline.training.optimizers import build_optimizer
from pipeline.training.recipe import TrainParams

CLASSES, STORED = 7, 224


def drawn_set(count: int) -> PackedSet:
    """Return `count` images of noise, evenly over the classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, STORED, STORED)).astype(np.uint8)
    return PackedSet(images, np.arange(count) % CLASSES, tuple(map(str, range(CLASSES))), index=())


def ours(params: TrainParams) -> Callable[[], None]:
    """Return a step of the Trainer, on the next batch each time."""
    packed = drawn_set(16 * 64)
    compute = choose_compute(params.device, params.precision)
    trainer = Trainer(packed, np.arange(len(packed.images)), np.empty(0, np.int64), params, compute)
    # All rates alike: `losses_at` is the Trainer's own way to take single steps.
    losses = trainer.losses_at(iter(lambda: params.lr, None))
    return lambda: float(next(losses)) and None


def bare(params: TrainParams) -> Callable[[], None]:
    """Return a step of the same net on a batch that lies ready."""
    compute = choose_compute(params.device, params.precision)
    net = build(params.model, CLASSES, params.resolution).to(compute.device, memory_format=torch.channels_last)
    net.train()
    optimizer = build_optimizer(net, params)
    packed = drawn_set(int(params.batch_size))
    shown = to_input(torch.from_numpy(packed.images), params.resolution, 127.0, 74.0).to(compute.device)
    y_true = torch.from_numpy(packed.labels).to(compute.device)

    def step() -> None:
        optimizer.zero_grad()
        with compute.autocast():
            logits = net(shown)
        loss = torch.nn.functional.cross_entropy(logits.float(), y_true)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Print, for each recipe, both in images a second, and what ours takes more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["default"], metavar="RECIPE")
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    for text in arguments.recipes:
        params = recipe("" if text == "default" else text)
        steps = ours(params), bare(params)
        for step in steps * 3:  # the first ones choose kernels and take memory
            step()
        pairs = [tuple(map(seconds, steps)) for _ in range(arguments.steps)]
        mine, theirs = (median(side) for side in zip(*pairs, strict=True))
        more = median(one / other for one, other in pairs) - 1
        rates = (int(params.batch_size) / each for each in (mine, theirs))
        print("{}: ours {:.1f}, bare {:.1f} images/s: {:+.1%} time a step".format(text, *rates, more), flush=True)


if __name__ == "__main__":
    main()
