import os
import subprocess
import sys

import pytest
import torch
from torch._inductor.exc import InvalidCxxCompiler

from pipeline.errors import MemoryShortageError, ModelError
from pipeline.training.device import Compute, choose_compute, cpu_threads, errors_explained, keep_freed_memory


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_cuda_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def capabilities(monkeypatch, **found):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)


@pytest.mark.usefixtures("no_cuda")
def test_auto_without_cuda_is_the_cpu():
    assert choose_compute("auto", "fp32") == Compute(torch.device("cpu"), "fp32")


@pytest.mark.usefixtures("two_cuda_devices")
@pytest.mark.parametrize(("name", "index"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_cuda_where_it_is(name, index):
    assert choose_compute(name, "fp32").device == torch.device("cuda", index)


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_where_it_is_not(name):
    with pytest.raises(ModelError, match=rf"^train.device: wanted {name}, found no CUDA device$"):
        choose_compute(name)


@pytest.mark.usefixtures("two_cuda_devices")
def test_a_cuda_device_too_many():
    with pytest.raises(ModelError, match=r"^train.device: wanted cuda:2, found cuda:0 to cuda:1$"):
        choose_compute("cuda:2")


@pytest.mark.parametrize(
    ("found", "precision"),
    [({}, "fp32"), ({"avx512_f": True}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")],
)
def test_auto_precision_on_a_cpu_is_what_the_hardware_has(monkeypatch, found, precision):
    capabilities(monkeypatch, **found)
    assert choose_compute("cpu", "auto").precision == precision


def test_auto_precision_where_torch_does_not_say(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_compute("cpu", "auto").precision == "fp32"


def test_precision_that_is_asked_for_is_taken(monkeypatch):
    capabilities(monkeypatch)
    assert choose_compute("cpu", "bf16").precision == "bf16"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_computes_in_the_precision(precision, dtype):
    with choose_compute("cpu", precision).autocast():
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype


def test_threads_are_those_asked_for_inside_the_block_alone():
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with cpu_threads(None):
        assert torch.get_num_threads() == before


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)
def test_freed_memory_is_taken_again_without_the_system():
    """In a process of its own, since it holds for the whole of it."""
    code = """
import resource
import torch
from pipeline.training.device import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(100_000_000, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
before = faults()
keep_freed_memory()
faults()
print(before, faults())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 10
    keep_freed_memory()  # once more does no harm


def test_memory_that_the_processor_does_not_have():
    wanted = r"a train.micro_batch_size of 8, say, .*allocate memory"
    with pytest.raises(MemoryShortageError, match=wanted) as caught, errors_explained(16):
        torch.empty(1 << 50)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_smaller_piece_is_asked_for_than_there_is(at_once):
    with pytest.raises(MemoryShortageError, match="a lower "), errors_explained(at_once):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_other_errors_are_no_matter_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), errors_explained(16):
        raise RuntimeError("shapes do not fit")


def test_nothing_to_compile_with():
    with (
        pytest.raises(ModelError, match=r"train.compile: .*No working C\+\+ compiler.*; or false"),
        errors_explained(16),
    ):
        raise InvalidCxxCompiler
