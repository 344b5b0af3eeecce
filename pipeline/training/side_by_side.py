"""How many trainings of small nets are best done at once on one machine."""

import psutil
import torch

from pipeline.data.parallel import available_cores
from pipeline.training.device import Compute

_GIB = 1 << 30
_ON_CPU, _ON_GPU = 1.5, 4.0  # GiB that a training may take
_MOST_ON_GPU = 8  # each has the card to itself for a while in turn: more only wait


def side_by_side(compute: Compute) -> int:
    """Return how many trainings of one thread each go on at once: one a core, as far as there is memory.

    With one thread a training computes the same on any machine, and several together take less time than one after the
    other, each with all threads: small nets leave threads, and a graphics card, waiting.
    """
    cores = available_cores()
    if compute.device.type == "cuda":
        free = torch.cuda.mem_get_info(compute.device)[0]
        return max(1, min(cores, int(free / _GIB / _ON_GPU), _MOST_ON_GPU))
    return max(1, min(cores, int(psutil.virtual_memory().available / _GIB / _ON_CPU)))
