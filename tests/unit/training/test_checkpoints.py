"""A training that is broken off goes on, and ends with the same bytes; moves by hand included."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.training.checkpoints import Checkpoint, diverged
from pipeline.training.device import Compute
from pipeline.training.history import read_moves, write_history
from pipeline.training.live import ask
from pipeline.training.loop import Trainer
from pipeline.training.weights import save

CPU = Compute(torch.device("cpu"), "fp32")
LABELS = [0] * 9 + [1] * 5 + [2] * 3
TRAIN, VAL = np.array([0, 1, 2, 3, 4, 9, 10, 11, 14, 15]), np.array([5, 6, 7, 8, 12, 13, 16])
EPOCHS = 6
RECIPES = [
    {"model": "squeezenet1_1"},  # has dropout
    {
        "model": "shufflenet_v2_x0_5",
        "balance": "sampler",
        "ema_decay": 0.9,
        "schedule": "plateau",
        "plateau_patience": 1,
    },
    {"model": "shufflenet_v2_x0_5", "optimizer": "sgd", "schedule": "cosine", "lr": 0.002},
]


class Killed(BaseException):
    """What no `except` of the project catches, as a kill."""


@pytest.fixture
def new_trainer(make_packed, recipe):
    packed = make_packed(LABELS)
    augment = {"flip_horizontal": True, "rotation": 10.0, "noise": 0.02}

    def new(**changes):
        params = recipe(**{"epochs": EPOCHS, "batch_size": 4} | changes)
        params = params.model_copy(update={"augment": params.augment.model_copy(update=augment)})
        return Trainer(packed, TRAIN, VAL, params, CPU)

    return new


def left_by(trainer, folder):
    """All that a training leaves but the times."""
    save(folder, trainer.kept)
    files = [(folder / name).read_bytes() for name in ("model.safetensors", "model.json")]
    times = ("seconds", "images_per_second")
    return files, [{k: v for k, v in asdict(record).items() if k not in times} for record in trainer.records]


def train(trainer, folder, kill_after=None, moves=(), often=True):
    """Train; ask for moves during their epochs, and be killed where that is wanted, before a state is written or after."""
    checkpoint = Checkpoint(folder, steered=True)
    if often:
        checkpoint._write_seconds = -1.0
    for record in checkpoint.epochs(trainer, "run"):
        for epoch, move in moves:
            if epoch == record.epoch:
                ask(folder, move)
        if record.epoch == kill_after:
            raise Killed
    return trainer


@pytest.mark.parametrize("changes", RECIPES, ids=lambda changes: changes["model"] + str(len(changes)))
@pytest.mark.parametrize("often", [True, False])
def test_killed_twice_it_ends_with_the_same_bytes(new_trainer, tmp_path, changes, often):
    wanted = left_by(train(new_trainer(**changes), tmp_path / "whole"), tmp_path / "a")
    for kill_after in (2, 4):
        with pytest.raises(Killed):
            train(new_trainer(**changes), tmp_path / "broken off", kill_after, often=often)
        torch.manual_seed(kill_after)  # what a new process has drawn must not matter
    trainer = train(new_trainer(**changes), tmp_path / "broken off")
    assert left_by(trainer, tmp_path / "b") == wanted


@given(
    kills=st.lists(st.integers(1, EPOCHS), max_size=3),
    moves=st.lists(
        st.tuples(st.integers(1, EPOCHS), st.sampled_from([0.1, 3.0, "set 0.01", "auto", "stop"])), max_size=3
    ),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_moves_by_hand_survive_kills_and_become_a_recipe(new_trainer, tmp_path_factory, kills, moves):
    """Killed or not, the moves are made once; and written into the recipe, they give the same weights."""
    folder = tmp_path_factory.mktemp("moved")
    for number, kill_after in enumerate([*sorted(kills), None]):
        first = number == 0
        trainer = new_trainer(model="shufflenet_v2_x0_5")
        try:
            train(trainer, folder, kill_after, moves if first else ())
            break
        except Killed:
            continue
    write_history(folder, trainer.records, trainer.by_hand)
    by_hand = read_moves(folder)
    assert by_hand == {epoch: each for epoch, each in trainer.by_hand.items() if epoch <= len(trainer.records) + 1}
    kept = new_trainer(model="shufflenet_v2_x0_5", lr_steps=by_hand)
    for _ in kept.epochs():
        pass
    found = kept.kept.net.state_dict()
    assert all(torch.equal(value, found[key]) for key, value in trainer.kept.net.state_dict().items())
    assert [record.lr for record in kept.records] == [record.lr for record in trainer.records]


def test_a_request_is_made_once_even_if_killed_before_it_is_forgotten(new_trainer, tmp_path):
    with pytest.raises(Killed):
        train(new_trainer(), tmp_path, 3, moves=[(1, 0.1)])
    (tmp_path / "requests").mkdir(exist_ok=True)
    note = json.loads((tmp_path / "moves.json").read_text())[0]
    (tmp_path / "requests" / note["request"]).write_text("0.1")
    trainer = train(new_trainer(), tmp_path)
    assert trainer.by_hand == {3: (0.1,)}


def test_a_request_during_what_is_trained_again_waits(new_trainer, tmp_path):
    """Epochs that were told to the tracker are trained again as they were."""
    with pytest.raises(Killed):
        train(new_trainer(), tmp_path, 4, often=False)
    (tmp_path / "state.pt").unlink()
    trainer = train(new_trainer(), tmp_path, moves=[(1, 0.1)])
    assert trainer.by_hand == {6: (0.1,)}


def test_a_request_waits_also_where_the_training_was_killed_again_while_it_caught_up(new_trainer, tmp_path):
    """The tracker was told of 4 epochs; the second kill, in epoch 2 of those that are trained again, takes none back."""
    for kill_after in (4, 2):
        with pytest.raises(Killed):
            train(new_trainer(), tmp_path, kill_after, often=False)
        (tmp_path / "state.pt").unlink(missing_ok=True)
    trainer = train(new_trainer(), tmp_path, moves=[(1, 0.1)])
    assert trainer.by_hand == {6: (0.1,)}


def test_state_that_cannot_be_read(new_trainer, tmp_path, caplog):
    wanted = left_by(train(new_trainer(), tmp_path / "whole"), tmp_path / "a")
    with pytest.raises(Killed):
        train(new_trainer(), tmp_path / "cut", 3)
    state = tmp_path / "cut" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    assert left_by(train(new_trainer(), tmp_path / "cut"), tmp_path / "b") == wanted
    assert "wanted the state of this training, found what is none" in caplog.text


def test_loss_that_is_no_number_leaves_the_best_net_before(new_trainer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = new_trainer(lr_steps={3: 1e30})
    with pytest.raises(PipelineError, match=r"wanted a finite .* loss.*the best epoch before, [12], is kept in"):
        train(trainer, tmp_path / "net")
    (place,) = diverged().glob("*/net")
    assert (place / "model.safetensors").is_file()
    assert len((place / "history.csv").read_text().splitlines()) == 3


def test_what_is_left_of_a_failure_outlives_the_copy_that_an_experiment_runs_in(new_trainer, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for fold in ("0", "2"):
        folder = tmp_path / ".weldproof/training/key/nets" / fold
        with pytest.raises(PipelineError, match=f"kept in ../.weldproof/diverged/key/{fold}$"):
            for _ in Checkpoint(folder, f"fold {fold}").epochs(new_trainer(lr_steps={3: 1e30}), fold):
                pass
    kept = [json.loads((tmp_path / ".weldproof/diverged/key" / fold / "run.json").read_text()) for fold in ("0", "2")]
    assert [note["run_id"] for note in kept] == ["0", "2"]
