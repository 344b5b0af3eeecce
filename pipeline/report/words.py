"""Words that several sections share."""

from collections.abc import Sequence

from pipeline.evaluation.text import shorten
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


def quoted(name: str) -> str:
    """Return a name in quotes, what is not printable escaped, cut where it is very long."""
    return f"“{shorten(shown(name), 40, 12)}”"


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
