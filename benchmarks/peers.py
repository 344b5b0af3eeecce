"""Well-known trainers as peers: `python benchmarks/quality.py FOLDER default timm fastai ultralytics`.

Each trains from scratch, as it does by default, on the same rows as ours and for the same seconds by the clock, on the
processor and with the threads that PyTorch has. The clock runs while it trains, not while it is imported, writes files
or answers. No peer sees a judged photograph before it answers, and none chooses an epoch: the last one counts.

Tried with timm 1.0.31, fastai 2.8.12 and ultralytics 8.4.190, which the project does not install:
`pip install timm fastai ultralytics`.
"""

import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.packed import PackedSet

if TYPE_CHECKING:
    from quality import Answer

EDGE = 224


class Squares(NamedTuple):
    """Grey squares as a data set of PyTorch: an item is the changed RGB picture and its place among the classes."""

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]
    change: Callable[[Image.Image], torch.Tensor]

    def __len__(self) -> int:
        """Return how many squares."""
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        """Return one of them, changed."""
        return self.change(Image.fromarray(self.images[row]).convert("RGB")), int(self.targets[row])


def timm(seconds: float) -> "Answer":
    """Do what timm's train.py does by default; the script is not in its package, so its defaults are set here.

    Batches of 128; random resized crops (area 0.08 to 1, ratio 3/4 to 4/3), mirroring, colour jitter 0.4; label
    smoothing 0.1; SGD with Nesterov momentum 0.9, weight decay 2e-5 but for biases and norms, learning rate 0.1 for 256
    photographs a batch and in proportion; a cosine over all epochs whose first 5 warm up. Answers for timm's centre
    crop. Two things differ from the script: the net is resnet18, since its resnet50 would get hardly any epochs, and
    fewer than 128 photographs are one batch, where the script would have none. The epochs that warm up, whose
    learning rates are the same however many follow, are timed, and tell how many fit; they count.
    """
    _need("timm")

    def answer(
        packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int
    ) -> NDArray[np.float32]:
        from timm import create_model
        from timm.data import create_transform, resolve_data_config
        from torch.utils.data import DataLoader

        _seed(seed)
        present, targets = np.unique(packed.labels[train], return_inverse=True)
        model = create_model("resnet18", pretrained=False, num_classes=len(present))
        config = resolve_data_config({}, model=model)
        change = create_transform(**(config | {"interpolation": "random"}), is_training=True, color_jitter=0.4)
        batch = min(128, len(train))
        _train_as_timm(model, Squares(packed.images[train], targets, change), batch, seconds)
        squares = Squares(packed.images[judged], np.zeros(len(judged), np.int64), create_transform(**config))
        model.eval()
        with torch.inference_mode():
            rows = [model(pictures).softmax(dim=1) for pictures, _ in DataLoader(squares, batch)]
        return _in_place(torch.cat(rows).numpy(), present, packed)

    return answer


def _train_as_timm(model: torch.nn.Module, squares: Squares, batch: int, seconds: float) -> None:
    """Train for as many epochs as fit into the time; those that warm up are timed, and tell how many these are."""
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2
    from torch.utils.data import DataLoader

    workers = min(4, os.cpu_count() or 1)
    loader = DataLoader(squares, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.1 * batch / 256, momentum=0.9, weight_decay=2e-5)
    schedule: dict[str, Any] = {"sched": "cosine", "warmup_epochs": 5, "warmup_lr": 1e-5, "min_lr": 0.0}
    scheduler, _ = create_scheduler_v2(optimizer, num_epochs=300, **schedule)
    loss_of = LabelSmoothingCrossEntropy(0.1)
    start = time.monotonic()
    epoch, epochs = 0, 1
    model.train()
    while epoch < epochs:
        began = time.monotonic()
        for pictures, wanted in loader:
            optimizer.zero_grad()
            loss_of(model(pictures), wanted).backward()
            optimizer.step()
        if epoch < schedule["warmup_epochs"]:
            now = time.monotonic()
            epochs = epoch + 1 + max(0, int((start + seconds - now) / (now - began)))
            scheduler, _ = create_scheduler_v2(optimizer, num_epochs=epochs, **schedule)
        epoch += 1
        scheduler.step(epoch)


