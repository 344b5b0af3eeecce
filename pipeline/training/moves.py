"""Moves of the learning rate: given in the recipe, or made by hand while a training runs. Both are the same thing.

====================  ================================================================================
``0.1``, ``10``       multiply the rate by this, from this epoch on; factors multiply
``set 3e-4``          hold this rate, whatever the schedule says; a factor after it multiplies that
``auto``              back to the schedule alone: forget all moves so far
``stop``              train no further: the epoch before was the last
====================  ================================================================================
"""

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

Move = float | str
"""A factor, or one of the texts above."""

AUTO, STOP, _SET = "auto", "stop", "set "


def set_to(rate: float) -> Move:
    """Return the move that holds `rate`."""
    return f"{_SET}{rate!r}"


def check_move(value: Any) -> Move:
    """Return `value` as a move. Raises ValueError, which names what was wanted, if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max:
        return float(value)
    if value in (AUTO, STOP) or (isinstance(value, str) and _held_rate(value)):
        return str(value)
    raise ValueError(f"wanted a factor such as 0.1, `set 3e-4`, `auto` or `stop`, found {value!r}")


def parse_move(text: str) -> Move:
    """Return a move as it stands in a text. Raises ValueError as `check_move` does."""
    try:
        return check_move(float(text))
    except ValueError:
        return check_move(text)


def _held_rate(move: str) -> float | None:
    """Return the rate that a move sets, if that is what it does."""
    try:
        rate = float(move.removeprefix(_SET)) if move.startswith(_SET) else math.nan
    except ValueError:
        return None
    return rate if 0 < rate < math.inf else None


def _check_moves(value: Any) -> tuple[Move, ...]:
    return tuple(map(check_move, value if isinstance(value, list | tuple) else [value]))


Moves = Annotated[tuple[Move, ...], BeforeValidator(_check_moves)]
"""The moves of one epoch, in order; written as one alone or as a list."""


def moved(planned: float, moves: Iterable[Move]) -> float:
    """Return the rate that moves, in order, make of the planned one."""
    factor, held = 1.0, None
    for move in moves:
        if isinstance(move, float):
            factor, held = factor * move, held and held * move
        elif move == AUTO:
            factor, held = 1.0, None
        elif move != STOP:
            held = _held_rate(move)
    # A product of very small factors is 0, which no later factor could turn up again.
    return max(planned * factor if held is None else held, sys.float_info.min)


def merged(*tables: Mapping[int, tuple[Move, ...]]) -> dict[int, tuple[Move, ...]]:
    """Return the moves of several tables, epoch -> moves, in one: those of an epoch one table after the other."""
    epochs = sorted({epoch for table in tables for epoch in table})
    return {epoch: tuple(move for table in tables for move in table.get(epoch, ())) for epoch in epochs}


def plain(moves: tuple[Move, ...]) -> Move | list[Move]:
    """Return the moves of one epoch as they stand in params.yaml."""
    return moves[0] if len(moves) == 1 else list(moves)
