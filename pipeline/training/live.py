"""A training in progress, seen and steered from another terminal. Without PyTorch, so that it answers at once.

A request is a file of its own in the folder of the training, whole from the first moment; the training takes those
that are there when an epoch ends, in the order of their names.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from pipeline.errors import PipelineError
from pipeline.files import STATE_FOLDER, project_root, write_text
from pipeline.training.moves import Move, check_move

MOVES_FILE = "moves.json"
STATUS_FILE = "status.json"
FINAL = "final"
"""Folder, in that of a training, of the net that is left beside those that are judged, or of the only one."""

_REQUESTS = "requests"


def home() -> Path:
    """Return where trainings keep themselves: in the main checkout, also those of the queue."""
    return project_root() / STATE_FOLDER / "training"


def lock_of(folder: Path) -> Path:
    """Return the file that is locked while the training that keeps itself in `folder` is at work."""
    return folder.with_name(f"{folder.name}.lock")


def is_at_work(folder: Path) -> bool:
    """Say whether some process is training what keeps itself in `folder`."""
    lock = FileLock(lock_of(folder))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, or None if there is no such file or it was cut short."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def ask(folder: Path, move: Move) -> None:
    """Ask the training that keeps itself in `folder` for a move."""
    name = f"{time.time_ns():020d}-{os.getpid()}.json"
    write_text(folder / _REQUESTS / name, json.dumps(move) + "\n")


def pending_requests(folder: Path) -> Iterator[tuple[Path, Move]]:
    """Yield the requests that wait in `folder`, the oldest first, and what they ask for."""
    for path in sorted((folder / _REQUESTS).glob("*.json")):
        yield path, check_move(json.loads(path.read_bytes()))


class LiveTraining(NamedTuple):
    """A net that is in training now, and what it says of itself (see `checkpoints`)."""

    folder: Path
    status: dict[str, Any]


def live_trainings() -> list[LiveTraining]:
    """Return the nets that are in training now."""
    found = [
        LiveTraining(status.parent, read_json(status) or {})
        for status in sorted(home().glob(f"*/nets/*/{STATUS_FILE}"))
        if is_at_work(status.parent.parent.parent)
    ]
    return [each for each in found if each.status]


def only_live_training(name: str | None = None) -> LiveTraining:
    """Return the one net in training, or that whose name begins with `name`.

    Raises
    ------
    PipelineError
        If there is none, or more than one.
    """
    found = [each for each in live_trainings() if each.status["name"].startswith(name or "")]
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.status["name"] for each in found) or "none"
    which = f"one that is called {name}" if name else "one"
    raise PipelineError(f"lr: wanted {which} training in progress, found {names}")