def fastai(seconds: float) -> "Answer":
    """`vision_learner(dls, resnet18, pretrained=False)` with `aug_transforms()` and `fit_one_cycle`, as in its guides.

    Its own batch of 64 (or all photographs, where there are fewer and it would have none), learning rate and Adam. It
    wants a validation set: one of the training photographs of each class, whose scores it uses for nothing. A first
    learner's only epoch, beside the clock and thrown away, tells how many epochs fit into the time.
    """
    _need("fastai")

    def answer(
        packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int
    ) -> NDArray[np.float32]:
        with warnings.catch_warnings(action="ignore"):
            from fastai.torch_core import set_seed
            from fastai.vision.all import (
                CategoryBlock,
                DataBlock,
                ImageBlock,
                IndexSplitter,
                aug_transforms,
                parent_label,
                resnet18,
                vision_learner,
            )

        def learner() -> Any:
            set_seed(seed)
            return vision_learner(dls, resnet18, pretrained=False)

        with tempfile.TemporaryDirectory() as place:
            paths = _write(packed, train, Path(place) / "train")
            asked = _write(packed, judged, Path(place) / "judged", named=False)
            present, first = np.unique(packed.labels[train], return_index=True)
            block = DataBlock(
                blocks=(ImageBlock, CategoryBlock(vocab=[_folder(label) for label in present])),
                splitter=IndexSplitter(range(len(paths), len(paths) + len(first))),
                get_y=parent_label,
                batch_tfms=aug_transforms(),
            )
            items = paths + [paths[at] for at in first]
            dls = block.dataloaders(items, bs=min(64, len(paths)), device=torch.device("cpu"))
            start = time.monotonic()
            learn = learner()
            with learn.no_bar(), learn.no_logging():
                learn.fit_one_cycle(1)
            epoch = time.monotonic() - start
            learn = learner()
            with learn.no_bar(), learn.no_logging():
                learn.fit_one_cycle(max(1, int(seconds / epoch)))
                rows, _ = learn.get_preds(dl=dls.test_dl(asked))
            return _in_place(rows.numpy(), np.array([int(name) for name in dls.vocab]), packed)

    return answer


def ultralytics(seconds: float) -> "Answer":
    """`YOLO("yolo26n-cls.yaml")`, its smallest classifier of today, with the defaults of `.train(time=...)`.

    It measures its epochs and fits its schedule to the time. It wants a validation set: one of the training photographs
    of each class, which it is told not to look at (`val=False`, `patience=0`), so that the last epoch's weights answer
    (their moving average, in half precision, as it stores them). It would take one thread a core but one; here it gets
    as many as the others.
    """
    _need("ultralytics")

    def answer(
        packed: PackedSet, train: NDArray[np.int64], judged: NDArray[np.int64], seed: int
    ) -> NDArray[np.float32]:
        with _threads_kept() as threads, tempfile.TemporaryDirectory() as name:
            yolo, place = _yolo(), Path(name)
            paths = _write(packed, train, place / "photographs" / "train")
            _, first = np.unique(packed.labels[train], return_index=True)
            _write(packed, train[first], place / "photographs" / "val")
            model = yolo("yolo26n-cls.yaml")
            model.add_callback("on_train_start", lambda _: torch.set_num_threads(threads))
            common: dict[str, Any] = {"imgsz": EDGE, "device": "cpu", "project": str(place / "runs"), "verbose": False}
            model.train(
                data=str(place / "photographs"),
                time=seconds / 3600,
                batch=min(16, len(paths)),
                pretrained=False,
                val=False,
                patience=0,
                plots=False,
                seed=seed,
                **common,
            )
            last = yolo(str(model.trainer.last))
            rows = []
            for start in range(0, len(judged), 32):
                pictures = [
                    cv2.cvtColor(each, cv2.COLOR_GRAY2BGR) for each in packed.images[judged[start : start + 32]]
                ]
                rows += [result.probs.data.numpy() for result in last.predict(pictures, **common)]
            return _in_place(np.array(rows), np.array([int(last.names[at]) for at in range(len(last.names))]), packed)

    return answer


PEERS: dict[str, Callable[[float], "Answer"]] = {"timm": timm, "fastai": fastai, "ultralytics": ultralytics}
"""How a peer answers after so many seconds of training, by name."""


def _need(package: str) -> None:
    if find_spec(package) is None:
        sys.exit(f"error: quality: wanted the package {package}, found none; pip install {package}")


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _folder(label: int) -> str:
    """Return the folder of a class: names of one length are in the order of the classes."""
    return f"{label:06d}"


def _write(packed: PackedSet, rows: NDArray[np.int64], place: Path, named: bool = True) -> list[Path]:
    """Write rows as PNG, `named` in a folder a class, and return their paths in order."""
    paths = []
    for row in rows:
        folder = place / _folder(packed.labels[row]) if named else place
        folder.mkdir(parents=True, exist_ok=True)
        paths.append(folder / f"{row}.png")
        Image.fromarray(packed.images[row]).save(paths[-1], compress_level=1)
    return paths


def _in_place(rows: NDArray[np.float32], labels: NDArray[np.int64], packed: PackedSet) -> NDArray[np.float32]:
    """Put the columns of `rows`, those of `labels`, in their places among all classes."""
    answers = np.zeros((len(rows), len(packed.class_names)), np.float32)
    answers[:, labels] = rows
    return answers


@contextmanager
def _threads_kept() -> Iterator[int]:
    """Yield PyTorch's threads, and undo what ultralytics does to those of PyTorch, of OpenCV and to the environment."""
    threads, of_opencv, environment = torch.get_num_threads(), cv2.getNumThreads(), dict(os.environ)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(of_opencv)
        os.environ.clear()
        os.environ.update(environment)


@cache
def _yolo() -> Any:
    """Import ultralytics quietly: no network, no reports, no other trackers, its settings in a temporary folder."""
    settings_place = tempfile.TemporaryDirectory()
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    os.environ["YOLO_CONFIG_DIR"] = settings_place.name
    from ultralytics import YOLO, settings

    trackers = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
    settings.update({"sync": False} | dict.fromkeys(trackers, False))
    YOLO.settings_place = settings_place  # kept as long as ultralytics is, and removed at the end
    return YOLO
