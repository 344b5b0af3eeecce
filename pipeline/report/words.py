"""Words that several sections share."""

from collections.abc import Sequence

from pipeline.text import shown


def named(names: Sequence[str], class_number: int) -> str:
    """Return the name of a class as it can stand in a sentence."""
    return shown(names[class_number]) or "(no name)"


def photographs(count: int) -> str:
    """Return "1 photograph", "7 photographs" or "no photograph"."""
    return counted(count, "photograph")


def counted(count: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"no {noun}" if count == 0 else f"{count} {noun}{'s' if count > 1 else ''}"
