"""Where does a saliency map point? Ours beside Grad-CAM, on pictures of which it is known what gives the class away.

A ResNet-18 learns to tell three marks (a disc, a cross, a bar) that stand somewhere on a mottled ground, at 96 pixels.
Of new pictures that it answers rightly, each map's peak is looked up, and how much of the map lies on the mark and 4
pixels around it. `even` is what a map that says nothing would have. Three minutes on one core: `python
benchmarks/saliency.py [NET]`.
"""

import sys
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from quality import recipe

from pipeline.data.packed import IndexRow, PackedSet
from pipeline.training import saliency as ours
from pipeline.training.batches import gather, to_input
from pipeline.training.device import choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.predict import predict_logits
from pipeline.training.weights import TrainedModel

SIDE, MARK, MARGIN, LEARNT, ASKED = 96, 15, 4, 450, 300


def picture(kind: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A mottled ground with a mark, and the middle of the mark."""
    ground = cv2.resize(rng.integers(60, 180, (12, 12)).astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    x, y = (int(each) for each in rng.integers(MARK, SIDE - MARK, 2))
    level, half = int(rng.choice([20, 230])), MARK // 2
    if kind == 0:
        cv2.circle(ground, (x, y), half, level, -1)
    if kind == 1:
        cv2.line(ground, (x - half, y), (x + half, y), level, 3)
        cv2.line(ground, (x, y - half), (x, y + half), level, 3)
    if kind == 2:
        cv2.rectangle(ground, (x - half, y - 2), (x + half, y + 2), level, -1)
    noisy = ground + rng.normal(0, 8, ground.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), (y, x)


def marked_set() -> tuple[PackedSet, list[tuple[int, int]]]:
    rng = np.random.default_rng(0)
    labels = np.arange(LEARNT + ASKED) % 3
    images, places = zip(*(picture(int(kind), rng) for kind in labels), strict=True)
    index = tuple(IndexRow(f"{k}/{n}", str(k), str(n), str(n), "PNG", 1, SIDE, SIDE) for n, k in enumerate(labels))
    return PackedSet(np.stack(images), labels.astype(np.int64), ("disc", "cross", "bar"), index), list(places)


def grad_cam(trained: TrainedModel, images: Any, rows: NDArray[np.int64], classes: Any) -> NDArray[np.float32]:
    """R. Selvaraju et al., "Grad-CAM" (ICCV 2017), on the last map of more than one cell."""
    shown = to_input(gather(images, rows, torch.device("cpu")), *trained.card.preprocessing).requires_grad_()
    with torch.enable_grad(), ours._outputs(trained.net) as outputs:
        asked = trained.net(shown).gather(1, torch.from_numpy(classes)[:, None]).sum()
    last = [each for each in outputs if each.ndim == 4 and each.shape[2] > 1][-1]
    (slope,) = torch.autograd.grad(asked, last)
    heat: NDArray[np.float32] = (slope.mean(dim=(2, 3), keepdim=True) * last).sum(dim=1).relu().detach().numpy()
    return heat


def on_mark(heat: NDArray[np.float32], middle: tuple[int, int]) -> tuple[float, float, float]:
    """Whether the peak is on the mark, the share of the map that is, and the share of the picture that is."""
    grown = cv2.resize(heat, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    reach = MARK // 2 + MARGIN
    box = np.zeros((SIDE, SIDE), bool)
    box[max(0, middle[0] - reach) : middle[0] + reach + 1, max(0, middle[1] - reach) : middle[1] + reach + 1] = True
    return float(box.flat[grown.argmax()]), float(grown[box].sum() / max(grown.sum(), 1e-12)), float(box.mean())


def main() -> None:
    net = sys.argv[1] if len(sys.argv) > 1 else "resnet18"
    packed, places = marked_set()
    rows = np.arange(LEARNT, LEARNT + ASKED)
    params = recipe(f"model={net},resolution={SIDE},epochs=9,augment.erase=0.0,augment.rotation=0.0")
    trainer = Trainer(packed, np.arange(LEARNT), rows[:40], params, choose_compute("cpu"))
    for _ in trainer.epochs():
        pass
    trained = trainer.kept
    right = rows[predict_logits(trained, packed.images, rows).argmax(axis=1) == packed.labels[rows]]
    print(f"{net}: {len(right)} of {len(rows)} right\n")
    print("map                cells  peak on the mark  of the map on it  even")
    maps = {"Grad-CAM": lambda: grad_cam(trained, packed.images, right, packed.labels[right])}
    for cells in (2, 6, 12, 24):
        maps[f"LayerCAM {cells}+"] = lambda cells=cells: with_cells(cells, trained, packed, right)
    for name, make in maps.items():
        heat = make()
        found = np.array([on_mark(each, places[row]) for each, row in zip(heat, right, strict=True)]).mean(axis=0)
        print(f"{name:18} {heat.shape[1]:>5}  {found[0]:>16.0%}  {found[1]:>16.0%}  {found[2]:.0%}")


def with_cells(cells: int, trained: TrainedModel, packed: PackedSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    before, ours.CELLS = ours.CELLS, cells
    try:
        return ours.saliency(trained, packed.images, rows, packed.labels[rows])
    finally:
        ours.CELLS = before


if __name__ == "__main__":
    main()
