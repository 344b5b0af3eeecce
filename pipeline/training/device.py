"""Where the net runs, and in which precision."""

import ctypes
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator

from pipeline.errors import MemoryShortageError, ModelError


def _check_name(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name):
        raise ValueError(f"wanted auto, cpu, cuda or cuda:N, found {name!r}")
    return name


_NO_CPU_MEMORY = "DefaultCPUAllocator"  # in what PyTorch says of it: it has no class of error for that
_COMPILERS = ("torch._inductor", "torch._dynamo")
_FEWEST_AT_ONCE = 4  # whose half still has a spread for batch norm
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h

DeviceName = Annotated[str, AfterValidator(_check_name)]
"""A device as parameters name it."""


@dataclass(frozen=True)
class Compute:
    """A device and the precision of the matrix products on it; weights and losses are float32 in either."""

    device: torch.device
    precision: Literal["fp32", "bf16"]

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which the forward pass runs."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def choose_compute(
    device: str = "auto", precision: Literal["auto", "fp32", "bf16"] = "auto", key: str = "train.device"
) -> Compute:
    """Return what `device` ("auto", "cpu", "cuda", "cuda:N") and `precision` mean on this machine.

    "auto" is the first CUDA device where there is one, and bf16 where the hardware computes in it.

    Raises
    ------
    ModelError
        If the device is not there; the text names the parameter `key`.
    """
    chosen = _device(device, key)
    if precision == "auto":
        precision = "bf16" if _computes_in_bf16(chosen) else "fp32"
    return Compute(chosen, precision)


@contextmanager
def errors_explained(at_once: int) -> Iterator[None]:
    """Say in one line what a person can do about too little memory, or where there is nothing to compile with.

    Parameters
    ----------
    at_once : images that are trained on at once

    Raises
    ------
    MemoryShortageError, ModelError
    """
    try:
        yield
    except RuntimeError as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, torch.OutOfMemoryError) or _NO_CPU_MEMORY in reason:
            raise MemoryShortageError(
                f"train: wanted more memory than the device has free; {_saving(at_once)} ({reason})"
            ) from None
        if type(error).__module__.startswith(_COMPILERS):
            raise ModelError(f"train.compile: wanted what PyTorch compiles with, found {reason}; or false") from None
        raise


def _saving(at_once: int) -> str:
    if at_once < _FEWEST_AT_ONCE:
        return "a lower train.resolution or a smaller train.model needs less"
    return f"a train.micro_batch_size of {at_once // 2}, say, needs less and keeps the batch as it is"


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Let PyTorch use `count` CPU threads inside the block; None leaves its own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Let this process keep the memory that tensors leave for the next ones, instead of giving it back to the system.

    A step on the CPU takes and leaves the same hundred megabytes each time. What goes back to the system comes again
    as fresh pages, each of which is cleared at its first use: a tenth of the step. Has no effect where the C library is
    not glibc.
    """
    with suppress(AttributeError):  # no mallopt
        c_library = ctypes.CDLL(None)
        c_library.mallopt(_M_MMAP_MAX, 0)
        c_library.mallopt(_M_TRIM_THRESHOLD, -1)


def _device(name: str, key: str) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if count else "cpu"
    device = torch.device(name)
    if device.type != "cuda":
        return device
    if not count:
        raise ModelError(f"{key}: wanted {name}, found no CUDA device")
    # torchrun tells each of its processes which GPU of the machine is its own.
    index = int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index
    if index >= count:
        raise ModelError(f"{key}: wanted {name}, found cuda:0 to cuda:{count - 1}")
    return torch.device("cuda", index)


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older PyTorch does not say what the CPU can do. Without these instructions bf16 is slower than float32.
    capabilities: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
