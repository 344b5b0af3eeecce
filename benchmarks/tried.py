"""What was tried and did not earn its place in the pipeline, as recipes of `quality.py`; figures: docs/recipes.md.

python benchmarks/quality.py FOLDER default focal sam:epochs=20 logit_adjusted:balance=none
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.training.batches import Rows, balanced, gather_labels
from pipeline.training.loop import Trainer
from pipeline.training.weights import TrainedModel


class Focal(Trainer):
    """The loss of what is nearly right counts for less: T.-Y. Lin et al., "Focal Loss" (ICCV 2017), gamma 2."""

    def _losses(self, logits: Tensor, y_true: Tensor) -> Tensor:
        losses = F.cross_entropy(logits.float(), y_true, reduction="none")
        return (1 - torch.exp(-losses)) ** 2 * losses


class LogitAdjusted(Trainer):
    """A rare class must win by more: A. K. Menon et al., logit adjustment (ICLR 2021), tau 1."""

    def _losses(self, logits: Tensor, y_true: Tensor) -> Tensor:
        return F.cross_entropy(logits.float() + _log_shares(self), y_true, reduction="none")


class AdjustedAfterwards(Trainer):
    """The same, done to the logits of a net that is trained as ever."""

    @property
    def kept(self) -> TrainedModel:
        net, card = super().kept.net, super().kept.card
        return TrainedModel(_Less(net, _log_shares(self)).eval(), card)


class Ldam(Trainer):
    """Wider margins for rare classes, whose weights come at the end: K. Cao et al., LDAM with DRW (NeurIPS 2019).

    The largest margin is 0.5, on logits that are not normalised.
    """

    def _losses(self, logits: Tensor, y_true: Tensor) -> Tensor:
        counts = np.maximum(_counts(self), 1)
        margins = torch.from_numpy(0.5 * (counts.min() / counts) ** 0.25).float()
        weights = None
        if self._epoch > 0.8 * self.params.epochs:
            effective = torch.from_numpy((1 - 0.9999) / (1 - 0.9999**counts)).float()
            weights = effective / effective.mean()
        wanted = F.one_hot(y_true, len(counts)) * margins
        return F.cross_entropy(logits.float() - wanted, y_true, weights, reduction="none")


class Mixup(Trainer):
    """Half of the images have another one mixed in, to up to a half: H. Zhang et al., "mixup" (ICLR 2018)."""

    def _loss(self, rows: Rows, changes: torch.Generator) -> Tensor:
        grey = self._changed(rows, changes)
        partner = torch.randperm(len(rows), generator=changes)
        share = torch.rand(len(rows), generator=changes) / 2 * (torch.rand(len(rows), generator=changes) < 0.5)
        mixed, share = self._mixed(grey, grey[partner], share, changes)
        y_true = gather_labels(self.packed.labels, rows, self._compute.device)
        logits = self._logits(mixed)
        return self._losses(logits, y_true).lerp(self._losses(logits, y_true[partner]), share).sum()

    def _mixed(self, grey: Tensor, others: Tensor, share: Tensor, changes: torch.Generator) -> tuple[Tensor, Tensor]:
        return grey.lerp(others, share[:, None, None, None]), share


class CutMix(Mixup):
    """As mixup, but a square of that share of the area is taken from the other: S. Yun et al., "CutMix" (ICCV 2019)."""

    def _mixed(self, grey: Tensor, others: Tensor, share: Tensor, changes: torch.Generator) -> tuple[Tensor, Tensor]:
        side = grey.shape[-1]
        length = (share.sqrt() * side).round()
        place = torch.arange(side)
        along = []
        for _ in range(2):
            start = (torch.rand(len(grey), generator=changes) * (side - length)).floor()
            along.append((place >= start[:, None]) & (place < (start + length)[:, None]))
        square = along[0][:, None, :, None] & along[1][:, None, None, :]
        return torch.where(square, others, grey), (length / side) ** 2


class Sam(Trainer):
    """Steps by the gradient at the worst place near by: P. Foret et al., SAM (ICLR 2021), rho 0.05; twice the time."""

    def _train_one_batch(self, rows: Rows, changes: torch.Generator) -> Tensor:
        before = changes.get_state()
        self._optimizer.zero_grad()
        self._loss(rows, changes).div(len(rows)).backward()
        weights = [each for each in self._net.parameters() if each.grad is not None]
        gradients = [each.grad.clone() for each in weights]
        scale = 0.05 / torch.stack([gradient.norm() for gradient in gradients]).norm().clamp_min(1e-12)
        uphill = [gradient * scale for gradient in gradients]
        norms = [module for module in self._net.modules() if isinstance(module, nn.BatchNorm2d)]
        with torch.no_grad():
            torch._foreach_add_(weights, uphill)
        for module in norms:
            module.momentum = 0.0  # of the first pass alone
        self._optimizer.zero_grad()
        loss = self._loss(rows, changes.set_state(before)).div(len(rows))
        loss.backward()
        for module in norms:
            module.momentum = 0.1
        with torch.no_grad():
            torch._foreach_sub_(weights, uphill)
        self._optimizer.step()
        if self._average is not None:
            self._average.update()
        self._step += 1
        return loss.detach()


class HeadAfterwards(Trainer):
    """The last layer is trained afresh, balanced, for 5 epochs: B. Kang et al., "Decoupling" (ICLR 2020), cRT."""

    @property
    def kept(self) -> TrainedModel:
        trained = super().kept
        net = trained.net.requires_grad_(False)
        net.fc = nn.Linear(net.fc.in_features, net.fc.out_features)
        optimizer = torch.optim.AdamW(net.fc.parameters(), lr=1e-3, weight_decay=0.05)
        self._net = self._forward = net
        chance = torch.Generator().manual_seed(self.params.seed)
        for _ in range(5):
            rows = balanced(self.train_rows, self.packed.labels, chance)
            for batch in np.array_split(rows, len(rows) // 16):
                optimizer.zero_grad()
                self._loss(batch, chance).div(len(batch)).backward()
                optimizer.step()
        return trained


class _Less(nn.Module):
    def __init__(self, net: nn.Module, what: Tensor) -> None:
        super().__init__()
        self._net, self._what = net, what

    def forward(self, images: Tensor) -> Tensor:
        return self._net(images) - self._what


def _counts(trainer: Trainer) -> np.ndarray:
    return np.bincount(trainer.packed.labels[trainer.train_rows], minlength=len(trainer.packed.class_names))


def _log_shares(trainer: Trainer) -> Tensor:
    counts = torch.from_numpy(_counts(trainer)).float()
    return (counts / counts.sum()).clamp_min(1e-9).log()


TRIED: dict[str, type[Trainer]] = {
    "focal": Focal,
    "logit_adjusted": LogitAdjusted,
    "adjusted_afterwards": AdjustedAfterwards,
    "ldam": Ldam,
    "mixup": Mixup,
    "cutmix": CutMix,
    "sam": Sam,
    "head_afterwards": HeadAfterwards,
}
