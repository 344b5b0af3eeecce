"""Two processes train what one trains."""

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import warm
from closure import ROOT
from conftest import environment
from safetensors.torch import load_file

from pipeline.errors import MemoryShortageError, PipelineError
from pipeline.training.loop import Job, follow
from pipeline.training.ranks import ALONE, Ranks

SCRIPT = """
import json, sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pipeline.data.packed import IndexRow, PackedSet
from pipeline.training.device import Compute, cpu_threads
from pipeline.training.loop import Trainer, follow
from pipeline.training.ranks import joined
from pipeline.training.recipe import TrainParams
from pipeline.training.weights import save

params = TrainParams.model_validate_json(sys.argv[1])
labels = np.array([0] * 9 + [1] * 5 + [2] * 3)
rng = np.random.default_rng(0)
images = np.stack([rng.normal(60 * (1 + label), 25, (64, 64)) for label in labels]).clip(0, 255).astype(np.uint8)
index = tuple(IndexRow(*([str(number)] * len(IndexRow._fields))) for number in range(len(labels)))
packed = PackedSet(images, labels, ("a", "b", "c"), index)
compute = Compute(torch.device("cpu"), "fp32")
train, val = np.array([0, 1, 2, 3, 4, 9, 10, 11, 14, 15, 16]), np.array([5, 6, 7, 8, 12, 13])
with cpu_threads(1), joined(compute) as ranks:
    new = partial(Trainer, packed, params=params, compute=compute, ranks=ranks)
    if ranks.rank:
        follow(new, ranks)
    else:
        trainer = new(train, val)
        for record in trainer.epochs():
            if record.epoch == 1:
                trainer.move(0.5)
        again = new(train, val)
        again.go_on_from(trainer.state())
        assert list(again.epochs()) == []
        # The last, not the best: which one that is may hang on the last digit.
        save(Path(sys.argv[2]), replace(trainer.kept, net=trainer._trained_net))
        losses = [[record.train_loss, record.val_loss, record.lr] for record in trainer.records]
        Path(sys.argv[2], "losses.json").write_text(json.dumps(losses))
"""


def train(folder, params, ranks):
    script = folder / "script.py"
    script.write_text(SCRIPT)
    launcher = [warm.python()]
    if ranks > 1:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    place = folder / str(ranks)
    place.mkdir()
    done = subprocess.run(
        [*launcher, script, params.model_dump_json(), place],
        cwd=ROOT,
        env=environment(OMP_NUM_THREADS="1", PYTHON_EXEC=warm.python()),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return load_file(place / "model.safetensors"), np.array(eval((place / "losses.json").read_text()))


@pytest.mark.parametrize(
    "changes",
    [
        {"balance": "sampler", "ema_decay": 0.9, "batch_size": "all"},
        {"balance": "class_weights", "label_smoothing": 0.1, "batch_size": "all"},
    ],
    ids=str,
)
def test_two_ranks_train_what_one_trains(recipe, tmp_path, changes):
    """Shares of different sizes, batch norm over all of them, a move by hand, and a training that goes on."""
    params = recipe(**{"model": "resnet18", "optimizer": "sgd", "lr": 1e-3, "epochs": 3, "resolution": 64} | changes)
    alone, alone_losses = train(tmp_path, params, 1)
    together, losses = train(tmp_path, params, 2)
    np.testing.assert_allclose(losses, alone_losses, rtol=2e-3)
    for name, tensor in alone.items():
        torch.testing.assert_close(
            together[name], tensor, rtol=2e-2, atol=2e-3, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_shares_are_all_of_a_batch():
    rows = np.arange(11)
    shares = [Ranks(rank, 3).share(rows) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(rows)
    assert max(map(len, shares)) == Ranks(0, 3).largest_share(11) == len(shares[0])
    assert ALONE.share(rows) is not None
    assert len(ALONE.share(rows)) == 11


@pytest.mark.parametrize(("error", "told"), [(MemoryShortageError, True), (PipelineError, False)])
def test_a_rank_that_fails_alone_does_not_let_the_others_wait(error, told):
    """Rank 0 says what all of them have found; that one has too little memory it does not know."""

    class Failing:
        def epochs(self):
            raise error("no")
            yield

    jobs = iter([Job(np.arange(2), np.arange(2), None), None])
    ranks = SimpleNamespace(agreed=lambda _value: next(jobs))
    with pytest.raises(error) if told else nullcontext():
        follow(lambda *_: Failing(), ranks)
