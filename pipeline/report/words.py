"""Words that several sections share."""

from collections.abc import Sequence

from pipeline.text import shown


def named(names: Sequence[str], class_number: int) -> str:
    """Return the name of a class as it can stand in a sentence."""
    return shown(names[class_number]) or "(no name)"


def plural(count: int, noun: str) -> str:
    """Return "1 photograph", "2 photographs"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
