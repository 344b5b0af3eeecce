"""`weldproof lr`: see and move the learning rate of a training while it runs, keep what was done, find a start."""

import argparse
import json
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import write_bytes
from pipeline.params import load_section, replace_value
from pipeline.training.live import FINAL, LiveTraining, ask, live_trainings, only_live_training
from pipeline.training.moves import AUTO, STOP, Move, check_move, merged, plain, set_to

MODELS = Path("models")
PACKED, ASSIGNMENT = Path("data/packed"), Path("data/split/assignment.csv")
PICTURE = Path("lr_range.png")


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `lr`."""
    verb.add_argument("action", nargs="?", choices=["keep", "find"], help="keep what was done by hand; find a start")
    move = verb.add_mutually_exclusive_group()
    move.add_argument("--times", type=float, metavar="FACTOR", help="multiply the rate: 0.1 turns it down, 10 up")
    move.add_argument("--set", type=float, metavar="RATE", help="hold this rate, whatever the schedule says")
    move.add_argument("--auto", action="store_true", help="give the rate back to the schedule")
    move.add_argument("--stop", action="store_true", help="finish this epoch, and keep the best")
    move.add_argument("--show", action="store_true", help="say what is in training (also without any argument)")
    verb.add_argument("--run", metavar="NAME", help="which training, if there are several: the start of its name")


def lr(arguments: argparse.Namespace) -> None:
    """See and move the learning rate of a training that runs in another terminal; keep what was done; find a start.

    A move takes effect with the next epoch, and goes into models/lr_history.csv and MLflow as `by hand`. After the
    training, `weldproof lr keep` writes the moves into params.yaml as train.lr_steps, and `dvc repro` then makes the
    same net from the recipe alone. `weldproof lr find` tries ever higher rates on the train part, and suggests one.
    """
    move = _move(arguments)
    if arguments.action and (move or arguments.show):
        raise PipelineError(f"lr {arguments.action}: wanted no other argument beside it, found one")
    if arguments.action == "keep":
        _keep()
    elif arguments.action == "find":
        _find()
    elif move:
        _ask(only_live_training(arguments.run), move)
    else:
        for training in live_trainings():
            print(_line(training))
        if not live_trainings():
            print("nothing is in training")


def _move(arguments: argparse.Namespace) -> Move | None:
    if arguments.auto or arguments.stop:
        return AUTO if arguments.auto else STOP
    try:
        if arguments.times is not None:
            return check_move(arguments.times)
        return None if arguments.set is None else check_move(set_to(arguments.set))
    except ValueError:
        found = arguments.times if arguments.times is not None else arguments.set
        raise PipelineError(f"lr: wanted a number above 0, found {found}") from None


def _line(training: LiveTraining) -> str:
    status = training.status
    last = f"lr {status['lr']:.3g}, loss {status['train_loss']:.4f}" if status["lr"] else "in its first epoch"
    score = f", val macro F1 {status['val_macro_f1']:.3f}" if status["val_macro_f1"] is not None else ""
    moves = "".join(f"; by hand from epoch {epoch}: {move}" for epoch, move in status["moves"])
    return f"{status['name']}: {status['title']}, epoch {status['epoch']} of {status['epochs']}, {last}{score}{moves}"


def _ask(training: LiveTraining, move: Move) -> None:
    if not training.status["steered"]:
        found = "the net on everything: it follows the net that is judged"
        if training.folder.name != FINAL:
            found = "folds: they must all be trained alike"
        raise PipelineError(f"lr: wanted the training of one net, found {found}")
    ask(training.folder, move)
    print(_line(training))
    when = "after this epoch" if move == STOP else "with the next epoch"
    print(f"asked for: {f'times {move:g}' if isinstance(move, float) else move}, {when}")


def _keep() -> None:
    # Loads PyTorch, which takes seconds: not for the verbs that must answer at once.
    from pipeline.tracking import run_of_training
    from pipeline.training.history import read_moves
    from pipeline.training.recipe import TrainParams
    from pipeline.training.weights import load_final

    by_hand = read_moves(MODELS)
    if not by_hand:
        raise PipelineError(f"{MODELS}/lr_history.csv: wanted moves made by hand, found none")
    params = load_section("train", TrainParams)
    if json.loads(params.model_dump_json()) != load_final(MODELS)[0].card.params:
        raise PipelineError(f"params.yaml: train: wanted the recipe that {MODELS} was trained by, found another")
    steps = merged(params.lr_steps, by_hand)
    replace_value("train", "lr_steps", {epoch: plain(moves) for epoch, moves in steps.items()})
    with run_of_training(MODELS) as tracked:
        tracked.set_tags({"hand_tuned": "kept"})
    for epoch, moves in by_hand.items():
        print(f"epoch {epoch}: {', '.join(map(str, moves))}")
    print("written to params.yaml, train.lr_steps; `dvc repro` now makes this net from the recipe alone")


def _find() -> None:
    from pipeline.data.assignment import read_assignment
    from pipeline.data.packed import open_packed
    from pipeline.evaluation.plots import lr_range_png
    from pipeline.training.device import choose_compute
    from pipeline.training.lr_range import lr_range_test
    from pipeline.training.recipe import TrainParams

    params = load_section("train", TrainParams)
    table = read_assignment(ASSIGNMENT, packed := open_packed(PACKED))
    parts = table.parts() if not table.num_folds else table.fold_parts(0)
    found = lr_range_test(table.apply(packed), parts.train, params, choose_compute(params.device, params.precision))
    write_bytes(PICTURE, lr_range_png(*found))
    print(f"train.lr: {found.suggested:.1e} would be a start; it is {params.lr:.1e} now")
    print(f"{PICTURE} shows the loss at {len(found.lr)} rates, from {found.lr[0]:.0e} to {found.lr[-1]:.0e}")
