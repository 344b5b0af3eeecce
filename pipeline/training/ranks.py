"""Several processes that train one net together, as `torchrun` starts them: one a GPU, on one machine or on several.

Each takes its share of every batch, and their gradients are added up, so that the recipe, batch size included, means
the same however many there are. Rank 0 alone validates, tracks and writes; the others do what it says, and believe it
where their last digits may differ.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.training.batches import Rows
from pipeline.training.device import Compute

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process, counted from 0, and how many there are."""

    rank: int
    count: int

    def share(self, rows: Rows) -> Rows:
        """Return this rank's part of a batch."""
        return rows[self.rank :: self.count]

    def largest_share(self, size: int) -> int:
        """Return how many images of a batch of `size` the first rank takes, which never takes fewer than another."""
        return -(-size // self.count)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over all ranks."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [each.numel() for each in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def agreed(self, value: Value) -> Value:
        """Return what rank 0 gave for `value`."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]


ALONE = Ranks(0, 1)


@contextmanager
def joined(compute: Compute) -> Iterator[Ranks]:
    """Join the ranks that torchrun has started, if it has; at the end, rank 0 lets the others go.

    Raises
    ------
    PipelineError
        If another rank is lost.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if compute.device.type == "cuda":
        torch.cuda.set_device(compute.device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if compute.device.type == "cuda" else "gloo")
    ranks = Ranks(dist.get_rank(), dist.get_world_size())
    try:
        yield ranks
        if not ranks.rank:
            ranks.agreed(None)
    except (dist.DistError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = str(error).splitlines()[0]
        raise PipelineError(f"train: lost another rank; the same command goes on where it was ({reason})") from None
    finally:
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """The sum over all ranks, each of which is told the gradients of all."""

    @staticmethod
    def forward(_context: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _sum(tensor: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(tensor)
    return total


class SyncedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all ranks, on any device (PyTorch's own `SyncBatchNorm` wants GPUs)."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W); the numbers of images may differ between ranks."""
        if not self.training:
            return super().forward(images)
        values = images.float()
        axes = (0, 2, 3)
        count = torch.full((1,), values.numel() / values.shape[1], device=values.device)
        sums = _sum(torch.cat([values.sum(axes), count]))
        mean, total = sums[:-1] / sums[-1], sums[-1].detach()
        centred = values - mean[:, None, None]
        variance = _sum(centred.square().sum(axes)) / total
        self._note(mean.detach(), variance.detach() * total / (total - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised.to(images.dtype)

    def _note(self, mean: Tensor, variance: Tensor) -> None:
        assert isinstance(self.running_mean, Tensor)
        assert isinstance(self.running_var, Tensor)
        assert isinstance(self.num_batches_tracked, Tensor)
        assert isinstance(self.momentum, float)
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def synced(net: nn.Module) -> nn.Module:
    """Let every batch norm of `net` look at the images of all ranks; parameters and their names stay."""
    for name, module in list(net.named_modules()):
        if type(module) is nn.BatchNorm2d:
            other = SyncedBatchNorm(module.num_features, module.eps, module.momentum)
            other.load_state_dict(module.state_dict())
            net.set_submodule(name, other)
    return net
