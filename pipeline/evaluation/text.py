"""Names as people gave them, made fit for a table or a picture."""

from collections.abc import Sequence


def shorten(text: str, length: int, tail: int) -> str:
    """Cut a text down to `length` characters, the last `tail` of them its own end; shorter ones stay."""
    if len(text) <= length:
        return text
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def shorten_apart(names: Sequence[str], length: int) -> list[str]:
    """Cut names down to `length` >= 8 characters where it leaves them different; where none does, they are numbered."""
    middle = length // 2
    for tail in sorted(range(length), key=lambda tail: abs(tail - middle)):
        short = [shorten(name, length, tail) for name in names]
        if len(set(short)) == len(names):
            return short
    return [f"{number} {shorten(name, length - 4, middle - 2)}" for number, name in enumerate(names)]
