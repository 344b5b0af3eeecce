"""What only a GPU shows; skipped where there is none."""

import pickle
import warnings

import numpy as np
import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.training.batches import gather, resident
from pipeline.training.device import choose_compute
from pipeline.training.loop import Trainer
from pipeline.training.predict import predict_logits

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a CUDA device")

LABELS = [0] * 40 + [1] * 20 + [2] * 12
ROWS = np.arange(len(LABELS))
TRAIN, VAL = ROWS[ROWS % 4 > 0], ROWS[ROWS % 4 == 0]
CHANGED = {
    "flip_horizontal": False,  # the class is which quarter is bright
    "flip_vertical": False,
    "rotation": 10.0,
    "translation": 0.1,
    "scale": 0.2,
    "brightness": 0.02,
    "contrast": 0.2,
    "blur": 0.0,
    "noise": 0.01,
    "erase": 0.2,
}


@pytest.fixture
def trainer(make_packed, recipe):
    """A trainer on the GPU, by a recipe with changes."""

    def make(**changes):
        precision = changes.pop("precision", "fp32")
        values = {"model": "resnet18", "augment": CHANGED, "ema_decay": 0.9, "epochs": 6, "balance": "sampler"}
        params = recipe(**(values | changes))
        return Trainer(make_packed(LABELS), TRAIN, VAL, params, choose_compute("cuda", precision))

    return make


def trained(trainer):
    return trainer, list(trainer.epochs())


def test_the_set_stays_on_the_gpu_and_gives_the_same_batches(make_packed):
    images, device = make_packed(LABELS).images, torch.device("cuda", 0)
    there = resident(images, device)
    assert isinstance(there, torch.Tensor)
    assert there.device == device
    rows = np.array([5, 0, 5, 71])
    assert torch.equal(gather(there, rows, device), gather(images, rows, device))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_learns_and_answers_as_on_the_cpu(trainer, make_packed, precision):
    trainer, records = trained(trainer(precision=precision, epochs=15))
    assert records[-1].train_loss < 0.8 * records[0].train_loss
    assert records[-1].val_macro_f1 > 0.9
    kept = trainer.kept
    on_cpu = predict_logits(kept, make_packed(LABELS).images, VAL)
    kept.net.to("cuda")
    np.testing.assert_allclose(predict_logits(kept, make_packed(LABELS).images, VAL), on_cpu, atol=0.02)


def test_auto_is_bf16_where_the_gpu_computes_in_it():
    expected = "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp32"
    assert choose_compute("auto").precision == expected


def test_no_step_waits_for_the_gpu(trainer):
    trainer = trainer(precision="bf16", batch_size=4)
    trainer._train_one_epoch()  # kernels are chosen, memory is taken
    few = waits(trainer._train_one_epoch)
    trainer.train_rows = np.tile(trainer.train_rows, 4)
    assert waits(trainer._train_one_epoch) == few


def waits(work):
    """How often `work` makes the processor wait for the GPU."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")  # warns, too
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchroniz" in str(each.message) for each in caught)


def test_goes_on_from_a_state(trainer):
    whole, _ = trained(trainer(epochs=4))
    first = trainer(epochs=4)
    epochs = first.epochs()
    next(epochs), next(epochs)
    state = pickle.loads(pickle.dumps(first.state()))
    second = trainer(epochs=4)
    second.go_on_from(state)
    trained(second)
    # Sums on a GPU come in any order, so bytes may differ.
    for one, other in zip(whole.records, second.records, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=0.05)


def test_too_little_memory_is_one_line(trainer, make_packed):
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.002)
    try:
        with pytest.raises(
            PipelineError, match=r"^train: wanted more memory than the device has free; a train.micro_batch"
        ):
            trained(trainer(model="resnet101", batch_size="all"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores", "ignore:The CUDA Graph is empty")
def test_compiled_is_the_same_training(trainer):
    (_, plain), (compiled_trainer, compiled) = trained(trainer(epochs=2)), trained(trainer(epochs=2, compile=True))
    for one, other in zip(plain, compiled, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=0.05)
    assert not any("orig_mod" in key for key in compiled_trainer.kept.net.state_dict())
