"""The training loop: a generator that yields one record an epoch."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from torch import Tensor, nn
from tqdm import tqdm

from pipeline.data.packed import PackedSet
from pipeline.errors import DataError, MemoryShortageError, ParameterError, PipelineError
from pipeline.training.augmentation import augment
from pipeline.training.batches import (
    Images,
    Preprocessing,
    Rows,
    balanced,
    evenly,
    gather,
    gather_labels,
    grey_statistics,
    normalise,
    resident,
    shuffled,
    to_resolution,
)
from pipeline.training.device import Compute, cpu_threads, errors_explained, keep_freed_memory
from pipeline.training.losses import class_weights, weighted_losses
from pipeline.training.models import build
from pipeline.training.moves import Move
from pipeline.training.optimizers import build_average, build_optimizer
from pipeline.training.outliers import fit_detector
from pipeline.training.overfit import is_learnt, overfit_recipe
from pipeline.training.predict import net_logits, predict_logits
from pipeline.training.randomness import derive, generator, seeded
from pipeline.training.ranks import ALONE, Ranks, synced
from pipeline.training.recipe import TrainParams
from pipeline.training.records import EpochRecord, kept_epoch
from pipeline.training.schedules import PlateauState, Schedule
from pipeline.training.temperature import fit_temperature
from pipeline.training.weights import ModelCard, TrainedModel, known_as, learnt_by, state_on_cpu

# Purposes of random streams; see `randomness.derive`.
_INITIAL_WEIGHTS, _ROW_ORDER, _AUGMENTATION, _DROPOUT = range(4)


class Job(NamedTuple):
    """What rank 0 tells the others to train: rows, and the state to go on from, if there is one."""

    train_rows: Rows
    val_rows: Rows
    state: dict[str, Any] | None


def follow(new_trainer: Callable[[Rows, Rows], "Trainer"], ranks: Ranks) -> None:
    """Train what rank 0 trains, until it says that there is no more."""
    while job := ranks.agreed(None):
        trainer = new_trainer(job.train_rows, job.val_rows)
        if job.state:
            trainer.go_on_from(job.state)
        try:
            for _ in trainer.epochs():
                pass
        except MemoryShortageError:
            raise  # rank 0 does not know of it, and would wait
        except PipelineError:
            pass  # rank 0 says it, and decides what comes next


class Trainer:
    """Trains one net by a recipe.

    >>> trainer = Trainer(packed, parts.train, parts.val, params, choose_compute())  # doctest: +SKIP
    >>> for record in trainer.epochs():  # doctest: +SKIP
    ...     print(record.epoch, record.val_macro_f1)
    >>> save(folder, trainer.calibrated())  # doctest: +SKIP

    Which epoch's net is kept: see `records.kept_epoch`. Without validation rows (an empty array: a training on
    everything) nothing is validated, and what is said of it is NaN.

    Same rows, recipe, moves by hand and CPU threads: same bytes. Every epoch draws from its own random streams, so a
    training that goes on from its `state` after any epoch ends with the bytes of one that was never broken off.

    Attributes
    ----------
    packed, train_rows, params : what is trained on, and the recipe as it is followed
    records : one an epoch so far
    by_hand : epoch -> moves of the learning rate that were made by hand and hold from it on; see `move`
    """

    def __init__(
        self,
        packed: PackedSet,
        train_rows: Rows,
        val_rows: Rows,
        params: TrainParams,
        compute: Compute,
        ranks: Ranks = ALONE,
        images: Images | Tensor | None = None,
    ) -> None:
        params = overfit_recipe(params) if params.mode == "overfit" else params
        _check_fit(packed, train_rows, val_rows, params)
        device = compute.device
        if device.type == "cpu":
            keep_freed_memory()
        self.packed, self.train_rows, self._val_rows = packed, train_rows, val_rows
        self.params, self._compute, self._ranks = params, compute, ranks
        self.records: list[EpochRecord] = []
        self.by_hand: dict[int, tuple[Move, ...]] = {}
        self._images = resident(packed.images, device) if images is None else images
        self._at_once = _at_once(params, len(train_rows), ranks)
        self._preprocessing = _preprocessing(packed, train_rows, params)
        self._class_weights = _class_weights(packed, train_rows, params)
        self._class_weights_on_device = torch.from_numpy(self._class_weights).to(device)
        with seeded(derive(params.seed, _INITIAL_WEIGHTS), torch.device("cpu")):
            net = build(params.model, len(packed.class_names), params.resolution, params.weights)
        _check_pieces(net, len(train_rows), params, ranks)
        net = synced(net) if ranks.count > 1 else net
        with errors_explained(self._at_once):
            self._net = net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._average = build_average(self._net, params.ema_decay)
        self._forward = _compiled(self._net, device, ranks) if params.compile else self._net
        self._optimizer = build_optimizer(self._net, params)
        self._schedule, self._plateau = Schedule(params), PlateauState()
        self._epoch, self._step = 0, 0
        self._kept: tuple[EpochRecord, dict[str, Tensor]] | None = None

    def epochs(self) -> Iterator[EpochRecord]:
        """Train, and yield a record after each epoch.

        Raises
        ------
        PipelineError
            If the loss is no longer a number.
        """
        if not self._ranks.rank:
            self._ranks.agreed(Job(self.train_rows, self._val_rows, self.state() if self._epoch else None))
        while not self._is_done_for_all():
            self._epoch += 1
            with cpu_threads(self.params.threads), errors_explained(self._at_once):
                record = self._run_epoch()
            self._plateau = self._schedule.observe(record.epoch, record.val_loss, self._plateau)
            self.records.append(record)
            if self._is_kept():
                self._kept = record, state_on_cpu(self._trained_net)
            yield record

    @property
    def is_done(self) -> bool:
        """Whether there is to be no further epoch."""
        learnt = self.params.mode == "overfit" and bool(self.records) and is_learnt(self.records[-1])
        return learnt or not self._schedule.goes_on(self._epoch + 1, self.by_hand)

    def _is_kept(self) -> bool:
        rates, losses = zip(*((record.lr, record.val_loss) for record in self.records), strict=True)
        return kept_epoch(rates, losses) == len(self.records) - 1

    def _is_done_for_all(self) -> bool:
        self.by_hand = self._ranks.agreed(self.by_hand)
        return self.is_done

    def losses_at(self, rates: Iterable[float]) -> Iterator[float]:
        """Take a step at each of these learning rates, and yield the batch's mean loss; nothing is validated."""
        batches: Iterator[Rows] = iter(())
        self._net.train()
        for lr in rates:
            batch = next(batches, None)
            if batch is None:
                self._epoch += 1
                batches = iter(self._batches())
                batch = next(batches)
            self._set_rate(lr)
            changes = generator(derive(self.params.seed, _AUGMENTATION, self._step), self._compute.device)
            with (
                seeded(derive(self.params.seed, _DROPOUT, self._step), self._compute.device),
                errors_explained(self._at_once),
            ):
                loss = self._train_one_batch(batch, changes).item()
            yield loss

    def move(self, move: Move, epoch: int | None = None) -> int:
        """Move the learning rate by hand from an epoch on, by default the next; return the number of that epoch."""
        first = self._epoch + 1 if epoch is None else epoch
        self.by_hand[first] = (*self.by_hand.get(first, ()), move)
        return first

    def state(self) -> dict[str, Any]:
        """Return all that it takes to go on from here, but for moves by hand: tensors, numbers and texts."""
        assert self._kept is not None, "no epoch has been run"
        record, weights = self._kept
        return {
            "epoch": self._epoch,
            "step": self._step,
            "plateau": asdict(self._plateau),
            "net": self._net.state_dict(),
            "average": self._average.state_dict() if self._average else None,
            "optimizer": self._optimizer.state_dict(),
            "records": [asdict(each) for each in self.records],
            "kept": (asdict(record), weights),
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take the place of the trainer of the same rows and recipe that `state` was taken from."""
        self._epoch, self._step = state["epoch"], state["step"]
        self._plateau = PlateauState(**state["plateau"])
        self._net.load_state_dict(state["net"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.records = [EpochRecord(**each) for each in state["records"]]
        record, weights = state["kept"]
        self._kept = EpochRecord(**record), weights

    @property
    def kept(self) -> TrainedModel:
        """The net of the epoch that is kept so far, on the CPU, and its card."""
        assert self._kept is not None, "no epoch has been run"
        record, state = self._kept
        net = copy.deepcopy(self._trained_net).to("cpu")
        net.load_state_dict(state)
        return TrainedModel(net.eval(), self._card(record), learnt=self._learnt())

    def calibrated(self) -> TrainedModel:
        """Return `kept` with the temperature that fits the validation rows, 1 where there are none, and its detector.

        With ``mode: overfit`` these are the rows that were learnt by heart: it is 1 too, and there is no detector.
        """
        kept = self.kept
        if self.params.mode == "overfit":
            return kept
        device = self._compute.device
        with cpu_threads(self.params.threads), errors_explained(self._at_once):
            asked = replace(kept, net=kept.net.to(device))
            logits = predict_logits(asked, self._images, self._val_rows)
            detector = fit_detector(asked, self._images, self.train_rows, self._val_rows, self.params.outlier_rate)
        temperature = fit_temperature(logits, self.packed.labels[self._val_rows])
        card = kept.card.model_copy(update={"temperature": temperature})
        return replace(kept, net=asked.net.to("cpu"), card=card, detector=detector)

    @property
    def _trained_net(self) -> nn.Module:
        """The net that is validated and kept: the moving average where the recipe asks for one."""
        return self._net if self._average is None else self._average.module

    def _learnt(self) -> frozenset[str]:
        # Nets that are asked and not kept are trained without an index.
        known = (known_as(self.packed, row) for row in self.train_rows) if self.packed.index else ()
        return learnt_by(self.params.weights).union(*known)

    def _run_epoch(self) -> EpochRecord:
        start = time.perf_counter()
        rate = self._schedule.rate(self._epoch, self._plateau, self.by_hand)
        self._set_rate(rate.lr)
        train_loss = self._train_one_epoch()
        trained = time.perf_counter()
        # The other ranks take over what rank 0 finds.
        val_loss, val_f1 = (math.nan, {}) if self._ranks.rank else self._validate()
        record = EpochRecord(
            epoch=self._epoch,
            step=self._step,
            lr=rate.lr,
            lr_factor=rate.factor,
            lr_reason=rate.reason,
            train_loss=train_loss,
            val_loss=val_loss,
            val_macro_f1=float(np.mean(list(val_f1.values()))) if val_f1 else math.nan,
            val_f1=val_f1,
            seconds=time.perf_counter() - start,
            images_per_second=len(self.train_rows) / (trained - start),
        )
        record = self._ranks.agreed(record)
        self._check_finite(record)
        return record

    def _set_rate(self, lr: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = lr

    def _train_one_epoch(self) -> float:
        self._net.train()
        total = torch.zeros((), device=self._compute.device)
        changes = generator(self._seed_of(_AUGMENTATION), self._compute.device)
        with seeded(self._seed_of(_DROPOUT), self._compute.device):
            for rows in tqdm(self._batches(), desc=self._title(), unit="batch", leave=False, disable=None):
                # Stays on the device: reading it here would make the CPU wait for every step.
                total += self._train_one_batch(rows, changes) * len(rows)
        self._ranks.add_up([total])
        return total.item() / len(self.train_rows)

    def _seed_of(self, purpose: int) -> int:
        """Return the seed of this epoch's stream for a purpose; each rank but the first has one of its own."""
        rank = self._ranks.rank
        return derive(self.params.seed, purpose, self._epoch, *([rank] if rank else []))

    def _title(self) -> str:
        return f"epoch {self._epoch}/{self.params.epochs}"

    def _batches(self) -> list[Rows]:
        order = generator(derive(self.params.seed, _ROW_ORDER, self._epoch), torch.device("cpu"))
        if self.params.balance == "sampler":
            rows = balanced(self.train_rows, self.packed.labels, order)
        else:
            rows = shuffled(self.train_rows, order)
        return list(evenly(rows, _batch_size(self.params, len(rows))))

    def _train_one_batch(self, rows: Rows, changes: torch.Generator) -> Tensor:
        """Take one optimizer step, and return the batch's mean loss; with several ranks, this one's part of it."""
        self._optimizer.zero_grad()
        total_weight = float(self._class_weights[self.packed.labels[rows]].sum())
        loss = torch.zeros((), device=self._compute.device)
        # As many pieces on each rank, or one would wait for the others' batch norm for ever.
        most = self._ranks.largest_share(len(rows))
        for piece in np.array_split(self._ranks.share(rows), -(-most // (self.params.micro_batch_size or most))):
            piece_loss = self._loss(piece, changes) / total_weight
            piece_loss.backward()  # type: ignore[no-untyped-call]
            loss += piece_loss.detach()
        self._ranks.add_up([each.grad for each in self._net.parameters() if each.grad is not None])
        self._optimizer.step()
        if self._average is not None:
            self._average.update()
        self._step += 1
        return loss

    def _loss(self, rows: Rows, changes: torch.Generator) -> Tensor:
        """Return the sum of the losses of these rows as they are shown in training."""
        y_true = gather_labels(self.packed.labels, rows, self._compute.device)
        return self._losses(self._logits(self._changed(rows, changes)), y_true).sum()

    def _changed(self, rows: Rows, changes: torch.Generator) -> Tensor:
        """Return float32 (B, 1, R, R), grey levels 0..255: these rows, changed at random."""
        grey = to_resolution(gather(self._images, rows, self._compute.device), self._preprocessing.resolution)
        return augment(grey, self.params.augment, changes)

    def _logits(self, grey: Tensor) -> Tensor:
        with self._compute.autocast():
            logits: Tensor = self._forward(normalise(grey, self._preprocessing.mean, self._preprocessing.std))
        return logits

    def _losses(self, logits: Tensor, y_true: Tensor) -> Tensor:
        return weighted_losses(logits, y_true, self._class_weights_on_device, self.params.label_smoothing)

    def _validate(self) -> tuple[float, dict[str, float]]:
        if not len(self._val_rows):
            return math.nan, {}
        net = self._trained_net.eval()
        logits = net_logits(net, self._images, self._val_rows, self._preprocessing)
        y_true = self.packed.labels[self._val_rows]
        loss = nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(y_true))
        return loss.item(), _f1(y_true, logits.argmax(axis=1), self.packed.class_names)

    def _check_finite(self, record: EpochRecord) -> None:
        if math.isfinite(record.train_loss) and (math.isfinite(record.val_loss) or not len(self._val_rows)):
            return
        name, loss = (
            ("validation", record.val_loss) if math.isfinite(record.train_loss) else ("training", record.train_loss)
        )
        raise PipelineError(
            f"train: wanted a finite {name} loss, found {loss} in epoch {record.epoch} at lr {record.lr:g}; "
            "try a lower train.lr, more train.warmup_epochs or train.normalization: train"
        )

    def _card(self, record: EpochRecord) -> ModelCard:
        scores = {"loss": record.val_loss, "macro_f1": record.val_macro_f1}
        per_class = {f"f1/{name}": score for name, score in record.val_f1.items()}
        return ModelCard(
            architecture=self.params.model,
            class_names=self.packed.class_names,
            stored_size=_stored_size(self.packed),
            resolution=self._preprocessing.resolution,
            mean=self._preprocessing.mean,
            std=self._preprocessing.std,
            epoch=record.epoch,
            val_scores=scores | per_class if len(self._val_rows) else {},
            params=self.params.model_dump(mode="json"),
        )


def _check_fit(packed: PackedSet, train_rows: Rows, val_rows: Rows, params: TrainParams) -> None:
    if len(train_rows) == 0:
        raise DataError("train: wanted training images, found none")
    if len(val_rows) == 0 and params.schedule == "plateau":
        raise ParameterError(
            "train.schedule: wanted one that needs no validation images, found plateau; or train.final: ensemble"
        )
    stored = min(_stored_size(packed))
    if params.resolution > stored:
        raise ParameterError(
            f"train.resolution: wanted a whole number <= {stored}, the size of the packed images, "
            f"found {params.resolution}"
        )


def _check_pieces(net: nn.Module, count: int, params: TrainParams, ranks: Ranks) -> None:
    """Refuse batch norm over a single image, which has no spread to divide by, and ranks without one."""
    batches = {len(rows) for rows in evenly(np.arange(count), _batch_size(params, count))}
    batch = min(batches)
    piece = min(len(rows) for size in batches for rows in evenly(np.arange(size), params.micro_batch_size or size))
    if batch < ranks.count or (ranks.count > 1 and params.micro_batch_size == 1):
        key = "batch_size" if batch < ranks.count else "micro_batch_size"
        raise ParameterError(f"train.{key}: wanted {max(2, ranks.count)} or more for {ranks.count} ranks, found less")
    if piece < 2 and any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        key = "batch_size" if batch < 2 else "micro_batch_size"
        raise ParameterError(f"train.{key}: wanted 2 or more images at once for {params.model}'s batch norm, found 1")


def _compiled(net: nn.Module, device: torch.device, ranks: Ranks) -> Callable[[Tensor], Tensor]:
    # What takes the time on a GPU is starting the kernels one by one; this mode has them started as one graph. What
    # the ranks send each other stays out of such a graph.
    mode = "reduce-overhead" if device.type == "cuda" and ranks.count == 1 else "default"
    compiled: Callable[[Tensor], Tensor] = torch.compile(net, mode=mode, dynamic=False)
    return compiled


def _stored_size(packed: PackedSet) -> tuple[int, int]:
    height, width = packed.images.shape[1:]
    return int(height), int(width)


def _batch_size(params: TrainParams, count: int) -> int:
    return count if params.batch_size == "all" else params.batch_size


def _at_once(params: TrainParams, count: int, ranks: Ranks) -> int:
    """Return how many images a process trains on at once."""
    share = ranks.largest_share(min(count, _batch_size(params, count)))
    return min(share, params.micro_batch_size or share)


def _preprocessing(packed: PackedSet, train_rows: Rows, params: TrainParams) -> Preprocessing:
    mean, std = (0.0, 1.0) if params.normalization == "none" else grey_statistics(packed.images, train_rows)
    return Preprocessing(params.resolution, mean, std)


def _class_weights(packed: PackedSet, train_rows: Rows, params: TrainParams) -> NDArray[np.float32]:
    num_classes = len(packed.class_names)
    if params.balance == "class_weights":
        return class_weights(packed.labels[train_rows], num_classes)
    return np.ones(num_classes, dtype=np.float32)


def _f1(y_true: NDArray[np.int64], y_pred: NDArray[np.int64], class_names: tuple[str, ...]) -> dict[str, float]:
    """Return F1 for every class in `y_true`: of the others it would say nothing about finding them."""
    present = np.unique(y_true)
    scores = f1_score(y_true, y_pred, labels=present, average=None, zero_division=0)
    return {class_names[label]: float(score) for label, score in zip(present, scores, strict=True)}
